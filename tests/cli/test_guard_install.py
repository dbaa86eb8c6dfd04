"""What `defilev guard install` prints: a unit and a crontab line that run the guard, with secrets by reference."""

from __future__ import annotations

import shlex
from configparser import ConfigParser
from pathlib import Path

import pytest

from defilev.config.guard_rules import load_guard_rules
from tests.support.cli import Cli, assert_refused
from tests.support.guards import rules_file
from tests.support.world import World

pytestmark = pytest.mark.world


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str]) -> Cli:
    """Return `defilev` on the local chain."""
    return Cli.on(world, capsys)


def unit_of(text: str) -> ConfigParser:
    """Return the unit's sections; a key that stands twice raises."""
    found = ConfigParser(interpolation=None)
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read_string(text)
    return found


def test_a_unit_runs_the_reviewed_rules_and_is_hardened(cli: Cli, tmp_path: Path) -> None:
    """It starts the guard with the rules' hash, again whenever it ends, without rights that it does not need."""
    file = rules_file(tmp_path / "my rules.toml")
    printed = cli("guard", "install", "systemd", "--rules", file, "--broadcast", "--password-file", tmp_path / "secret")
    service = unit_of(printed.out)["Service"]
    words = shlex.split(service["ExecStart"])

    assert 0 == printed.code, printed.err
    assert ["--rules", str(file), "--broadcast", "--confirm-rules", load_guard_rules(file).digest, "--json"] == words[
        -6:
    ]
    assert Path(words[0]).is_absolute()
    assert f"password:{tmp_path / 'secret'}" == service["LoadCredential"]
    assert service["EnvironmentFile"].endswith("guard.env")
    assert ("always", "SIGTERM") == (service["Restart"], service["KillSignal"])
    assert {"yes"} == {service[key] for key in ("NoNewPrivileges", "PrivateTmp", "RestrictNamespaces", "ProtectClock")}
    assert ("strict", "", "0077", "0") == tuple(
        service[key] for key in ("ProtectSystem", "CapabilityBoundingSet", "UMask", "LimitCORE")
    )


def test_without_the_right_to_sign_nothing_confirms_and_no_secret_is_named(cli: Cli, tmp_path: Path) -> None:
    """A unit for a dry run neither broadcasts nor asks for a password; no address of a node stands in it."""
    out = cli("guard", "install", "systemd", "--rules", rules_file(tmp_path / "guard.toml")).out

    assert "--broadcast" not in out
    assert "LoadCredential" not in out
    assert "http" not in out


def test_a_line_for_cron_looks_once_a_minute(cli: Cli, tmp_path: Path) -> None:
    """Five fields of a crontab, and a command that ends after one look: a later one that overlaps stands by."""
    file = rules_file(tmp_path / "guard.toml")
    line = cli("guard", "install", "cron", "--rules", file).out.strip()
    words = shlex.split(line)

    assert ["*"] * 5 == words[:5]
    assert ["guard", "run", "--rules", str(file), "--once"] == words[-5:]
    assert "\n" not in line


def test_anything_else_is_refused(cli: Cli, tmp_path: Path) -> None:
    """There are two kinds."""
    printed = cli("guard", "install", "launchd", "--rules", rules_file(tmp_path / "guard.toml"))
    assert_refused(printed, code=2, said="nothing is installed for 'launchd'")
