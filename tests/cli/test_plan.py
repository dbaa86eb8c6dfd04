"""`defilev plan` on the local chain: what it shows, what it writes, and that both fit where they are read."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from defilev.units import WAD
from tests.support.cli import Cli, untouched

pytestmark = pytest.mark.world

HEX = re.compile(r"0x[0-9a-fA-F]{40,}|\b[0-9a-f]{64}\b")
TO_TWO = ("--to-health-factor", "2")
HOUR = 3600

POSITIONS = [
    ("mixed", TO_TWO),
    ("mixed", ("--close",)),
    ("comfortable", ("--to-leverage", "1.2")),
    ("loop", ("--to-health-factor", "1.5")),
    ("short", ("--close",)),
    ("ltv-zero", ("--to-health-factor", "2.5")),
    ("dust", ("--close",)),
]


def _too_wide(text: str, columns: int) -> list[str]:
    """Return the lines wider than the terminal, those that only a hash, address or transaction makes so left out."""
    return [line for line in text.splitlines() if len(line) > columns and not HEX.search(line)]


@pytest.mark.parametrize("columns", [80, 140])
@pytest.mark.parametrize(("name", "goal"), POSITIONS, ids=lambda value: value if isinstance(value, str) else value[0])
def test_everything_printed_fits_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str, goal: tuple[str, ...], columns: int
) -> None:
    """No line of `plan`, `rebalance`, `simulate` or `health` is wider than the terminal, nor loses a character."""
    monkeypatch.setenv("COLUMNS", str(columns))
    runs = [
        cli("plan", name, "-p", "aave-v3", *goal),
        cli.rebalance(name, *goal, "-p", "sparklend"),
        cli("health", name, "--stress", "-10%,-20%"),
        cli("doctor"),
    ]

    for printed in runs:
        assert 0 == printed.code, printed.err
        assert [] == _too_wide(printed.out.replace(str(cli.world.address_book), "book.toml"), columns)
        assert [] == _too_wide(printed.err, columns)
        assert not set("?\ufffd") & set(printed.out)


@pytest.mark.parametrize("columns", [80, 140])
def test_what_acting_prints_fits_the_terminal(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int
) -> None:
    """Progress and results of signing, exporting and sending fit too, hashes and raw transactions aside."""
    monkeypatch.setenv("COLUMNS", str(columns))
    keystore, password_file = cli.world.credentials("comfortable")
    signs = ("--keystore", keystore, "--password-file", password_file)
    for mode in (("--sign-only", *signs), ("--unsigned", tmp_path / "u.json"), ("--broadcast", *signs)):
        printed = cli.rebalance("comfortable", "--to-health-factor", "2.2", *mode)

        assert 0 == printed.code, printed.err
        assert [] == _too_wide(printed.out.replace(str(tmp_path), ""), columns)
        assert [] == _too_wide(printed.err, columns)


@pytest.mark.parametrize("protocol", ["aave-v3", "sparklend"])
def test_a_plan_is_an_artefact(cli: Cli, tmp_path: Path, repository: Path, protocol: str) -> None:
    """The file is the document of `--json`: valid, decoded, bound to chain and block, and hashed."""
    path = tmp_path / "plan.json"
    printed = cli("plan", "mixed", "-p", protocol, *TO_TWO, "-o", path, "--json")
    document = json.loads(path.read_text())

    assert document == printed.document
    assert ("defilev/plan@1", "31337", protocol) == (document["schema"], document["chain_id"], document["protocol"])
    assert 64 == len(document["hash"])
    assert [str(number) for number in range(1, len(document["steps"]) + 1)] == [
        step["index"] for step in document["steps"]
    ]
    assert all(step["function"] and step["arguments"] for step in document["steps"])
    schema = repository / "docs/schemas/plan.schema.json"
    if schema.exists():
        assert [] == [
            error.message for error in Draft202012Validator(json.loads(schema.read_text())).iter_errors(document)
        ]


def test_a_written_plan_says_what_comes_next(cli: Cli, tmp_path: Path) -> None:
    """After `-o` there is one `next:` line, and it is a command that works."""
    path = tmp_path / "plan.json"
    printed = cli("plan", "short", "-p", "sparklend", *TO_TWO, "-o", path)
    (following,) = [line for line in printed.err.splitlines() if line.startswith("next: ")]
    words = following.removeprefix("next: defilev ").split()

    assert 0 == cli(*words).code


def test_an_existing_file_is_replaced_whole(cli: Cli, tmp_path: Path) -> None:
    """A plan written over another file replaces all of it, and no unfinished file stays behind."""
    path = tmp_path / "plan.json"
    path.write_text("x" * 100_000)
    cli.plan(path, "short", *TO_TWO)

    assert "defilev/plan@1" == json.loads(path.read_text())["schema"]
    assert [path] == list(tmp_path.iterdir())


def test_every_intermediate_health_stays_above_the_floor(cli: Cli, tmp_path: Path) -> None:
    """No step of the plan dips under the floor that was asked for, and the promise lies within 0.001 of the target."""
    for name, target, floor in (("mixed", "2", "1.3"), ("loop", "1.1", "1.03"), ("short", "4", "1.25")):
        document = cli.plan(tmp_path / "plan.json", name, "--to-health-factor", target, "--floor", floor)
        lowest = min(int(step["health_factor"]) for step in document["steps"] if step["health_factor"])

        assert float(floor) * WAD <= lowest
        assert float(target) * WAD <= int(document["promise"]["health_factor"]) <= (float(target) + 0.001) * WAD


@pytest.mark.parametrize("command", ["plan", "rebalance"])
def test_a_stale_feed_is_named_in_a_plan_and_changes_no_figure(cli: Cli, command: str) -> None:
    """A plan that lowers risk says which price is stale, and its figures are those of the fresh feed."""
    world = cli.world
    world.set_price("WETH", 3000 * 10**8)
    words = (command, "comfortable", "-p", "aave-v3", "--to-health-factor", "2.2", "--json")
    fresh = cli(*words).document
    world.set_price("WETH", 3000 * 10**8, updated_at=world.head().timestamp - 30 * HOUR)
    with untouched(world):
        printed = cli(*words)
        shown = cli(*words[:-1])
    stale = printed.document
    before, after = (document.get("plan", document) for document in (fresh, stale))

    assert 0 == printed.code, printed.err
    assert "stale-price: the price of WETH was updated" in re.sub(r"\s+", " ", shown.out)
    assert ["stale-price", "exits"] == [notice["name"] for notice in after["warnings"]]
    assert ["exits"] == [notice["name"] for notice in before["warnings"]]
    assert float(before["health_factor_before"]) == pytest.approx(float(after["health_factor_before"]), rel=1e-6)


def test_a_stale_feed_never_moves_the_health_factor(cli: Cli) -> None:
    """`health` warns by name, and the health factor is the contract's to the wei, stale or not."""
    world = cli.world
    world.set_price("WETH", 3000 * 10**8, updated_at=world.head().timestamp - 30 * HOUR)
    (account,) = cli("health", "comfortable", "-p", "aave-v3", "--json").document["accounts"]

    assert "stale-price" in [warning["name"] for warning in account["warnings"]]
    assert account["health_factor"]["wad"] == account["contract_health_factor"]["wad"]
