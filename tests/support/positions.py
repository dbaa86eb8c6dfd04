"""Positions on the real contracts that are valid by construction: everything in them was accepted by the pool."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import strategies as st

from defilev.abi import encode, interface, keccak
from defilev.model.request import Address
from defilev.units import BPS, UINT256_MAX
from tests.support.world import World

__all__ = ["SYMBOLS", "Opened", "Recipe", "open_position", "recipes"]

SYMBOLS = {
    "main": ("WETH", "wstETH", "WBTC", "USDC", "DAI", "LUSD"),
    "spark": ("WETH", "wstETH", "WBTC", "USDC", "DAI"),
}
E_MODE_ASSETS = ("WETH", "wstETH")
VARIABLE_RATE = 2


@dataclass(frozen=True)
class Recipe:
    """How to make a position: collateral by cents of value, debts by basis points of what may still be borrowed."""

    owner: Address
    supplies: dict[str, int]
    disabled: frozenset[str]
    borrows: dict[str, int]
    e_mode: bool
    elapsed: int


@dataclass
class Opened:
    """A position that was made, and what the pool refused of its recipe."""

    owner: Address
    refused: list[str] = field(default_factory=list)


@st.composite
def recipes(draw: st.DrawFn, market: str, *, least_debts: int = 0) -> Recipe:
    """Draw a recipe: one to four collaterals from cents to hundreds of thousands of dollars, up to three debts."""
    symbols = SYMBOLS[market]
    e_mode = draw(st.booleans()) and draw(st.booleans())
    collaterals = draw(st.lists(st.sampled_from(symbols), min_size=1, max_size=4, unique=True))
    borrowable = E_MODE_ASSETS if e_mode else symbols[:5]
    debts = draw(st.lists(st.sampled_from(borrowable), min_size=least_debts, max_size=3, unique=True))
    cents = st.integers(1, 9) | st.integers(1_000, 30_000_000)
    shares = st.integers(1, 5) | st.integers(1_000, 9_990)
    return Recipe(
        owner=Address("0x" + draw(st.binary(min_size=20, max_size=20).filter(lambda raw: raw[0] > 0)).hex()),
        supplies={symbol: draw(cents) for symbol in collaterals},
        disabled=frozenset(symbol for symbol in collaterals[1:] if draw(st.integers(0, 5)) == 0),
        borrows={symbol: draw(shares) for symbol in debts},
        e_mode=e_mode,
        elapsed=draw(st.sampled_from((12, 60, 3_600, 86_400, 30 * 86_400))),
    )


def open_position(world: World, market: str, recipe: Recipe) -> Opened:
    """Make the position on the market's pool; what the pool refuses is left out."""
    opened = Opened(recipe.owner)
    pool = world.pool(market)
    functions = interface("aave_v3_pool")
    for symbol, cents in recipe.supplies.items():
        amount = amount_of(world, symbol, cents)
        give(world, symbol, recipe.owner, amount)
        approve(world, symbol, recipe.owner, pool)
        token = world.token(symbol)
        call = functions["supply"].encode(token, amount, recipe.owner, 0)
        if not accepted(world, opened, pool, call, f"supply {symbol}"):
            continue
        if symbol in recipe.disabled:
            call = functions["setUserUseReserveAsCollateral"].encode(token, False)
            accepted(world, opened, pool, call, f"disable {symbol}")
    if recipe.e_mode:
        accepted(world, opened, pool, functions["setUserEMode"].encode(1), "e-mode")
    for symbol, share in recipe.borrows.items():
        borrow(world, market, opened, symbol, share)
    world.advance(recipe.elapsed)
    return opened


def borrow(world: World, market: str, opened: Opened, symbol: str, share: int) -> None:
    """Borrow `share` basis points of what the pool still lends the owner."""
    pool = world.pool(market)
    functions = interface("aave_v3_pool")
    figures = functions["getUserAccountData"].decode(
        call(world, pool, functions["getUserAccountData"].encode(opened.owner))
    )
    token = world.token(symbol)
    oracle = Address(world.description["markets"][market]["oracle"])
    price = int.from_bytes(call(world, oracle, interface("aave_v3_oracle")["getAssetPrice"].encode(token)), "big")
    decimals = world.description["tokens"][symbol]["decimals"]
    amount = figures[2] * share * 10**decimals // (BPS * price)
    data = functions["borrow"].encode(token, amount, VARIABLE_RATE, 0, opened.owner)
    accepted(world, opened, pool, data, f"borrow {symbol}")


def amount_of(world: World, symbol: str, cents: int) -> int:
    """Return base units worth about `cents`."""
    dollars = {"WETH": 3000, "wstETH": 3660, "WBTC": 90000}.get(symbol, 1)
    return max(cents * 10 ** int(world.description["tokens"][symbol]["decimals"]) // (100 * dollars), 1)


def give(world: World, symbol: str, owner: Address, amount: int) -> None:
    """Put tokens into a wallet."""
    token = world.token(symbol)
    if world.description["tokens"][symbol]["kind"] == "weth9":
        receipt = world.send(owner, token, keccak(b"deposit()")[:4], value=amount)
    else:
        minter = Address(world.description["operators"][0]["address"])
        data = keccak(b"mint(address,uint256)")[:4] + encode(["address", "uint256"], [owner, amount])
        receipt = world.send(minter, token, data)
    assert receipt["status"] == "0x1"


def approve(world: World, symbol: str, owner: Address, spender: Address) -> None:
    """Let `spender` take everything."""
    data = interface("erc20")["approve"].encode(spender, UINT256_MAX)
    assert world.send(owner, world.token(symbol), data)["status"] == "0x1"


def accepted(world: World, opened: Opened, pool: Address, data: bytes, what: str) -> bool:
    """Send a call to the pool as the owner; remember it when the pool refuses."""
    if world.send(opened.owner, pool, data)["status"] == "0x1":
        return True
    opened.refused.append(what)
    return False


def call(world: World, to: Address, data: bytes) -> bytes:
    """Ask a contract at the newest block."""
    return bytes.fromhex(world.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")[2:])
