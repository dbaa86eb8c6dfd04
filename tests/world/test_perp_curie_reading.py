"""Perp v2 accounts are read to the last digit, whatever the market does, and what cannot be is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from defilev.abi import interface
from defilev.errors import NotDeployed, SelfCheckFailed
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Batch, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols import PERPS
from defilev.protocols.perp_curie import PERP_CURIE
from defilev.protocols.perp_curie.account import account_from_state
from tests.support.curie import MARKETS, Curie
from tests.support.world import World

pytestmark = pytest.mark.world

STATES = 110
COUNT = 8
CASH = 10**12
"""What one base unit of the settlement token is with 18 decimals."""


@pytest.fixture
def curie(world: World) -> Curie:
    """Lend the deployment of the local chain."""
    return Curie(world)


def test_every_figure_is_the_contracts_in_random_states(curie: Curie) -> None:
    """Value, free collateral, margin, notional, size and funding are the contracts' in over a hundred states."""
    random, names, happened = Random(7), list(curie.owners()), Counter[str]()
    for place in range(STATES):
        happened[curie.shake(random).split(" in ")[0]] += 1
        accounts = curie.read(list(curie.owners().values()))
        assert COUNT == len(accounts) == len(names)
        require_equal(curie, accounts[place % COUNT])

    assert {"index", "trade", "time", "big trade"} == set(happened)


def require_equal(curie: Curie, account: PerpAccount) -> None:
    """Compare an account with what the contracts answer to questions of our own."""
    who, details = account.owner, dict(account.details)
    value = curie.ask("vault", "getAccountValue", who)
    assert curie.ask("clearing_house", "getAccountValue", who) == value * CASH
    assert (value, str(value)) == (account.equity_value // CASH, details["account_value"])
    assert str(curie.ask("vault", "getFreeCollateral", who)) == details["free_collateral"]
    margin = curie.ask("account_balance", "getMarginRequirementForLiquidation", who)
    assert margin == account.maintenance_margin
    assert (value * CASH < margin) == account.is_liquidatable
    owed, profit, earned = curie.ask("account_balance", "getPnlAndPendingFee", who)
    assert (str(owed), str(earned)) == (details["owed_realized_pnl"], details["earned_by_orders"])
    assert profit == sum(leg.unrealized_pnl for leg in account.legs)
    funding = curie.ask("exchange", "getAllPendingFundingPayment", who)
    assert funding == sum(fee.value for fee in account.fees if fee.name == "funding")
    assert str(curie.ask("account_balance", "getTotalDebtValue", who)) == details["total_debt_value"]
    for leg in account.legs:
        asked = (who, leg.index.address)
        assert leg.size_in_tokens * leg.sign == curie.ask("account_balance", "getTotalPositionSize", *asked)
        notional = curie.ask("account_balance", "getTotalOpenNotional", *asked)
        assert -leg.size * leg.sign == notional
        assert str(notional) == details[f"{leg.index.symbol}_open_notional"]
        assert curie.ask("account_balance", "getMarkPrice", leg.index.address) == leg.mark.value


def test_the_named_accounts_stand_as_their_names_say(curie: Curie) -> None:
    """One account is near liquidation, one past it and not under water, and four are well."""
    ratios = {name: (curie.account(name).margin_ratio or 0) / 10**18 for name in curie.owners()}

    assert 1.06 == pytest.approx(ratios["perp-near"], abs=0.005)
    assert 0.93 == pytest.approx(ratios["perp-liquidatable"], abs=0.005)
    assert all(ratios[name] > 2 for name in ("perp-long", "perp-short", "perp-cross", "hedged"))
    assert curie.account("perp-liquidatable").is_liquidatable


def test_contracts_liquidate_who_is_said_to_be_liquidatable(curie: Curie) -> None:
    """The clearing house liquidates the account that we call liquidatable, and refuses the one near it."""
    liquidator = curie.owners()["owner"]

    assert curie.liquidate(liquidator, "perp-liquidatable", "vBTC")
    assert not curie.liquidate(liquidator, "perp-near", "vETH")


def test_a_liquidation_price_is_where_the_contract_turns(curie: Curie) -> None:
    """At the price said the margin is missed by the last digits, and one cent beside it is not."""
    account = curie.account("perp-near")
    (leg,) = account.legs
    (position,) = account.state.positions

    def margin_at(price: int | None) -> int:
        assert price is not None
        state = replace(
            account.state, positions=(replace(position, market=replace(position.market, mark_price=price)),)
        )
        at = account_from_state(state, self_check=account.self_check)
        return at.equity_value - at.maintenance_margin

    assert margin_at(leg.liquidation_price) <= 0 < margin_at((leg.liquidation_price or 0) + 10**16)
    assert -100 < margin_at(leg.liquidation_price)


def test_collateral_counts_for_a_part_and_is_owned_in_full(curie: Curie) -> None:
    """Of 1 WETH at 3,000 USD 85 % count as margin, and the equity of the forms has all of it."""
    account = curie.account("perp-cross")
    exposure = PERP_CURIE.exposure(account, stable=frozenset())

    assert [2550 * 10**18] == [each.value for each in account.margin if each.asset.symbol == "WETH"]
    assert 450 == pytest.approx(sum(term.equity for term in exposure.terms) - account.equity_value / 10**18)


def test_an_account_under_water_has_a_negative_value(curie: Curie) -> None:
    """Losses beyond the margin give a negative account value, cut downwards as the contract cuts it, and a warning."""
    for _ in range(12):
        curie.trade(curie.owners()["owner"], "vETH", -280 * 10**18)
        curie.set_index("vETH", 2_600 * 10**8)
        curie.world.advance(900)
    account = curie.account("perp-near")

    assert account.equity_value < 0
    require_equal(curie, account)
    assert account.is_liquidatable
    assert "under-water" in [each.name for each in account.warnings]
    assert (account.margin_ratio or 0) < 0


def test_paused_and_closed_markets_are_valued_as_the_contract_does(curie: Curie) -> None:
    """A paused market stands at its frozen index, a closed one at its closing price, and both say so."""
    curie.pause("vETH")
    curie.set_index("vETH", 2_000 * 10**8)
    paused = curie.account("perp-long")
    assert 3_000 * 10**18 == paused.legs[0].mark.value
    assert ["market-paused"] == [each.name for each in paused.warnings]

    curie.close("vETH", 2_900 * 10**18)
    closed = curie.account("perp-long")
    assert 2_900 * 10**18 == closed.legs[0].mark.value
    assert ["market-closed"] == [each.name for each in closed.warnings]
    assert 0 == closed.legs[0].funding_rate


def test_a_read_costs_three_round_trips_and_two_when_the_contracts_are_known(curie: Curie) -> None:
    """Everybody is read in three round trips, in two with what was remembered, with the same result."""
    world, owners = curie.world, list(curie.owners().values())
    node, block = world.node, world.head()
    reader = world.reader(block, node=node)
    cold = drive(PERP_CURIE.read_accounts(curie.entry, owners, chain_id=world.chain_id, block=block), reader.fetch)
    assert 3 == node.rpc.round_trips["eth_call"]

    warm = PERP_CURIE.read_accounts(curie.entry, owners, chain_id=world.chain_id, block=block, metadata=cold.metadata)
    assert cold == drive(warm, reader.fetch)
    assert 5 == node.rpc.round_trips["eth_call"]


def test_contracts_that_were_remembered_wrongly_are_found_again(curie: Curie) -> None:
    """Remembered contracts that the clearing house does not name are not believed."""
    owners, block = list(curie.owners().values()), curie.world.head()
    fetch = curie.world.reader(block).fetch
    true = drive(PERP_CURIE.read_accounts(curie.entry, owners, chain_id=31337, block=block), fetch)
    wrong = {"house": {**true.metadata["house"], "vault": curie.at("exchange")}}

    assert true == drive(
        PERP_CURIE.read_accounts(curie.entry, owners, chain_id=31337, block=block, metadata=wrong), fetch
    )


def test_who_has_neither_margin_nor_positions_has_no_account(curie: Curie) -> None:
    """An owner that the contracts do not know is no account."""
    assert () == curie.read([Address("0x000000000000000000000000000000000000dEaD")])


def test_an_account_survives_its_document(curie: Curie) -> None:
    """Written and read again, with its state, an account is the same."""
    account = curie.account("perp-cross")

    assert account == PerpAccount.from_document(account.to_document(), state_type=PERP_CURIE.state_type)


def test_another_contract_is_no_clearing_house(curie: Curie) -> None:
    """An entry point that is another contract is named, by a read and by `identify`."""
    entry = replace(curie.entry, entry_points={"clearing_house": curie.world.token("USDC")})
    block = curie.world.head()
    for read in (
        PERP_CURIE.identify(entry),
        PERP_CURIE.read_accounts(entry, [], chain_id=31337, block=block),
    ):
        with pytest.raises(NotDeployed, match="no clearing house"):
            drive(read, curie.world.reader(block).fetch)


@pytest.mark.parametrize("market", MARKETS)
def test_a_mark_price_that_is_no_median_is_refused(curie: Curie, market: str) -> None:
    """An answer of another mark price than the median of the three prices fails the self-check, with both figures."""
    block = curie.world.head()
    fetch = curie.world.reader(block).fetch
    mark = curie.ask("account_balance", "getMarkPrice", curie.base(market))

    def changed(batch: Batch) -> Results:
        word = mark.to_bytes(32, "big")
        return [
            CallResult(each.success, (mark + 1).to_bytes(32, "big")) if each.data == word else each
            for each in fetch(batch)
        ]

    owners = [curie.owners()["perp-cross"]]
    read = PERPS["perp-curie"].read_accounts(curie.entry, owners, chain_id=31337, block=block)
    with pytest.raises(SelfCheckFailed, match="mark price"):
        drive(read, changed)


@pytest.mark.parametrize(("twin", "other"), [("vault", "clearing_house"), ("clearing_house", "vault")])
def test_the_twin_of_other_decimals_is_not_taken_for_the_other(curie: Curie, twin: str, other: str) -> None:
    """An account value with 6 decimals where 18 are meant, or the other way round, fails the self-check."""
    owner, block = curie.owners()["perp-cross"], curie.world.head()
    fetch = curie.world.reader(block).fetch
    ask = interface("perp_curie")["getAccountValue"]
    asked, answered = (ask.call(curie.at(name), owner) for name in (twin, other))

    def changed(batch: Batch) -> Results:
        answers = dict(zip(batch, fetch(batch), strict=True))
        return [answers.get(answered, answers[each]) if each == asked else answers[each] for each in batch]

    read = PERPS["perp-curie"].read_accounts(curie.entry, [owner], chain_id=31337, block=block)
    with pytest.raises(SelfCheckFailed):
        drive(read, changed)
