"""`target --hedge` on a live pair: a wstETH loan on Morpho Blue and the short in vETH on Perp v2 that hedges it."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.abi import interface
from tests.support.cli import Cli, assert_refused
from tests.support.curie import Curie
from tests.support.world import World

pytestmark = pytest.mark.world
HEDGED = ("target", "hedged", "-p", "morpho-blue", "--hedge", "perp-curie", "--volatility", "65%")
CARRY = ("--objective", "carry", "--delta-band", "-5%,5%")


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """`defilev` on the local chain."""
    monkeypatch.setenv("COLUMNS", "140")
    return Cli.on(world, capsys)


def asked(cli: Cli, *more: str) -> dict[str, Any]:
    """Return the document of the hedged book."""
    printed = cli(*HEDGED, *more, "--json")
    assert 0 == printed.code, printed.err
    return printed.document


def bounds(cli: Cli) -> tuple[float, float]:
    """Return the moves of the price that `health` has for the loan below and the hedge above."""
    all_of_them = cli("health", "hedged", "--json").document["total"]["bounds"]
    (found,) = [each for each in all_of_them if each["driver"] == "ETH"]
    return float(found["below"]["distance"]), float(found["above"]["distance"])


def test_a_loan_in_a_stablecoin_and_its_hedge_are_one_book(cli: Cli, repository: Path) -> None:
    """Barriers are the bounds that `health` has, and the equity is its total, though the loan counts in USDC."""
    schema = json.loads((repository / "docs/schemas/hedge.schema.json").read_text())
    total = cli("health", "hedged", "--json").document["total"]
    document = asked(cli)

    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]
    assert bounds(cli) == pytest.approx((float(document["now"]["below"]), float(document["now"]["above"])), abs=1e-5)
    assert Decimal(document["equity"]) == pytest.approx(Decimal(total["equity_value"]), abs=Decimal("0.02"))
    assert document["now"]["hedge"] > 0.05 > document["budget"] > document["split"]["either"]


def test_margin_moved_as_the_split_says_moves_the_hedge_s_barrier_there(cli: Cli) -> None:
    """After that much was deposited for the hedge, `health` has its barrier where the split has it."""
    split = asked(cli)["split"]
    curie, owner = Curie(cli.world), cli.world.account("hedged")
    payer, amount = cli.world.account("empty"), int(Decimal(split["moved_to_hedge"]) * 10**6)
    cli.world.rpc("anvil_dealERC20", payer, cli.world.token("USDC"), hex(amount))
    approve = interface("erc20")["approve"].encode(curie.at("vault"), amount)
    deposit = interface("perp_curie")["depositFor"].encode(owner, cli.world.token("USDC"), amount)
    assert "0x1" == cli.world.send(payer, cli.world.token("USDC"), approve)["status"]
    assert "0x1" == cli.world.send(payer, curie.at("vault"), deposit)["status"]

    assert float(split["above"]) == pytest.approx(bounds(cli)[1], abs=1e-4)


def test_the_best_carry_is_no_hedge_that_pays(cli: Cli) -> None:
    """While the short pays funding, no book within the band earns more than dollars that lie still."""
    best = asked(cli, *CARRY)["best_carry"]

    assert 0 <= float(best["carry"])
    assert float(asked(cli)["held"]["carry"]) < 0
    assert "best carry" in cli(*HEDGED, *CARRY).out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("target", "hedged", "-p", "aave-v3", *HEDGED[4:]), 7, "moves with no price but stablecoins"),
        (("target", "comfortable", "-p", "aave-v3", *HEDGED[4:]), 7, "no perpetual there is short of ETH"),
        ((*HEDGED[:-2],), 2, "a hedged book needs its volatility as a figure"),
    ],
)
def test_what_is_no_hedged_book_is_named(cli: Cli, words: tuple[str, ...], code: int, said: str) -> None:
    """A loan without a price, one without a short, and no volatility are refused by name."""
    assert_refused(cli(*words), code=code, said=said)
