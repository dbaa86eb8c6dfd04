"""A guard of the arena's account, one process for each look, and what the market's operator does meanwhile."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import Any

from defilev.abi import encode, keccak
from defilev.model.request import Address
from tests.chaos.arena import WHO, Arena
from tests.chaos.chain import TARGET, TRIGGER
from tests.chaos.rows.registry import Stage
from tests.support.guards import rules_file

__all__ = [
    "GOAL",
    "HEALTH",
    "PRICE",
    "SOMEBODY",
    "Guard",
    "ask",
    "configure",
    "data_of",
    "deal",
    "empty",
    "equip",
    "levered",
    "offer",
    "price",
    "router",
    "send",
    "swap",
    "until_calm",
]

PRICE = 3000 * 10**8
GOAL = float(TARGET)
FEE = 500
"""Of the pool that is traded in."""

SWAP = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
SOMEBODY = Address("0x00000000000000000000000000000000C0FFEE11")
"""Who else acts on the chain."""

MOST_TICKS = 4
UNREADABLE = 4
"""The exit code when nothing that the chain says can be believed."""

HEALTH = f'[[account.trigger]]\nkind = "health"\nbelow = "{TRIGGER}"'
LEVERED = "0x" + keccak(b"Borrow(address,address,address,uint256,uint8,uint256,uint16)").hex()


class Guard:
    """A guard of the owner's account with the owner's key: one process for each look."""

    def __init__(self, stage: Stage, *, in_steps: bool = False, **said: Any) -> None:
        self.arena, self.folder, self.looks = stage.arena, stage.folder, 0
        self.arena.begin(in_steps=in_steps)
        keystore, password_file = self.arena.world.credentials(WHO)
        usual: dict[str, Any] = {
            "owner": f'"{self.arena.owner}"', "payer": None, "authority": '"owner"', "allow_hot_equity": "true",
            "keystore": f'"{keystore}"', "password_file": f'"{password_file}"', "cool_down": '"1s"',
            "goal": f'{{ health_factor = "{TARGET}" }}', "triggers": HEALTH, "guard": {"single_endpoint": "true"},
        }  # fmt: skip
        self.book = str(self.arena.world.address_book)
        self.file = rules_file(stage.folder / "guard.toml", **(usual | said))

    def look(self) -> dict[str, Any]:
        """Look once while blocks come, and return what the guard said."""
        self.looks += 1
        out = self.folder / f"look-{self.looks}"
        with self.arena.mining():
            code = self._run("guard", "run", "--once", "--rules", str(self.file), "--broadcast", "--json", out=out)
        lines = [line for line in out.read_text().splitlines() if line.startswith('{"schema": "defilev/guard-tick')]
        if code == UNREADABLE and not lines:
            return {"decisions": [], "acted": [], "alerts": []}
        assert lines, f"the guard ended with {code}: {out.read_text()[-600:]}"
        document: dict[str, Any] = json.loads(lines[-1])
        return document

    def command(self, *words: str) -> int | None:
        """Run a command of the product on the same chain, and return its exit code."""
        return self._run(*words, out=self.folder / f"command-{words[0]}")

    def _run(self, *words: str, out: Path) -> int | None:
        node = ("--rpc-url", self.arena.first.url, "--address-book", self.book)
        job = self.arena.job(role="command", words=(*node, *words), log=str(out), budget=60)
        return self.arena.zygote.start(job).wait(60)

    def verdict(self, tick: dict[str, Any]) -> str:
        return str(tick["decisions"][0]["verdict"]) if tick["decisions"] else "unread"

    def outcomes(self, tick: dict[str, Any]) -> list[str]:
        return [acted["outcome"] for acted in tick["acted"]]

    def said(self, tick: dict[str, Any]) -> list[str]:
        return [f"{acted['outcome']}: {acted['text']}" for acted in tick["acted"]]

    def kinds(self, tick: dict[str, Any]) -> list[str]:
        return [alert["kind"] for alert in tick["alerts"]]


def price(arena: Arena, answer: int) -> None:
    """Let the feed of ETH answer so."""
    feed = Address(arena.world.description["feeds"]["WETH"]["address"])
    send(arena, feed, data_of("set(int256)", answer))


def send(arena: Arena, to: Address, data: bytes, *, sender: Address | None = None) -> None:
    """Send as anybody in a block of its own; as the operator, who may do everything in this world, when left out."""
    sent = offer(arena, to, data, sender=sender)
    arena.anvil.rpc("evm_mine")
    assert int(arena.anvil.rpc("eth_getTransactionReceipt", sent)["status"], 16) == 1


def offer(arena: Arena, to: Address, data: bytes, *, sender: Address | None = None, fee: int | None = None) -> str:
    """Hand over a transaction for the next block, and return its hash; who offers a higher fee is included earlier."""
    who = sender or Address(arena.world.description["operators"][0]["address"])
    arena.anvil.rpc("anvil_impersonateAccount", who)
    arena.anvil.rpc("anvil_setBalance", who, hex(10**24))
    fields = {"from": who, "to": to, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
    if fee is not None:
        fields |= {"maxFeePerGas": hex(fee), "maxPriorityFeePerGas": hex(0)}
    return str(arena.anvil.rpc("eth_sendTransaction", fields))


def data_of(signature: str, *words: Any) -> bytes:
    """Return calldata."""
    types = signature[signature.index("(") + 1 : -1]
    return keccak(signature.encode())[:4] + encode(_split(types), list(words))


def _split(types: str) -> list[str]:
    """Return the parts between the commas that are in no brackets."""
    parts, depth = [""], 0
    for letter in types:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            parts.append("")
        else:
            parts[-1] += letter
    return [part for part in parts if part]


def deal(arena: Arena, who: Address, symbol: str, amount: int) -> None:
    """Give somebody so much of a token, in base units."""
    arena.anvil.rpc("anvil_dealERC20", who, arena.world.token(symbol), hex(amount))


def ask(arena: Arena, to: Address, data: bytes) -> bytes:
    """Call a contract at the newest block."""
    return bytes.fromhex(arena.anvil.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")[2:])


def configure(arena: Arena, signature: str, *words: Any) -> None:
    """Call the market's configurator as governance does."""
    where = Address(arena.world.description["markets"]["main"]["addresses_provider"])
    found = ask(arena, where, data_of("getPoolConfigurator()"))
    send(arena, Address("0x" + found[-20:].hex()), data_of(signature, *words))


def equip(arena: Arena) -> None:
    """Give somebody plenty of WETH and USDC, which router and market may take."""
    for symbol in ("WETH", "USDC"):
        deal(arena, SOMEBODY, symbol, 10**30)
        for spender in (router(arena), arena.world.pool("main")):
            allow = data_of("approve(address,uint256)", spender, 2**256 - 1)
            send(arena, arena.world.token(symbol), allow, sender=SOMEBODY)


def router(arena: Arena) -> Address:
    """Return the contract that sales go through."""
    return Address(arena.world.description["uniswap_v3"]["swap_router_02"])


def swap(arena: Arena, sold: str, bought: str, amount: int, *, until: int | None = None) -> bytes:
    """Return a sale of somebody's; it stops where the pool's price, 8 decimals, is `until`."""
    limit = 0 if until is None else isqrt((10**20 << 192) // until)
    tokens = arena.world.token(sold), arena.world.token(bought)
    return data_of(SWAP, (*tokens, FEE, SOMEBODY, amount, 0, limit))


def empty(arena: Arena, symbol: str, *, against: str, left: int) -> None:
    """Let somebody who is equipped borrow all that a reserve has but `left` base units."""
    pool = arena.world.pool("main")
    configure(arena, "setSupplyCap(address,uint256)", arena.world.token(against), 0)
    configure(arena, "setBorrowCap(address,uint256)", arena.world.token(symbol), 0)
    supply = data_of("supply(address,uint256,address,uint16)", arena.world.token(against), 10**28, SOMEBODY, 0)
    send(arena, pool, supply, sender=SOMEBODY)
    cash = int.from_bytes(ask(arena, pool, data_of("getVirtualUnderlyingBalance(address)", arena.world.token(symbol))))
    words = (arena.world.token(symbol), cash - left, 2, 0, SOMEBODY)
    send(arena, pool, data_of("borrow(address,uint256,uint256,uint16,address)", *words), sender=SOMEBODY)


def levered(arena: Arena) -> bool:
    """Tell whether anything was borrowed since the trial began."""
    wanted = {"address": arena.world.pool("main"), "fromBlock": hex(arena.started_at + 1), "topics": [LEVERED]}
    return bool(arena.anvil.rpc("eth_getLogs", wanted))


def until_calm(guard: Guard, *, between: Callable[[], None] = lambda: None) -> list[dict[str, Any]]:
    """Look again until nothing fires, a few times at the most; `between` is called after each look."""
    ticks: list[dict[str, Any]] = []
    while len(ticks) < MOST_TICKS:
        ticks.append(guard.look())
        if guard.verdict(ticks[-1]) == "nothing":
            break
        between()
    return ticks
