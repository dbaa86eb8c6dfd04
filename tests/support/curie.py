"""Perp v2 on the local chain as tests see it: reading, trading, prices and time, and the contracts asked one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from random import Random
from typing import Any

from defilev.abi import encode, interface, keccak
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.plan import Goal, Plan
from defilev.model.request import Address
from defilev.model.token import TokenBalance, Wallet
from defilev.observe.drive import drive
from defilev.plan import PerpVia, ReduceInputs, plan_reduction
from defilev.protocols import PERPS
from defilev.protocols.perp_curie import PERP_CURIE_LOANS
from tests.support.world import World

__all__ = ["MARKETS", "Curie"]

MARKETS = ("vETH", "vBTC")
START = {"WETH": 3_000, "WBTC": 90_000}
DEADLINE = 2**40


def selector(signature: str) -> bytes:
    """Return the first four bytes of the hash of a signature."""
    return keccak(signature.encode())[:4]


@dataclass(frozen=True, slots=True)
class Curie:
    """The deployment of the local chain."""

    world: World

    @property
    def entry(self) -> MarketEntry:
        """The entry of the address book."""
        return MarketEntry("perp-curie", "main", {"clearing_house": self.at("clearing_house")})

    def at(self, name: str) -> Address:
        """Return the address of a contract."""
        return Address(self.world.description["perp_curie"][name])

    def base(self, market: str) -> Address:
        """Return the base token of a market."""
        return Address(self._market(market)["base_token"])

    def _market(self, name: str) -> dict[str, Any]:
        found: dict[str, Any] = self.world.description["perp_curie"]["markets"][name]
        return found

    def owners(self) -> dict[str, Address]:
        """Return everybody who trades, by name: named accounts, and both operators."""
        people = [*self.world.description["accounts"], *self.world.description["operators"]]
        named = {each["name"]: Address(each["address"]) for each in people}
        return {name: who for name, who in named.items() if name.startswith(("perp-", "hedged", "owner", "lender"))}

    def read(self, owners: Sequence[Address]) -> tuple[PerpAccount, ...]:
        """Read accounts as production does, at the head."""
        block = self.world.head()
        read = PERPS["perp-curie"].read_accounts(self.entry, owners, chain_id=self.world.chain_id, block=block)
        return drive(read, self.world.reader(block).fetch).accounts

    def account(self, name: str) -> PerpAccount:
        """Read the account of one owner."""
        (found,) = self.read([self.owners()[name]])
        return found

    def ask(self, contract: str, function: str, *arguments: object) -> Any:
        """Ask a contract, outside of any batch; one value comes alone."""
        call = interface("perp_curie")[function].call(self.at(contract), *arguments)
        answer = self.world.rpc("eth_call", {"to": call.to, "data": "0x" + call.data.hex()}, "latest")
        values = interface("perp_curie")[function].decode(bytes.fromhex(answer[2:]))
        return values[0] if len(values) == 1 else values

    def plan(
        self, name: str, goal: Goal, *, via: PerpVia = "reduce", slippage: str = "0.01", market: str | None = None
    ) -> Plan:
        """Plan for a named account as production does, at the head."""
        account, owner = PERP_CURIE_LOANS.loan(self.account(name)), self.owners()[name]
        usdc = PERP_CURIE_LOANS.settlement(account)
        wallet = Wallet(owner, 10**20, 0, False, (TokenBalance(usdc, self.world.balance("USDC", owner)),))
        return plan_reduction(
            ReduceInputs(
                protocol=PERP_CURIE_LOANS,
                account=account,
                wallet=wallet,
                goal=goal,
                via=via,
                max_slippage=Decimal(slippage),
                window=600,
                block_seconds=Decimal(12),
                gas_price=10**9,
                market=market,
            )
        )

    def carry_out(self, plan: Plan) -> str | None:
        """Send every transaction of a plan; return why one reverted, `None` when all went through."""
        for step in plan.steps:
            receipt = self.world.send(plan.owner, step.to, bytes.fromhex(step.data[2:]))
            if receipt["status"] != "0x1":
                return self._reason(plan.owner, step.to, step.data)
        return None

    def _reason(self, sender: Address, to: Address, data: str) -> str:
        request = {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "eth_call",
            "params": [{"from": sender, "to": to, "data": data}],
        }
        answer = self.world.client.post(self.world.rpc_url, json=request).json()
        return str(answer.get("error", {}).get("message", "it passes now"))

    def trade(self, owner: Address, market: str, size: int) -> bool:
        """Buy `size` base, or sell it when negative, at any price; return whether the contract let it through."""
        order = (self.base(market), size < 0, size < 0, abs(size), 0, DEADLINE, 0, bytes(32))
        data = interface("perp_curie")["openPosition"].encode(order)
        return bool(self.world.send(owner, self.at("clearing_house"), data)["status"] == "0x1")

    def liquidate(self, liquidator: Address, name: str, market: str) -> bool:
        """Liquidate a named account in a market; return whether the contract let it through."""
        arguments = encode(["address", "address"], [self.owners()[name], self.base(market)])
        data = selector("liquidate(address,address)") + arguments
        return bool(self.world.send(liquidator, self.at("clearing_house"), data)["status"] == "0x1")

    def set_index(self, market: str, price: int) -> None:
        """Set the feed that a market's index is taken from, 8 decimals, and have the market's own feed remember it."""
        self.world.set_price(self._market(market)["symbol"], price)
        self.refresh(market)

    def refresh(self, market: str) -> None:
        """Have a market's feed take over what the price feed says now."""
        data = selector("update()")
        owner = Address(self.world.description["operators"][0]["address"])
        assert self.world.send(owner, Address(self._market(market)["feed"]), data)["status"] == "0x1"

    def pause(self, market: str) -> None:
        """Pause a market, at its index price of now."""
        self._govern(market, selector("pause()"))

    def close(self, market: str, price: int) -> None:
        """Close a paused market for good at a price, 18 decimals."""
        self._govern(market, selector("close(uint256)") + encode(["uint256"], [price]))

    def _govern(self, market: str, data: bytes) -> None:
        owner = Address(self.world.description["operators"][0]["address"])
        assert self.world.send(owner, self.base(market), data)["status"] == "0x1"

    def shake(self, random: Random) -> str:
        """Let something happen at random: a price, a trade, or time; return what."""
        market = random.choice(MARKETS)
        what = random.choice(("index", "trade", "time", "big trade"))
        if what == "index":
            start = START[self._market(market)["symbol"]] * 10**8
            self.set_index(market, random.randrange(start * 93 // 100, start * 107 // 100))
        elif what == "time":
            self.world.advance(random.randrange(1, 4_000))
        else:
            name = "owner" if what == "big trade" else random.choice(list(self.owners()))
            unit = 10**18 if market == "vETH" else 10**18 // 30
            most = 300 * unit if what == "big trade" else 2 * unit
            self.trade(self.owners()[name], market, random.choice((-1, 1)) * random.randrange(1, most))
        return f"{what} in {market}"
