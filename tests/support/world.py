"""The local chain as tests see it: names instead of addresses, and the knobs that move it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from defilev.abi import encode, interface, keccak
from defilev.chain.multicall import PinnedReader
from defilev.chain.node import Node
from defilev.chain.rpc import Rpc
from defilev.chain.transport import HttpTransport
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Block
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS

__all__ = ["EVERY_MARKET", "ISOLATED", "MARKETS", "World", "open_world", "own_world", "start_world", "stop_world"]

ROOT = Path(__file__).resolve().parent.parent.parent
MARKETS = ("main", "spark")
ISOLATED = ("wstETH/USDC", "wstETH/WETH", "WBTC/USDC")
"""Markets of Morpho Blue, by the names that the local chain gives them."""
EVERY_MARKET = MARKETS + ISOLATED


@dataclass(frozen=True)
class World:
    """A running local chain; `description` is its world.json."""

    description: dict[str, Any]
    client: httpx.Client
    transport: HttpTransport

    @property
    def node(self) -> Node:
        """A fresh view of the node: tests put the chain back, which a view that has seen newer blocks refuses."""
        return Node(Rpc(self.transport))

    @property
    def rpc_url(self) -> str:
        return str(self.description["rpc_url"])

    @property
    def address_book(self) -> Path:
        return Path(self.description["address_book"])

    @property
    def chain_id(self) -> int:
        return int(self.description["chain_id"])

    def rpc(self, method: str, *params: Any) -> Any:
        """Call any method of the node, anvil's own included."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self.client.post(self.rpc_url, json=request).json()
        if "error" in answer:
            raise AssertionError(f"{method}: {answer['error']}")
        return answer["result"]

    def account(self, name: str) -> Address:
        """Return the address of a named account."""
        found = [entry for entry in self.description["accounts"] if entry["name"] == name]
        return Address(found[0]["address"])

    def accounts(self) -> dict[str, Address]:
        """Return the named accounts."""
        return {entry["name"]: Address(entry["address"]) for entry in self.description["accounts"]}

    def credentials(self, name: str) -> tuple[Path, Path]:
        """Return the keystore and the password file of a named account."""
        found = next(entry for entry in self.description["accounts"] if entry["name"] == name)
        return Path(found["keystore"]), Path(found["password_file"])

    def token(self, symbol: str) -> Address:
        """Return the address of a token."""
        return Address(self.description["tokens"][symbol]["address"])

    def market(self, name: str) -> MarketEntry:
        """Return the entry points of a market: `main` is Aave's, `spark` SparkLend's, the others isolated ones."""
        isolated = self.isolated(name)
        if isolated is not None:
            deployment = MarketEntry("morpho-blue", "main", {"morpho": self.pool(name)})
            return deployment.isolated(isolated["id"])
        described = self.description["markets"][name]
        entry_points = {"pool_addresses_provider": Address(described["addresses_provider"])}
        return MarketEntry(described["protocol"], described["market"], entry_points)

    def flags(self, name: str) -> tuple[str, ...]:
        """Return the flags that name a market on the command line."""
        entry = self.market(name)
        return ("-p", entry.protocol, "--market", entry.market)

    def isolated(self, name: str) -> dict[str, Any] | None:
        """Return how an isolated market is described, `None` for markets that have a pool of their own."""
        found: dict[str, Any] | None = self.description["morpho_blue"]["markets"].get(name)
        return found

    def pool(self, name: str) -> Address:
        """Return the contract that holds the positions of a market."""
        if self.isolated(name) is not None:
            return Address(self.description["morpho_blue"]["morpho"])
        return Address(self.description["markets"][name]["pool"])

    def head(self) -> Block:
        """Return the newest block."""
        return self.node.block("latest")

    def reader(self, block: Block, *, node: Node | None = None) -> PinnedReader:
        """Return a reader pinned to `block`."""
        return PinnedReader(node or self.node, multicall3=Address(self.description["multicall3"]), block=block)

    def read(self, market: str, owners: Sequence[Address], *, block: Block | None = None) -> list[LendingAccount]:
        """Read accounts as production does."""
        at = block or self.head()
        entry = self.market(market)
        read = PROTOCOLS[entry.protocol].read_accounts(entry, owners, chain_id=self.chain_id, block=at)
        return list(drive(read, self.reader(at).fetch).accounts)

    def send(
        self, sender: Address, to: Address | None, data: bytes, *, value: int = 0, gas: int = 5_000_000
    ) -> dict[str, Any]:
        """Send a transaction from any account without its key, wait for it, and return its receipt.

        Without `to` it makes a contract.
        """
        self.rpc("anvil_impersonateAccount", sender)
        self.rpc("anvil_setBalance", sender, hex(10**24))
        fields = {"from": sender, "data": "0x" + data.hex(), "value": hex(value), "gas": hex(gas)}
        if to is not None:
            fields["to"] = to
        receipt: dict[str, Any] = {}
        sent = self.rpc("eth_sendTransaction", fields)
        while not receipt:
            receipt = self.rpc("eth_getTransactionReceipt", sent) or {}
        return receipt

    def set_price(self, symbol: str, price: int, *, updated_at: int | None = None) -> None:
        """Set a feed's answer, 8 decimals, and optionally the time that it claims."""
        feed = Address(self.description["feeds"][symbol]["address"])
        if updated_at is None:
            data = keccak(b"set(int256)")[:4] + encode(["int256"], [price])
        else:
            data = keccak(b"setAt(int256,uint256)")[:4] + encode(["int256", "uint256"], [price, updated_at])
        owner = Address(self.description["operators"][0]["address"])
        assert self.send(owner, feed, data)["status"] == "0x1"

    def advance(self, seconds: int) -> None:
        """Let time pass, and mine a block at the end of it; the blocks after it are 12 s apart again."""
        self.rpc("evm_setNextBlockTimestamp", hex(self.head().timestamp + seconds))
        self.rpc("evm_mine")

    def balance(self, symbol: str, owner: Address) -> int:
        """Return the wallet balance of a token in base units."""
        function = interface("erc20")["balanceOf"]
        call = function.call(self.token(symbol), owner)
        return int(self.rpc("eth_call", {"to": call.to, "data": "0x" + call.data.hex()}, "latest"), 16)


def start_world(folder: Path, *, chain_id: int | None = None) -> World:
    """Start a local chain in `folder`, built when it was not built before."""
    chain = [] if chain_id is None else ["--chain-id", str(chain_id)]
    command: list[str | Path] = [ROOT / "scripts" / "world", "up", "--dir", folder, *chain]
    subprocess.run(command, check=True, capture_output=True)
    description = json.loads((folder / "world.json").read_text())
    return World(description, httpx.Client(), HttpTransport(description["rpc_url"], timeout=30))


@contextmanager
def own_world(folder: Path, *, chain_id: int | None = None) -> Iterator[World]:
    """Lend a local chain that is started in `folder`, which may be new, and stopped afterwards."""
    served = start_world(folder, chain_id=chain_id)
    try:
        yield served
    finally:
        stop_world(served, folder)


@contextmanager
def open_world(folder: Path) -> Iterator[World]:
    """Lend the local chain that runs in `folder`."""
    description = json.loads((folder / "world.json").read_text())
    world = World(description, httpx.Client(), HttpTransport(description["rpc_url"], timeout=30))
    try:
        yield world
    finally:
        world.client.close()
        world.transport.close()


def stop_world(world: World, folder: Path) -> None:
    """Stop the local chain in `folder`."""
    world.client.close()
    world.transport.close()
    subprocess.run([ROOT / "scripts" / "world", "down", "--dir", folder], check=True, capture_output=True)
