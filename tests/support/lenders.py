"""Valid accounts of every lender, drawn at random, for laws that all of them keep: one collateral and one debt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from hypothesis import strategies as st

from defilev.model.account import LendingAccount, Price
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols import PROTOCOLS, LendingProtocol
from defilev.protocols.aave_family.account import account_from_state as aave_account
from defilev.protocols.aave_family.state import AaveMarket, AaveState, Position, Reserve
from defilev.protocols.compound_v3.account import account_from_state as comet_account
from defilev.protocols.compound_v3.math import principal_value
from defilev.protocols.compound_v3.state import Collateral, CometMarket, CometState, RateModel, Totals
from defilev.protocols.morpho_blue.account import account_from_state as morpho_account
from defilev.protocols.morpho_blue.state import (
    AdaptiveCurve,
    MarketParams,
    MorphoMarket,
    MorphoState,
    Position as MorphoPosition,
    Totals as MorphoTotals,
)
from defilev.units import RAY, WAD
from tests.factories import OWNER

__all__ = ["LENDERS", "NOW", "Lender"]

ANY = Address("0x" + "00" * 20)
NOW = 1_700_000_000
COLLATERAL = Token(Address(f"0x{1:040x}"), "COLL", 18)
DEBT = Token(Address(f"0x{2:040x}"), "DEBT", 18)
cents = st.integers(10_000, 10**9)
thresholds = st.integers(3_000, 9_500)
prices = st.integers(10**6, 10**13)
rates = st.integers(0, RAY // 2)


@dataclass(frozen=True)
class Lender:
    """A protocol and the accounts to hold its rules against; `accounts` draws those with a health factor."""

    protocol: LendingProtocol
    accounts: st.SearchStrategy[LendingAccount]


def amount_of(worth: int, price: int) -> int:
    """Return base units of an 18-decimals token worth about so many cents, at least one."""
    return max(worth * 10**6 * 10**18 // price, 1)


def _reserve(place: int, token: Token, price: int, *, threshold: int, index: int, rate: int) -> Reserve:
    return Reserve(
        asset=token,
        id=place,
        configuration=max(threshold - 300, 0) | threshold << 16 | 18 << 48 | 1 << 56 | 1 << 58,
        liquidity_index=index,
        liquidity_rate=rate // 2,
        variable_borrow_index=index,
        variable_borrow_rate=rate,
        last_update=NOW,
        a_token=ANY,
        stable_debt_token=ANY,
        variable_debt_token=ANY,
        price=Price(price, 8, token.address, token.address),
        available_liquidity=10**40,
    )


@st.composite
def aave_accounts(draw: st.DrawFn, protocol: str, regime: str) -> LendingAccount:
    index = draw(st.integers(RAY, 3 * RAY))
    sold, owed = draw(prices), draw(prices)
    reserves = (
        _reserve(0, COLLATERAL, sold, threshold=draw(thresholds), index=index, rate=draw(rates)),
        _reserve(1, DEBT, owed, threshold=0, index=index, rate=draw(rates)),
    )
    market = AaveMarket(protocol, "main", ANY, ANY, ANY, 0, regime, 10**8)
    positions = (
        Position(scaled_supply=amount_of(draw(cents), sold)),
        Position(scaled_debt=amount_of(draw(cents), owed)),
    )
    return aave_account(AaveState(1, Block(1, "0x00", NOW), NOW, market, ANY, None, 0b01_10, reserves, positions))


@st.composite
def comet_accounts(draw: st.DrawFn) -> LendingAccount:
    index, sold, owed = draw(st.integers(10**15, 3 * 10**15)), draw(prices), draw(prices)
    liquidate = draw(thresholds) * WAD // 10_000
    held = Collateral(
        offset=0,
        asset=COLLATERAL,
        feed=COLLATERAL.address,
        scale=10**18,
        borrow_factor=liquidate - 3 * WAD // 100,
        liquidate_factor=liquidate,
        liquidation_factor=95 * WAD // 100,
        supply_cap=2**127,
        supplied=2**100,
        price=Price(sold, 8, COLLATERAL.address, COLLATERAL.address),
    )
    model = RateModel(kink=8 * WAD // 10, base=draw(st.integers(0, 10**10)), slope_low=10**9, slope_high=10**10)
    totals = Totals(index, index, 10**32, 5 * 10**31, NOW)
    market = CometMarket(
        name="debt",
        comet=ANY,
        base=DEBT,
        base_feed=DEBT.address,
        base_price=Price(owed, 8, DEBT.address, DEBT.address),
        borrow_minimum=0,
        cash=10**32,
        pause_flags=0,
        supply_rates=model,
        borrow_rates=model,
        totals=totals,
        collaterals=(held,),
        quote="USD",
    )
    state = CometState(1, Block(1, "0x00", NOW), NOW, market, ANY, 0, 1, (amount_of(draw(cents), sold),))
    return comet_account(replace(state, principal=principal_value(-amount_of(draw(cents), owed), totals)))


@st.composite
def morpho_accounts(draw: st.DrawFn) -> LendingAccount:
    """Draw from a market whose shares are worth a millionth of a unit, as every market's are when it is new."""
    sold, collateral, debt = draw(prices), draw(cents), draw(cents)
    market = MorphoMarket(
        morpho=ANY,
        id="0x" + "00" * 32,
        deployment="main",
        params=MarketParams(DEBT.address, COLLATERAL.address, ANY, ANY, draw(thresholds) * WAD // 10_000),
        loan=DEBT,
        collateral=COLLATERAL,
        price=Price(sold * 10**28, 36, COLLATERAL.address, COLLATERAL.address),
        loan_price=Price(1, 0, DEBT.address, DEBT.address),
        fee_recipient=ANY,
    )
    lent = MorphoTotals(10**32, 10**38, 5 * 10**31, 5 * 10**37, NOW, 0)
    position = MorphoPosition(0, debt * 10**16 * 10**6, amount_of(collateral, sold))
    rates = AdaptiveCurve(draw(st.integers(10**7, 10**11)))
    state = MorphoState(1, Block(1, "0x00", NOW), NOW, OWNER, market, rates, lent, position)
    return morpho_account(state)


_DRAWN: dict[str, Callable[[], st.SearchStrategy[LendingAccount]]] = {
    "aave-v3": lambda: aave_accounts("aave-v3", "3.6"),
    "sparklend": lambda: aave_accounts("sparklend", "3.0"),
    "compound-v3": comet_accounts,
    "morpho-blue": morpho_accounts,
}
LENDERS = {name: Lender(PROTOCOLS[name], drawn()) for name, drawn in _DRAWN.items()}
