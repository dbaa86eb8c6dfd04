"""What a process calls itself in a lease, and whether one that held a lease is no more."""

from __future__ import annotations

import hashlib
import os
import secrets
import socket
from pathlib import Path

__all__ = ["is_gone", "new_holder"]

_BOOT, _PROCESSES = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")


def new_holder() -> str:
    """Return a name that no other start of a process has: host, where its number counts, number, and chance."""
    return ":".join((socket.gethostname(), _numbering() or "unknown", str(os.getpid()), secrets.token_hex(4)))


def is_gone(holder: str) -> bool:
    """Tell whether the process that called itself so has ended.

    It is asked of this host alone, within one start of it and one space of process numbers; of every other process the
    answer is no. A number that was given to another process meanwhile counts as alive.
    """
    parts = holder.rsplit(":", 3)
    numbering = _numbering()
    if len(parts) != len(("host", "numbering", "number", "chance")) or numbering is None:
        return False
    host, where, number, _ = parts
    if (host, where) != (socket.gethostname(), numbering) or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _numbering() -> str | None:
    """Return what stands for this start of the host and its space of process numbers, `None` where nothing tells."""
    try:
        found = _BOOT.read_text().strip() + str(_PROCESSES.readlink())
    except OSError:
        return None
    return hashlib.sha256(found.encode()).hexdigest()[:12]
