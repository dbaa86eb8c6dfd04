"""Compound v3 against recorded calls of the real contracts: every account, every figure, every refusal."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal
from typing import Any

import pytest

import defilev
from defilev.abi import interface
from defilev.errors import Infeasible, PriceMissing, SelfCheckFailed
from defilev.model.account import LendingAccount
from defilev.model.plan import Borrow, Withdraw
from defilev.model.request import Batch, Call, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS
from defilev.protocols.compound_v3.math import accrued, present_value, rate_per_second, utilisation, yearly
from defilev.protocols.compound_v3.state import CometState
from defilev.units import WAD, to_decimal
from tests.support.cassette import COMET, Change
from tests.unit.policy_cases import a_plan

COMPOUND = PROTOCOLS["compound-v3"]
MARKETS = tuple(COMET.document["markets"])
NAMES = tuple(COMET.document["accounts"])
EXPECTED: dict[str, Any] = COMET.document["expected"]
READ = {market: dict(zip(NAMES, COMET.read(market, NAMES), strict=True)) for market in MARKETS}
REASONS = {
    "Panic(17)": "more than is held",
    "Error(ERC20: transfer amount exceeds balance)": "not enough liquidity in the market",
    "execution reverted": "not enough liquidity in the market",
}
"""What the token, or Solidity's own arithmetic, says in place of the Comet."""

COMET_ABI = interface("comet")
PUBLISHED: dict[str, dict[str, tuple[str, ...]]] = {
    "cusdcv3": {
        "supply": ("0.8", "0", "0.0325", "0.4"),
        "borrow": ("0.8", "0.015", "0.035", "0.25"),
        "COMP": ("0.65", "0.7", "0.93"),
        "WBTC": ("0.7", "0.77", "0.95"),
        "WETH": ("0.825", "0.895", "0.95"),
        "UNI": ("0.75", "0.81", "0.93"),
        "LINK": ("0.79", "0.85", "0.93"),
    },
    "cwethv3": {
        "supply": ("0.9", "0", "0.0283824", "0.6066567706"),
        "borrow": ("0.9", "0.009945209674", "0.05171500002", "0.5171500339"),
        "cbETH": ("0.9", "0.93", "0.95"),
        "wstETH": ("0.9", "0.93", "0.95"),
    },
}
"""Compound's own configuration of its first markets on Ethereum, in fractions: kink, base and slopes per year; and for
each collateral the borrow, liquidate and liquidation factor. compound-finance/comet @ d5a30b0a, deployments/mainnet/
usdc and weth, configuration.json; the recorded markets were deployed with it."""


def details(account: LendingAccount) -> dict[str, str]:
    return dict(account.details)


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", NAMES)
def test_every_account_is_what_the_contract_says(market: str, name: str) -> None:
    """Principal, balances with interest, each collateral and both verdicts are the contract's own, to the digit."""
    expected, account = EXPECTED[market]["accounts"][name], READ[market][name]
    supplied = {leg.asset.symbol: leg.amount for leg in account.legs if leg.used_as_collateral}
    lent = sum(leg.amount for leg in account.legs if leg.side == "supply" and not leg.used_as_collateral)
    owed = sum(leg.amount for leg in account.legs if leg.side == "borrow")

    assert "consistent" == account.self_check.result
    assert expected["principal"] == details(account)["principal"]
    assert (expected["balanceOf"], expected["borrowBalanceOf"]) == (str(lent), str(owed))
    assert expected["collateral"] == {symbol: str(amount) for symbol, amount in supplied.items()}
    assert expected["isBorrowCollateralized"] == (details(account)["is_borrow_collateralized"] == "true")
    assert expected["isLiquidatable"] == (details(account)["is_liquidatable"] == "true")


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", NAMES)
def test_every_account_survives_its_json(market: str, name: str) -> None:
    """What is written down is read back whole, with what Compound's rules keep of it."""
    account = READ[market][name]

    assert account == defilev.from_json(account.to_json())


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", NAMES)
def test_the_true_verdict_is_whether_absorb_succeeded(market: str, name: str) -> None:
    """`absorbable` and a health factor below one say what calling `absorb` on the real contract did."""
    taken = EXPECTED[market]["accounts"][name]["absorb_reverts"] is None
    account = READ[market][name]

    assert taken == (details(account)["absorbable"] == "true")
    assert taken == (account.health_factor is not None and account.health_factor < WAD)


def test_the_view_that_lags_behind_is_told() -> None:
    """The account that `isLiquidatable` spares and `absorb` takes has a warning by name; no other has."""
    warned = {name: {notice.name for notice in account.warnings} for name, account in READ["cusdcv3"].items()}

    assert {"grace_edge_accrual": {"view-behind"}} == {name: found for name, found in warned.items() if found}


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", NAMES)
def test_values_are_the_recorder_s(market: str, name: str) -> None:
    """Values and capacities are those that the recorder worked out in the contract's integers; health to its digits."""
    expected, account = EXPECTED[market]["accounts"][name], READ[market][name]
    health = account.health_factor

    assert (expected["collateralValue8"], expected["debtValue8_accrued"]) == (
        str(account.collateral_value),
        str(account.debt_value),
    )
    assert max(int(expected["borrowCapacity8"]) - account.debt_value, 0) == account.available_borrows
    if expected["healthFactor_accrued"] is None:
        assert health is None
    else:
        assert health is not None
        shown = to_decimal(health, 18).quantize(Decimal("1e-9"), rounding=ROUND_DOWN)
        assert Decimal(str(expected["healthFactor_accrued"])) == shown


@pytest.mark.parametrize("market", MARKETS)
@pytest.mark.parametrize("name", NAMES)
def test_what_a_simulation_asks_is_what_a_read_finds(market: str, name: str) -> None:
    """Between two steps of a plan health, values and amounts come from the Comet's views alone, and are the same."""
    account = READ[market][name]
    asked = COMPOUND.probe(account, a_plan([], account=account))
    answers = COMET.fetch(asked.calls)
    observed = asked.decode(answers)
    lent = sum(leg.amount for leg in account.legs if leg.side == "supply" and not leg.used_as_collateral)
    owed = sum(leg.amount for leg in account.legs if leg.side == "borrow")
    held = {leg.asset: leg.amount for leg in account.legs if leg.used_as_collateral}
    base, *collaterals = observed.supplied

    assert account.health_factor == observed.health_factor == asked.decode_health(answers[: len(asked.health_calls)])
    assert (account.collateral_value, account.debt_value) == (observed.collateral_value, observed.debt_value)
    assert (lent, [owed]) == (base.amount, [balance.amount for balance in observed.owed])
    assert held == {balance.token: balance.amount for balance in collaterals}
    assert {leg.asset for leg in account.legs} <= {balance.token for balance in observed.wallet}


@pytest.mark.parametrize("market", MARKETS)
def test_rates_and_totals_are_the_contract_s(market: str) -> None:
    """Utilisation, both rates per second and both totals with interest are the contract's, to the digit."""
    expected = EXPECTED[market]
    state: CometState = READ[market]["gov"].state
    stored, usage = state.market.totals, utilisation(state.market.totals)
    totals = accrued(state.market, at=state.at)

    assert (expected["utilization"], expected["supply_rate"], expected["borrow_rate"]) == (
        str(usage),
        str(rate_per_second(state.market.supply_rates, usage)),
        str(rate_per_second(state.market.borrow_rates, usage)),
    )
    assert stored.borrow_index < totals.borrow_index
    assert (expected["total_supply"], expected["total_borrow"]) == (
        str(present_value(totals.supply_principal, totals)),
        str(-present_value(-totals.borrow_principal, totals)),
    )


@pytest.mark.parametrize("market", MARKETS)
def test_rates_and_factors_are_those_that_compound_published(market: str) -> None:
    """The yearly rates and factors read here are the digits of Compound's own configuration files.

    A deployed contract keeps a rate for each second, rounded down: a year of them may be 31,536,000 wad units less.
    """
    state: CometState = READ[market]["gov"].state
    published = PUBLISHED[market]
    for side, model in (("supply", state.market.supply_rates), ("borrow", state.market.borrow_rates)):
        kink, *rates = (Decimal(text) for text in published[side])
        found = [to_decimal(yearly(rate), 27) for rate in (model.base, model.slope_low, model.slope_high)]
        assert kink == to_decimal(model.kink, 18)
        assert all(0 <= rate - ours < Decimal("31536000e-18") for rate, ours in zip(rates, found, strict=True))
    factors = {
        each.asset.symbol: (each.borrow_factor, each.liquidate_factor, each.liquidation_factor)
        for each in state.market.collaterals
    }
    for symbol in published.keys() - {"supply", "borrow"}:
        assert tuple(Decimal(text) for text in published[symbol]) == tuple(to_decimal(f, 18) for f in factors[symbol])


def test_each_market_counts_in_its_own_currency() -> None:
    """The market whose base is WETH has prices in WETH, and the other's are dollars."""
    assert {"cusdcv3": {"USD"}, "cwethv3": {"WETH"}} == {
        market: {account.quote for account in accounts.values()} for market, accounts in READ.items()
    }


def test_collateral_beyond_the_sixteenth_counts() -> None:
    """Assets at offsets 16 and 17, whose bits are in `_reserved`, are held and carry the debt."""
    kate, leo = READ["cwethv3"]["kate_weth_market"], READ["cwethv3"]["leo_idx16"]
    counted = {leg.asset.symbol for account in (kate, leo) for leg in account.legs if leg.used_as_collateral}

    assert {"wstETH", "T17", "T16"} == counted
    assert (1 << 1 | 1 << 17, 1 << 16) == (kate.state.assets, leo.state.assets)


def withdrawals() -> list[dict[str, Any]]:
    return [write for write in COMET.document["writes"] if write["function"] == "withdraw"]


def _id(write: dict[str, Any]) -> str:
    return f"{write['market']} {write['account']}: {write['what']}"


@pytest.mark.parametrize("write", withdrawals(), ids=_id)
def test_what_the_contract_lets_out_and_what_not(write: dict[str, Any]) -> None:
    """Each withdrawal that was tried on the real contract is allowed or refused here alike, in the contract's words.

    Among them are the largest of every account and one unit more, of the base asset and of collateral: the first are
    limited by interest up to now, the others by interest up to the last accrual.
    """
    account = READ[write["market"]][write["account"]]
    asset, amount = write["arguments"][0], int(write["arguments"][1])
    token = next(token for token in COMPOUND.tokens(account) if token.address == asset)
    is_base = token == account.state.market.base
    lent = sum(leg.amount for leg in account.legs if leg.asset == token and leg.side == "supply")
    borrows = is_base and (amount > lent or not amount)
    action = Borrow(token, amount) if borrows else Withdraw(token, amount)

    assert write["data"] == "0x" + COMPOUND.transaction(account, action).data.hex()
    if write["reverts"] is None:
        after = COMPOUND.apply(account, action, at=COMET.block.timestamp)
        assert after.state.market.cash == account.state.market.cash - (amount if is_base else 0)
        return
    with pytest.raises(Infeasible) as refused:
        COMPOUND.apply(account, action, at=COMET.block.timestamp)
    assert REASONS.get(write["reverts"], write["reverts"].removesuffix("()")) == refused.value.facts["reason"]


def broken(feed: str, *, reverting: frozenset[str]) -> Change:
    """A feed that gives no price, and the verdicts of the accounts that need it, which revert then."""
    needs = {COMET.account(name).lower()[2:] for name in reverting}

    def change(call: Call, answer: CallResult) -> CallResult:
        asked, selector = call.data.hex(), call.data[:4]
        verdict = selector in (COMET_ABI["isLiquidatable"].selector, COMET_ABI["isBorrowCollateralized"].selector)
        of_feed = selector == COMET_ABI["getPrice"].selector and asked.endswith(feed.lower()[2:])
        if of_feed or (verdict and any(asked.endswith(owner) for owner in needs)):
            return CallResult(False, bytes.fromhex("fd1ee349"))
        return answer

    return change


def test_a_bad_feed_touches_only_those_who_owe_and_hold_it() -> None:
    """Without a price of WBTC, whoever holds it and owes cannot be read; a holder without debt and all others can."""
    feed = next(each.feed for each in READ["cusdcv3"]["gov"].state.market.collaterals if each.asset.symbol == "WBTC")
    change = broken(feed, reverting=frozenset({"carol_multi", "mallory_dust_borrow"}))
    frank, bob = COMET.read("cusdcv3", ["frank_collateral_only", "bob_weth_healthy"], change=change)

    for name in ("carol_multi", "mallory_dust_borrow"):
        with pytest.raises(PriceMissing, match="the feed of WBTC gives no price"):
            COMET.read("cusdcv3", [name], change=change)
    assert READ["cusdcv3"]["bob_weth_healthy"].health_factor == bob.health_factor
    assert {"UNI"} == {leg.asset.symbol for leg in frank.legs}
    assert any(notice.name == "unpriced" and notice.text.startswith("1.5 WBTC") for notice in frank.warnings)


def test_a_verdict_that_differs_is_never_passed_over() -> None:
    """A contract that says something else about an account than its own figures is an error with both numbers."""

    def lies(call: Call, answer: CallResult) -> CallResult:
        is_asked = call.data[:4] == COMET_ABI["isLiquidatable"].selector
        return CallResult(True, (1).to_bytes(32, "big")) if is_asked else answer

    with pytest.raises(SelfCheckFailed, match="isLiquidatable of 0x") as failed:
        COMET.read("cusdcv3", ["bob_weth_healthy"], change=lies)
    assert (False, True) == (failed.value.facts["computed"], failed.value.facts["contract"])


def test_a_known_market_is_read_in_one_batch() -> None:
    """Three batches the first time, one with what was remembered, and the accounts are the same."""
    batches = []

    def fetch(batch: Batch) -> Results:
        batches.append(len(batch))
        return COMET.fetch(batch)

    entry, owners = COMET.entry("cwethv3"), [COMET.account(name) for name in NAMES]
    first = drive(COMPOUND.read_accounts(entry, owners, chain_id=31337, block=COMET.block), fetch)
    again = COMPOUND.read_accounts(entry, owners, chain_id=31337, block=COMET.block, metadata=first.metadata)

    assert first == drive(again, fetch)
    assert 4 == len(batches)
