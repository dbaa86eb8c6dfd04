"""The market of a drill: feeds, pools, gas, and a liquidator who takes whatever can be taken."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from math import isqrt
from typing import Any

from price_path import BLOCKS_PER_HOUR, HOUR, Moment

from defilev.abi import encode, keccak
from defilev.model.request import Address
from defilev.units import UINT256_MAX
from defilev.venues.uniswap_v3.moving import SLOT0, swap_to_price
from tests.support.wallets import approve, call, give
from tests.support.world import World

GWEI = 10**9
CALM_TIP, FIRST_TIP, SECOND_TIP = GWEI, 300 * GWEI, 250 * GWEI
"""When there is prey the feeds and pools move first, then the liquidator comes, then everybody else."""

MOST_FEE = 20_000 * GWEI
START = {"WETH": 3000.0, "WBTC": 90_000.0, "USDC": 1.0, "DAI": 1.0}
DECIMALS = {"WETH": 18, "WBTC": 8, "USDC": 6, "DAI": 18}
POOLS = (("WETH", "USDC", 500), ("WETH", "USDC", 3000), ("WETH", "DAI", 3000), ("WBTC", "USDC", 3000))
DEEP, WIDE = 100_000_000, 36_000
"""Dollars on each side of the liquidity that is added, and its width in ticks: the path must not run out of it."""

EVERY = HOUR // BLOCKS_PER_HOUR
MINT = "mint((address,address,uint24,int24,int24,uint256,uint256,uint256,uint256,address,uint256))"
LIQUIDATE = "liquidationCall(address,address,address,uint256,bool)"


@dataclass
class Seas:
    """Moves one local chain; nothing is mined but by `next`."""

    world: World
    rates: dict[str, float] = field(default_factory=lambda: dict(START))
    tip: int = CALM_TIP

    @property
    def operator(self) -> Address:
        """Return who owns the feeds and moves the pools."""
        return Address(self.world.description["operators"][0]["address"])

    @property
    def liquidator(self) -> Address:
        """Return who liquidates."""
        found = [each for each in self.world.description["operators"] if each["name"] == "liquidator"]
        return Address(found[0]["address"])

    def prepare(self) -> None:
        """Deepen the pool that the path is sold into, arm the liquidator, and take the chain's clock over."""
        router = Address(self.world.description["uniswap_v3"]["swap_router_02"])
        for symbol in DECIMALS:
            approve(self.world, symbol, self.operator, router)
        self._deepen("WETH", "USDC", 500)
        for symbol in ("USDC", "DAI"):
            give(self.world, symbol, self.liquidator, 10**8 * 10 ** DECIMALS[symbol])
            approve(self.world, symbol, self.liquidator, self.world.pool("main"))
        for account in (self.operator, self.liquidator):
            self.world.rpc("anvil_impersonateAccount", account)
            self.world.rpc("anvil_setBalance", account, hex(10**26))
        self.world.rpc("evm_setAutomine", False)
        self.world.rpc("anvil_setBlockGasLimit", hex(200_000_000))

    def next(self, moment: Moment, prey: Iterable[tuple[str, str, Address]]) -> None:
        """Move feeds and pools, let the liquidator try everybody in `prey`, and mine one block with all of it."""
        prey = list(prey)
        self.tip = FIRST_TIP if prey else CALM_TIP
        for symbol in ("WETH", "WBTC"):
            self.rates[symbol] = START[symbol] * moment.price
            self._send(self.operator, self._feed(symbol), _call("set(int256)", ["int256"], [self._answer(symbol)]))
        for one, other, fee in POOLS:
            self._push(one, other, fee, moment.pool)
        for collateral, debt, owner in prey:
            words = [self.world.token(collateral), self.world.token(debt), owner, UINT256_MAX, False]
            data = _call(LIQUIDATE, ["address", "address", "address", "uint256", "bool"], words)
            self._send(self.liquidator, self.world.pool("main"), data, tip=SECOND_TIP)
        self.world.rpc("anvil_setNextBlockBaseFeePerGas", hex(moment.base_fee))
        self.world.rpc("evm_setNextBlockTimestamp", hex(self.world.head().timestamp + EVERY))
        self.world.rpc("evm_mine")

    def _feed(self, symbol: str) -> Address:
        return Address(self.world.description["feeds"][symbol]["address"])

    def _answer(self, symbol: str) -> int:
        return round(self.rates[symbol] * 10**8)

    def _send(self, sender: Address, to: Address, data: bytes, *, tip: int | None = None) -> None:
        fields: dict[str, Any] = {
            "from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(3_000_000),
            "maxFeePerGas": hex(MOST_FEE), "maxPriorityFeePerGas": hex(self.tip if tip is None else tip),
        }  # fmt: skip
        self.world.rpc("eth_sendTransaction", fields)

    def _push(self, one: str, other: str, fee: int, share: float) -> None:
        """Swap a pool to where `one` costs `share` of the feeds' price in `other`."""
        pool, low, high = self._pool(one, other, fee)
        value = {one: self.rates[one] * share, other: self.rates[other]}
        wanted = isqrt(int(value[low] / value[high] * 10 ** (DECIMALS[high] - DECIMALS[low] + 30)) * 2**192 // 10**30)
        now: int = SLOT0.decode(self._slot0(pool))[0]
        if abs(wanted - now) * 10**6 < now:
            return
        sold, bought = (low, high) if wanted < now else (high, low)
        router = Address(self.world.description["uniswap_v3"]["swap_router_02"])
        pair = (self.world.token(sold), self.world.token(bought))
        swap = swap_to_price(router, pair, fee, trader=self.operator, amount=10**33, sqrt_price=wanted)
        self._send(self.operator, swap.to, swap.data)

    def _slot0(self, pool: Address) -> bytes:
        return call(self.world, pool, SLOT0.encode())

    def _pool(self, one: str, other: str, fee: int) -> tuple[Address, str, str]:
        """Return a pool, and its tokens in its own order."""
        low, high = sorted((one, other), key=lambda symbol: int(self.world.token(symbol), 16))
        factory = Address(self.world.description["uniswap_v3"]["factory"])
        words = [self.world.token(low), self.world.token(high), fee]
        found = call(
            self.world, factory, _call("getPool(address,address,uint24)", ["address", "address", "uint24"], words)
        )
        return Address("0x" + found[-20:].hex()), low, high

    def _deepen(self, one: str, other: str, fee: int) -> None:
        pool, low, high = self._pool(one, other, fee)
        spacing = {500: 10, 3000: 60}[fee]
        tick = SLOT0.decode(self._slot0(pool))[1] // spacing * spacing
        manager = Address(self.world.description["uniswap_v3"]["position_manager"])
        amounts = [int(DEEP / START[symbol] * 10 ** DECIMALS[symbol]) for symbol in (low, high)]
        for symbol in (low, high):
            approve(self.world, symbol, self.operator, manager)
        words = [self.world.token(low), self.world.token(high), fee, tick - WIDE, tick + WIDE, *amounts, 0, 0,
                 self.operator, 2**63]  # fmt: skip
        types = ["address", "address", "uint24", "int24", "int24", *["uint256"] * 4, "address", "uint256"]
        if self.world.send(self.operator, manager, _call(MINT, types, words))["status"] != "0x1":
            raise SystemExit(f"no liquidity was added to {one}/{other}")


def _call(signature: str, types: list[str], words: list[Any]) -> bytes:
    return keccak(signature.encode())[:4] + encode(types, words)
