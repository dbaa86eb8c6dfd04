"""Units for systemd and a line for cron; secrets are named, never written."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from shlex import join

__all__ = ["cron_line", "systemd_units"]

_HARDENING = (
    "NoNewPrivileges=yes",
    "PrivateTmp=yes",
    "PrivateDevices=yes",
    "ProtectSystem=strict",
    "ProtectHome=read-only",
    "ProtectKernelTunables=yes",
    "ProtectKernelModules=yes",
    "ProtectControlGroups=yes",
    "ProtectClock=yes",
    "RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX",
    "RestrictNamespaces=yes",
    "RestrictSUIDSGID=yes",
    "LockPersonality=yes",
    "SystemCallArchitectures=native",
    "SystemCallFilter=@system-service",
    "CapabilityBoundingSet=",
    "UMask=0077",
    "LimitCORE=0",
)


def systemd_units(command: Sequence[str], *, password_file: Path | None) -> str:
    """Return a service that runs `command` and starts it again whenever it ends, as the text of one unit.

    Args:
        command: the guard's, with absolute paths.
        password_file: handed over by `LoadCredential`, so that the service's user need not be able to read it.
    """
    credential = () if password_file is None else (f"LoadCredential=password:{password_file}",)
    lines = (
        "[Unit]",
        "Description=defilev guard",
        "Wants=network-online.target",
        "After=network-online.target",
        "StartLimitIntervalSec=0",
        "",
        "[Service]",
        "Type=exec",
        f"ExecStart={join(command)}",
        "EnvironmentFile=%h/.config/defilev/guard.env",
        "StateDirectory=defilev",
        *credential,
        "Restart=always",
        "RestartSec=5",
        "KillSignal=SIGTERM",
        "TimeoutStopSec=660",
        *_HARDENING,
        "ReadWritePaths=%S/defilev",
        "",
        "[Install]",
        "WantedBy=default.target",
    )
    return "\n".join(lines)


def cron_line(command: Sequence[str]) -> str:
    """Return a line for a crontab that looks once a minute; of two that overlap the later one stands by."""
    return f"* * * * * {join([*command, '--once'])}"
