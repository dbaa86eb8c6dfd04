"""What may be wrong with a market and the pools around it when a plan is made, brought about on the local chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import floor
from random import Random

from defilev.abi import checksum, encode, interface, keccak
from defilev.abi.function import Function
from defilev.model.request import Address
from defilev.units import BPS
from defilev.venues.uniswap_v3.moving import (
    LIQUIDITY_SLOT,
    SLOT0,
    TICK_BITMAP,
    TICK_SPACING,
    initialized_ticks,
    scaled_tick_word,
    tick_slot,
    words_around,
)
from defilev.venues.uniswap_v3.routing import LIQUIDITY
from tests.support.wallets import amount_of, approve, call
from tests.support.world import World

__all__ = ["CALM", "Conditions", "bring_about", "drain", "draw_conditions", "govern", "thin"]

FALLING = ("WETH", "WBTC")
"""What has a feed that moves."""

WHALE = checksum("0x" + keccak(b"who borrows what is left of a reserve")[12:].hex())
WHALE_CENTS = 600_000_000_000
COLLATERALS = ("wstETH", "WBTC", "WETH")
MOST_DRAINED = len(COLLATERALS) - 1
VARIABLE_RATE = 2
VIRTUAL_BALANCE = Function("getVirtualUnderlyingBalance", (("asset", "address"),), ("uint128",))


@dataclass(frozen=True, slots=True)
class Conditions:
    """Reserves by symbol, pools by name.

    `drained` says how many cents' worth of a reserve are left to withdraw or borrow, `thinned` how many basis points of
    a pool's liquidity are left, `moved` to how many basis points of its price an oracle goes that no pool follows.
    """

    frozen: tuple[str, ...] = ()
    paused: tuple[str, ...] = ()
    capped: tuple[str, ...] = ()
    drained: dict[str, int] = field(default_factory=dict)
    thinned: dict[str, int] = field(default_factory=dict)
    moved: dict[str, int] = field(default_factory=dict)


CALM = Conditions()


def draw_conditions(random: Random, symbols: Sequence[str], pools: Sequence[str]) -> Conditions:
    """Return conditions for an account of these assets: none at all for every second one."""
    if random.random() < 0.5:
        return CALM

    def some(of: Sequence[str], chance: float) -> tuple[str, ...]:
        return tuple(each for each in of if random.random() < chance)

    return Conditions(
        frozen=some(symbols, 0.08),
        paused=some(symbols, 0.02),
        capped=some(symbols, 0.15),
        drained={symbol: random.choice((0, 100, 10_000, 1_000_000)) for symbol in some(symbols, 0.15)[:MOST_DRAINED]},
        thinned={pool: random.choice((1, 10, 100, 3_000)) for pool in some(pools, 0.2)},
        moved={symbol: random.randint(9_600, 10_400) for symbol in some(FALLING, 0.25)},
    )


def bring_about(world: World, market: str, conditions: Conditions) -> None:
    """Make the market and the pools so."""
    against = next(symbol for symbol in COLLATERALS if symbol not in conditions.drained)
    for symbol, cents in conditions.drained.items():
        drain(world, market, symbol, against=against, left=amount_of(world, symbol, cents) if cents else 0)
    for symbol in conditions.capped:
        govern(world, market, "setSupplyCap(address,uint256)", world.token(symbol), 1)
        govern(world, market, "setBorrowCap(address,uint256)", world.token(symbol), 1)
    for symbol in conditions.frozen:
        govern(world, market, "setReserveFreeze(address,bool)", world.token(symbol), True)
    for pool, left in conditions.thinned.items():
        thin(world, pool, Fraction(left, BPS))
    for symbol, left in conditions.moved.items():
        feed = Address(world.description["feeds"][symbol]["address"])
        answer = int.from_bytes(call(world, feed, keccak(b"latestAnswer()")[:4]), "big")
        world.set_price(symbol, answer * left // BPS)
    for symbol in conditions.paused:
        govern(world, market, "setReservePause(address,bool)", world.token(symbol), True)


def govern(world: World, market: str, signature: str, *words: object) -> None:
    """Call the market's configurator as governance does."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    data = keccak(signature.encode())[:4] + encode(types, list(words))
    configurator = Address(world.description["markets"][market]["configurator"])
    operator = Address(world.description["operators"][0]["address"])
    assert world.send(operator, configurator, data)["status"] == "0x1", signature


def drain(world: World, market: str, symbol: str, *, against: str, left: int) -> None:
    """Let somebody borrow all that a reserve has but `left` base units of it; less than that stays as it is."""
    pool, token = world.pool(market), world.token(symbol)
    available = _available(world, market, symbol)
    if available <= left:
        return
    govern(world, market, "setSupplyCap(address,uint256)", world.token(against), 0)
    govern(world, market, "setBorrowCap(address,uint256)", token, 0)
    collateral = amount_of(world, against, WHALE_CENTS)
    world.rpc("anvil_dealERC20", WHALE, world.token(against), hex(collateral))
    approve(world, against, WHALE, pool)
    functions = interface("aave_v3_pool")
    supply = functions["supply"].encode(world.token(against), collateral, WHALE, 0)
    borrow = functions["borrow"].encode(token, available - left, VARIABLE_RATE, 0, WHALE)
    for data in (supply, borrow):
        assert world.send(WHALE, pool, data)["status"] == "0x1", symbol


def _available(world: World, market: str, symbol: str) -> int:
    """Return what the reserve can pay out: by its own count where it keeps one, else what its token holds."""
    token = world.token(symbol)
    counted = VIRTUAL_BALANCE.call(world.pool(market), token)
    (answer,) = world.reader(world.head()).fetch([counted])
    if answer.success:
        return int(VIRTUAL_BALANCE.decode_one(answer.data))
    holder = Address(world.description["markets"][market]["reserves"][symbol]["a_token"])
    return world.balance(symbol, holder)


def thin(world: World, pool: str, share: Fraction) -> None:
    """Leave `share` of a pool's liquidity at every price, as if so many had withdrawn."""
    address = Address(world.description["pools"][pool]["address"])
    reader = world.reader(world.head())
    head = reader.fetch([SLOT0.call(address), TICK_SPACING.call(address), LIQUIDITY.call(address)])
    tick = SLOT0.decode(head[0].data)[1]
    spacing, liquidity = TICK_SPACING.decode_one(head[1].data), LIQUIDITY.decode_one(head[2].data)
    positions = list(words_around(tick, spacing))
    words = reader.fetch([TICK_BITMAP.call(address, position) for position in positions])
    for position, word in zip(positions, words, strict=True):
        for found in initialized_ticks(position, TICK_BITMAP.decode_one(word.data), spacing):
            slot = hex(tick_slot(found))
            kept = int(world.rpc("eth_getStorageAt", address, slot, "latest"), 16)
            world.rpc("anvil_setStorageAt", address, slot, f"0x{scaled_tick_word(kept, share):064x}")
    world.rpc("anvil_setStorageAt", address, hex(LIQUIDITY_SLOT), f"0x{floor(liquidity * share) + 2:064x}")
