"""Move a served world: prices, rates, pools, time, token balances. For tests, drills and experiments."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

from localworld.chain import Chain
from localworld.errors import WorldError
from localworld.rpc import Rpc

BLOCK_SECONDS = 12
PRICE_DECIMALS = 8
RATE_DECIMALS = 18
SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"


class Control:
    """The owner's levers on a world, given what its world.json says. Every lever mines a block.

    The owner is impersonated for the length of one call, so an unsigned transaction of anybody else is
    refused at all times. Works on a fork of the world too: pass the fork's URL.
    """

    def __init__(self, world: Mapping[str, Any], *, rpc_url: str | None = None) -> None:
        self.world = world
        self.rpc = Rpc(rpc_url or world["rpc_url"])
        self.owner: str = next(person["address"] for person in world["operators"] if person["name"] == "owner")
        self.chain = Chain(self.rpc, self.owner)

    @classmethod
    def of(cls, directory: Path) -> "Control":
        """The levers of the world that runs in a folder."""
        return cls(json.loads((directory / "world.json").read_text()))

    def set_price(self, symbol: str, price: str | Decimal) -> None:
        """Set a token's price in dollars, as of the block this makes. WETH moves wstETH with it."""
        self.set_answer(symbol, int(Decimal(price).scaleb(PRICE_DECIMALS)))

    def set_answer(self, symbol: str, answer: int, *, updated_at: int | None = None) -> None:
        """Set a feed's raw answer, any integer; `updated_at` (Unix seconds) makes it stale or odd."""
        feed = self.world["feeds"][symbol]
        if feed["kind"] != "feed":
            fix = f"use set_rate({symbol!r}, …), or move the feed underneath"
            raise WorldError(f"{symbol} is priced by a {feed['kind']}", fix=fix)
        with self._as_owner():
            if updated_at is None:
                self.chain.send(feed["address"], "set(int256)", answer)
            else:
                self.chain.send(feed["address"], "setAt(int256,uint256)", answer, updated_at)

    def set_rate(self, symbol: str, rate: str | Decimal, *, cap: str | Decimal | None = None) -> None:
        """Set a rate adapter's exchange rate, and its cap when one is given."""
        address = self.world["feeds"][symbol]["address"]
        with self._as_owner():
            self.chain.send(address, "setRatio(int256)", int(Decimal(rate).scaleb(RATE_DECIMALS)))
            if cap is not None:
                self.chain.send(address, "setMaxRatio(int256)", int(Decimal(cap).scaleb(RATE_DECIMALS)))

    def give(self, symbol: str, to: str, amount: str | Decimal) -> None:
        """Send tokens of the owner's to anybody; the amount is in whole tokens."""
        token = self.world["tokens"][symbol]
        units = int(Decimal(amount).scaleb(token["decimals"]))
        with self._as_owner():
            self.chain.send(token["address"], "transfer(address,uint256)", to, units)

    def push(self, pool: str, *, sell: str, amount: str | Decimal) -> None:
        """Sell the owner's tokens into one pool, at any price: it moves away from the oracle."""
        described, tokens = self.world["pools"][pool], self.world["tokens"]
        buy = described["token1"] if sell == described["token0"] else described["token0"]
        units = int(Decimal(amount).scaleb(tokens[sell]["decimals"]))
        swap = (tokens[sell]["address"], tokens[buy]["address"], described["fee"], self.owner, units, 0, 0)
        with self._as_owner():
            self.chain.send(self.world["uniswap_v3"]["swap_router_02"], SWAP, swap)

    def mine(self, blocks: int = 1) -> None:
        """Mine empty blocks, 12 s of chain time each."""
        self.rpc.request("anvil_mine", hex(blocks), hex(BLOCK_SECONDS))

    def jump(self, seconds: int) -> None:
        """Mine one block that many seconds after the newest one."""
        self.rpc.request("evm_setNextBlockTimestamp", self.chain.timestamp() + seconds)
        self.rpc.request("evm_mine")

    @contextmanager
    def _as_owner(self) -> Iterator[None]:
        self.rpc.request("anvil_impersonateAccount", self.owner)
        try:
            yield
        finally:
            self.rpc.request("anvil_stopImpersonatingAccount", self.owner)
