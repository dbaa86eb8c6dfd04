"""Random positions that are valid by construction, before they are made."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from defilev.abi import checksum
from defilev.model.request import Address
from defilev.units import BPS, WAD
from tests.support.world import ISOLATED

__all__ = ["Opened", "Recipe", "recipes"]

SYMBOLS = {
    "main": ("WETH", "wstETH", "WBTC", "USDC", "DAI", "LUSD"),
    "spark": ("WETH", "wstETH", "WBTC", "USDC", "DAI"),
}
E_MODE_ASSETS = ("WETH", "wstETH")
owners = st.binary(min_size=20, max_size=20).filter(lambda raw: raw[0] > 0).map(lambda raw: checksum("0x" + raw.hex()))


@dataclass(frozen=True)
class Recipe:
    """How to make a position: collateral by cents of value, debts by basis points of what may still be borrowed.

    The rest is for isolated markets: cents lent beside the collateral, the market's `fee` in wad, whether the owner
    takes it, and the basis points to which the price of ETH and BTC goes at the end.
    """

    owner: Address
    supplies: dict[str, int]
    disabled: frozenset[str]
    borrows: dict[str, int]
    e_mode: bool
    elapsed: int
    lent: int = 0
    fee: int = 0
    takes_fee: bool = False
    price: int = BPS


@dataclass
class Opened:
    """A position that was made, and what the pool refused of its recipe."""

    owner: Address
    refused: list[str] = field(default_factory=list)


def recipes(market: str, *, least_debts: int = 0) -> st.SearchStrategy[Recipe]:
    """Return recipes for a market, with so many debts at least as are asked for."""
    return _isolated(market, least_debts) if market in ISOLATED else _pooled(market, least_debts)


@st.composite
def _isolated(draw: st.DrawFn, market: str, least_debts: int) -> Recipe:
    """Draw a recipe: the one collateral or none, the one debt or none, now and then something lent beside it."""
    collateral, loan = market.split("/")
    cents = st.integers(1, 9) | st.integers(1_000, 30_000_000)
    shares = st.integers(1, 5) | st.integers(1_000, 10_000)
    is_lent = draw(st.integers(0, 3)) == 0
    return Recipe(
        owner=draw(owners),
        supplies={collateral: draw(cents)} if least_debts or draw(st.integers(0, 9)) else {},
        disabled=frozenset(),
        borrows={loan: draw(shares)} if least_debts or draw(st.integers(0, 4)) else {},
        e_mode=False,
        elapsed=draw(st.sampled_from((12, 60, 3_600, 86_400, 30 * 86_400))),
        lent=draw(cents) if is_lent else 0,
        fee=draw(st.sampled_from((0, 0, WAD // 10, WAD // 4))),
        takes_fee=draw(st.integers(0, 3)) == 0,
        price=draw(st.sampled_from((BPS, BPS, 7_000, 9_500, 12_000))),
    )


@st.composite
def _pooled(draw: st.DrawFn, market: str, least_debts: int) -> Recipe:
    """Draw a recipe: one to four collaterals from cents to hundreds of thousands of dollars, up to three debts."""
    symbols = SYMBOLS[market]
    e_mode = draw(st.booleans()) and draw(st.booleans())
    collaterals = draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=4, unique=True))
    borrowable = E_MODE_ASSETS if e_mode else symbols[:5]
    debts = draw(st.lists(st.sampled_from(borrowable), min_size=least_debts, max_size=3, unique=True))
    cents = st.integers(1, 9) | st.integers(1_000, 30_000_000)
    shares = st.integers(1, 5) | st.integers(1_000, 9_990)
    return Recipe(
        owner=draw(owners),
        supplies={symbol: draw(cents) for symbol in collaterals},
        disabled=frozenset(symbol for symbol in collaterals[1:] if draw(st.integers(0, 5)) == 0),
        borrows={symbol: draw(shares) for symbol in debts},
        e_mode=e_mode,
        elapsed=draw(st.sampled_from((12, 60, 3_600, 86_400, 30 * 86_400))),
    )
