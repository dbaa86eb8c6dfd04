"""`defilev health` on the local chain: what is printed, the exit codes, and what bad input gets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.cli.app import main
from defilev.report.figures import NARROW_SPACE
from tests.support.world import World

pytestmark = pytest.mark.world

WAD = 10**18


@dataclass(frozen=True)
class Printed:
    """How a run ended, and what it printed; narrow spaces as plain ones."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document


Health = Callable[..., Printed]


@pytest.fixture
def health(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Health:
    """Return what runs `defilev health` on the local chain; accounts may be given by name."""
    monkeypatch.setenv("COLUMNS", "140")
    names = world.accounts()
    node = ("--rpc-url", world.rpc_url, "--address-book", str(world.address_book))

    def run(*arguments: str, node: Sequence[str] = node) -> Printed:
        given = [names.get(argument, argument) for argument in arguments]
        code = main(["health", *given, *node])
        captured = capsys.readouterr()
        return Printed(code, captured.out.replace(NARROW_SPACE, " "), captured.err.replace(NARROW_SPACE, " "))

    return run


def _accounts(printed: Printed) -> list[dict[str, Any]]:
    assert 0 == printed.code, printed.err
    accounts: list[dict[str, Any]] = printed.document["accounts"]
    return accounts


def _let_pass(world: World, *, days: float) -> None:
    world.rpc("evm_setNextBlockTimestamp", hex(world.head().timestamp + int(days * 86_400)))
    world.rpc("evm_mine")


SELF_CHECKS = {"aave-v3": "exact", "sparklend": "exact", "morpho-blue": "consistent", "perp-curie": "exact"}


def test_every_account_of_every_market_satisfies_the_schema(health: Health, world: World, repository: Path) -> None:
    """The document of all named accounts is valid, each figure the contract's where it has one, all at one block."""
    schema = json.loads((repository / "docs/schemas/health.schema.json").read_text())
    printed = health(
        *world.accounts(), "--stress", "-10%,-20%", "--shock", "WETH=-5%", "--shock", "WBTC=-10%", "--json"
    )
    accounts = _accounts(printed)

    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(printed.document)]
    assert SELF_CHECKS == {account["protocol"]: account["self_check"]["result"] for account in accounts}
    assert 1 == len({account["block"]["hash"] for account in accounts})
    assert (25, 9) == (len(_exact(accounts)), len(accounts) - len(_exact(accounts)))
    assert [world.account("empty")] == printed.document["without_position"]
    for account in (each for each in _exact(accounts) if "contract_health_factor" in each):
        ours, theirs = account["health_factor"], account["contract_health_factor"]
        assert (ours and ours["wad"]) == (theirs and theirs["wad"])


def _exact(accounts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [account for account in accounts if account["self_check"]["result"] == "exact"]


@pytest.mark.parametrize(
    ("name", "status", "lowest", "highest"),
    [
        ("comfortable", "OK", "2.07", "2.08"),
        ("mixed", "OK", "1.66", "1.67"),
        ("loop", "DANGER", "1.049", "1.0501"),
        ("liquidatable", "LIQUIDATABLE", "0.998", "1"),
        ("ltv-zero", "OK", "2.03", "2.04"),
        ("not-enabled", "OK", "2.48", "2.49001"),
        ("short", "OK", "1.73", "1.74"),
    ],
)
def test_each_kind_of_account_has_its_status(health: Health, name: str, status: str, lowest: str, highest: str) -> None:
    """The named accounts stand where the local chain put them, on both markets."""
    accounts = _accounts(health(name, "--json"))

    assert ["aave-v3", "sparklend"] == [account["protocol"] for account in accounts]
    assert {status} == {account["status"] for account in accounts}
    for account in accounts:
        assert Decimal(lowest) <= Decimal(account["health_factor"]["decimal"]) <= Decimal(highest)


@pytest.mark.parametrize("name", ["comfortable", "mixed", "loop", "short", "not-enabled"])
def test_a_named_shock_is_what_the_contract_says_after_the_price_moved(health: Health, world: World, name: str) -> None:
    """Health after `--shock WETH=-10%` is the contract's own after the feed fell by a tenth, wstETH moving with it."""
    before = _accounts(health(name, "--shock", "WETH=-10%", "--json"))
    world.set_price("WETH", 2700 * 10**8)
    after = _accounts(health(name, "--json"))

    for promised, got in zip(before, after, strict=True):
        assert float(got["health_factor"]["decimal"]) == pytest.approx(
            float(promised["shock"]["health_factor"]), rel=1e-4
        )


@pytest.mark.parametrize(("name", "inside"), [("comfortable", 1.002), ("short", 0.998)])
def test_the_liquidation_price_is_where_the_contract_liquidates(
    health: Health, world: World, name: str, inside: float
) -> None:
    """A little inside the liquidation price the contract says above one, and a little outside below one."""
    for entry in _accounts(health(name, "-p", "aave-v3", "--json"))[0]["liquidation"]:
        if entry["asset"] != "WETH":
            continue
        price = float(entry["price"])
        for factor, is_liquidatable in ((inside, False), (1 / inside, True)):
            world.set_price("WETH", int(price * factor * 10**8))
            (account,) = _accounts(health(name, "-p", "aave-v3", "--json"))
            assert is_liquidatable == (account["status"] == "LIQUIDATABLE")


def test_the_loop_is_liquidated_by_its_ratio_and_not_by_ether(health: Health, world: World) -> None:
    """A fall of ETH leaves the loop's health alone; its ratio and days are told."""
    (before,) = _accounts(health("loop", "-p", "aave-v3", "--stress", "-50%", "--json"))
    world.set_price("WETH", 1500 * 10**8)
    (after,) = _accounts(health("loop", "-p", "aave-v3", "--json"))

    assert before["stress"][0]["health_factor"][:6] == after["health_factor"]["decimal"][:6]
    assert [] == before["liquidation_by_driver"]
    (ratio,) = before["liquidation_by_ratio"]
    assert ("wstETH", "WETH", True) == (ratio["collateral"], ratio["debt"], ratio["independent"])
    assert 1.1619 == pytest.approx(float(ratio["ratio"]), abs=2e-4)
    assert 100 < float(before["days_to_liquidation_by_interest"]) < 2000


def test_the_days_of_interest_are_the_contract_s(health: Health, world: World) -> None:
    """Half of the days later health is above one, and just after the last of them the contract says below one."""
    (before,) = _accounts(health("loop", "-p", "aave-v3", "--json"))
    days = float(before["days_to_liquidation_by_interest"])
    _let_pass(world, days=days / 2)
    (halfway,) = _accounts(health("loop", "-p", "aave-v3", "--json"))
    _let_pass(world, days=days / 2 * 1.01)
    (after,) = _accounts(health("loop", "-p", "aave-v3", "--json"))

    assert int(halfway["health_factor"]["wad"]) > WAD
    assert "LIQUIDATABLE" == after["status"]


def test_a_stale_feed_is_a_named_warning_and_changes_nothing(health: Health, world: World) -> None:
    """A feed that claims an old update is warned about in words; the health factor stays the contract's."""
    (before,) = _accounts(health("comfortable", "-p", "aave-v3", "--json"))
    world.set_price("WETH", 3000 * 10**8, updated_at=before["block"]["timestamp"] - 30 * 3600)
    printed = health("comfortable", "-p", "aave-v3")
    (after,) = _accounts(health("comfortable", "-p", "aave-v3", "--json"))

    assert ["stale-price"] == [warning["name"] for warning in after["warnings"]]
    assert before["health_factor"]["decimal"][:6] == after["health_factor"]["decimal"][:6]
    assert "stale-price: the price of WETH was updated" in printed.out


def test_a_breached_condition_prints_the_result_and_exits_with_5(health: Health) -> None:
    """Below the limit: the table, then what was breached and one fix, exit code 5."""
    printed = health("loop", "-p", "aave-v3", "--fail-below", "1.4")

    assert 5 == printed.code
    assert "DANGER" in printed.out
    assert "condition breached: health factor 1.050 of " in printed.err
    assert 1 == sum(line.startswith("fix: ") for line in printed.err.splitlines())


def test_a_breach_in_json_is_one_document(health: Health) -> None:
    """With --json stdout holds the health document alone, and the breach is told by exit code and stderr."""
    printed = health("loop", "liquidatable", "--fail-below", "1.4", "--json")

    assert (5, "defilev/health@1") == (printed.code, printed.document["schema"])
    assert "below" in printed.err


@pytest.mark.parametrize("arguments", [("debt-free", "--fail-below", "9"), ("empty", "--fail-below", "9")])
def test_nothing_owed_breaches_nothing(health: Health, arguments: tuple[str, ...]) -> None:
    """An account without debt, or without a position, is never below a limit."""
    assert 0 == health(*arguments).code


def test_a_limit_is_compared_to_the_last_digit(health: Health) -> None:
    """The exact health factor is not below itself; one wei more is."""
    (account,) = _accounts(health("comfortable", "-p", "aave-v3", "--json"))
    wad = int(account["health_factor"]["wad"])
    same, more = (f"{value // WAD}.{value % WAD:018d}" for value in (wad, wad + 1))
    block = str(account["block"]["number"])

    assert 0 == health("comfortable", "-p", "aave-v3", "--fail-below", same, "--block", block).code
    assert 5 == health("comfortable", "-p", "aave-v3", "--fail-below", more, "--block", block).code


def test_an_endangered_account_is_told_what_comes_next(health: Health) -> None:
    """After an account that is not OK there is one `next:` line; after one that is, none."""
    endangered, safe = health("loop", "-p", "sparklend"), health("comfortable")

    assert "next: defilev plan 0x15d34AAf54267DB7D7c367839AAf71A00a2C6A65 -p sparklend " in endangered.err
    assert "next:" not in safe.err


def test_no_position_is_ok(health: Health, world: World) -> None:
    """An address without a position, and a contract's address, exit with 0 and say so."""
    for who in ("empty", world.pool("main"), "0x" + "12" * 20):
        printed = health(who)

        assert 0 == printed.code
        assert "no position" in printed.out


def test_a_single_market_shows_the_empty_account(health: Health) -> None:
    """When one market is asked for, its empty account is an entry; over several it is listed apart."""
    (account,) = _accounts(health("empty", "-p", "aave-v3", "--json"))

    assert [None, "OK", [], "0.00"] == [account[key] for key in ("health_factor", "status", "legs", "debt_value")]
    assert [] == _accounts(health("empty", "--json"))


def test_idle_supply_is_listed(health: Health) -> None:
    """Supply that is not enabled as collateral is a leg of its own kind."""
    (account,) = _accounts(health("not-enabled", "-p", "aave-v3", "--json"))

    assert [("WETH", True), ("WBTC", False), ("DAI", False)] == [
        (leg["asset"]["symbol"], leg["used_as_collateral"]) for leg in account["legs"]
    ]
    assert "not enabled" in health("not-enabled", "-p", "aave-v3").out


def test_an_earlier_block_is_read_as_it_was(health: Health, world: World) -> None:
    """With --block N the account is that block's, exactly, whatever happened since."""
    (before,) = _accounts(health("comfortable", "-p", "aave-v3", "--json"))
    world.set_price("WETH", 2000 * 10**8)
    (then,) = _accounts(health("comfortable", "-p", "aave-v3", "--block", str(before["block"]["number"]), "--json"))

    assert before == then


def test_an_address_in_lower_case_and_a_repetition_are_one_account(health: Health, world: World) -> None:
    """Addresses may be in lower case, and an account that is named twice is shown once."""
    address = world.account("comfortable")

    assert [address] == [
        account["address"] for account in _accounts(health(address.lower(), address, "-p", "aave-v3", "--json"))
    ]


def test_several_accounts_read_as_blocks_after_a_summary(health: Health, world: World) -> None:
    """Named accounts on every market begin with a table, worst first, and have a block each."""
    lines = health(*world.accounts()).out.splitlines()

    assert "nearest liquidation" in lines[0]
    assert "LIQUIDATABLE" in lines[1]
    assert 19 == sum(line.startswith(("aave-v3 main ·", "sparklend main ·")) for line in lines)
    assert 9 == sum(line.startswith("morpho-blue ") and " · local · block" in line for line in lines)


@pytest.mark.parametrize("columns", ["80", "140"])
def test_lines_fit_the_terminal(health: Health, world: World, monkeypatch: pytest.MonkeyPatch, columns: str) -> None:
    """Nothing that is printed of the named accounts is wider than the terminal."""
    monkeypatch.setenv("COLUMNS", columns)
    printed = health(*world.accounts(), "--stress", "-10%,-20%,-30%", "--shock", "WETH=-5%")

    assert [] == [line for line in printed.out.splitlines() if len(line) > int(columns)]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("comfortable", "--fail-below", "0"), 2, "--fail-below 0 is not above zero"),
        (("comfortable", "--fail-below", "-1"), 2, "--fail-below -1 is not above zero"),
        (("comfortable", "--fail-below", "nan"), 2, "--fail-below 'nan'"),
        (("comfortable", "--fail-below", "1e400"), 2, "--fail-below '1e400'"),
        (("comfortable", "--stress", "abc"), 2, "--stress 'abc' has no percent sign"),
        (("comfortable", "--stress", "-100%"), 2, "--stress -100% leaves nothing"),
        (("comfortable", "--shock", "FOO=-5%"), 2, "no market read has an asset 'FOO'"),
        (("comfortable", "--shock", "WETG=-5%"), 2, "did you mean WETH?"),
        (("comfortable", "--shock", "WETH=-120%"), 2, "--shock WETH -120% leaves nothing"),
        (("comfortable", "--shock", "WETH"), 2, "does not say what moves by how much"),
        (("mixed", "--shock", "WETH=-5%", "--shock", "wstETH=-6%"), 2, "cannot move apart"),
        (("0x1234",), 2, "'0x1234' is not 0x and 40 hex digits"),
        (("nonsense",), 2, "'nonsense' is not 0x and 40 hex digits"),
        (("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293bc",), 2, "wrong checksum"),
        (("vitalik.eth",), 4, "vitalik.eth"),
        (("@main",), 2, "@main"),
        (("comfortable", "-p", "foo"), 2, "'foo'"),
        (("comfortable", "--market", "nowhere"), 2, "'nowhere'"),
        (("comfortable", "--chain", "nowhere"), 2, "nowhere"),
        (("comfortable", "--block", "99999999"), 4, "99999999"),
        ((), 2, "WHO"),
    ],
)
def test_bad_input_gets_one_sentence_and_one_fix(
    health: Health, arguments: tuple[str, ...], code: int, said: str
) -> None:
    """Bad input exits with its code and says what is wrong and one fix on stderr; no result, no traceback."""
    printed = health(*arguments)

    assert code == printed.code
    assert said in printed.err
    assert "" == printed.out
    assert 1 == sum(line.startswith("fix: ") for line in printed.err.splitlines())
    assert "Traceback" not in printed.err


def test_a_malformed_address_is_told_before_any_node_is_asked(health: Health) -> None:
    """Without a node an address with a typing error is still a usage error about the address."""
    printed = health("0x1234", node=("--rpc-url", "http://127.0.0.1:9"))

    assert (2, True) == (printed.code, "40 hex digits" in printed.err)


def test_a_failure_in_json_is_one_document(health: Health, repository: Path) -> None:
    """With --json a failure is a document too, valid against its published schema."""
    schema = json.loads((repository / "docs/schemas/error.schema.json").read_text())
    printed = health("comfortable", "--shock", "FOO=-5%", "--json")

    Draft202012Validator.check_schema(schema)
    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(printed.document)]
    assert (2, "defilev/error@1", "UnknownName") == (
        printed.code,
        printed.document["schema"],
        printed.document["error"],
    )


def test_a_whole_process_imports_nothing_that_signs_or_computes(world: World) -> None:
    """`defilev health` as a process has none of web3, eth-account, numpy and scipy in it."""
    arguments = ["health", world.account("loop"), "--stress", "-10%"]
    node = ["--rpc-url", world.rpc_url, "--address-book", str(world.address_book)]
    script = (
        "import sys; from defilev.cli.app import main; "
        f"code = main({[*arguments, *node]!r}); "
        "heavy = {'web3', 'eth_account', 'numpy', 'scipy', 'sqlalchemy'} & set(sys.modules); "
        "sys.stderr.write(f'heavy: {sorted(heavy)}'); sys.exit(code)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env={**os.environ, "COLUMNS": "80"}, check=False
    )

    assert 0 == ended.returncode
    assert ended.stderr.endswith("heavy: []")
