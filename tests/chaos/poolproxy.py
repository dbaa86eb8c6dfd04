"""A pool of transactions as geth keeps it, in front of anvil, which keeps its own differently.

Anvil takes a replacement that offers one wei more, refuses a transaction below the base fee, evicts one when the base
fee rises above it, and forgets what a reorganisation takes out of the chain. Geth asks ten per cent more on both fee
fields, keeps what it cannot include yet, and takes back what a reorganisation returned.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from defilev.execute.transaction import decode_signed
from tests.chaos.upstream import Anvil, envelope, failure

__all__ = ["BUMP_PERCENT", "GethPool", "Held"]

BUMP_PERCENT = 10
_CODE = -32000


@dataclass(frozen=True)
class Held:
    """A transaction that the pool has seen; fees in wei per gas."""

    hash: str
    raw: str
    sender: str
    nonce: int
    fee: int
    tip: int

    @property
    def key(self) -> tuple[str, int]:
        """What at most one transaction can use."""
        return self.sender, self.nonce

    def may_replace(self, other: Held) -> bool:
        """Tell whether it offers ten per cent more on both fee fields, rounded as geth does."""
        return all(
            new > old and new >= old * (100 + BUMP_PERCENT) // 100
            for new, old in ((self.fee, other.fee), (self.tip, other.tip))
        )


@dataclass
class GethPool:
    """Answers for anvil. The harness mines through it, and tells it of reorganisations.

    `refused` are replacements that the ten per cent rule refused, `sent` the hashes of what was handed over, in order,
    `passed_over` those that no block takes.
    `on_taken` hears of each transaction that is taken, before a block can include it.
    `keeps_reorged` says whether a reorganisation's transactions return; `False` is anvil's own way.
    """

    anvil: Anvil
    keeps_reorged: bool = True
    waiting: dict[tuple[str, int], Held] = field(default_factory=dict)
    included: dict[str, Held] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    passed_over: set[str] = field(default_factory=set)
    on_taken: Callable[[Held], None] | None = None

    def __post_init__(self) -> None:
        self._lock = threading.RLock()

    @contextmanager
    def still(self) -> Iterator[None]:
        """Let no block and no transaction come meanwhile."""
        with self._lock:
            yield

    def mine(self) -> None:
        """Mine a block, and do with what waits as geth does."""
        with self._lock:
            self.anvil.rpc("evm_mine")
            self.after_block()

    def answer(self, request: dict[str, Any]) -> bytes:
        """Return the response to `request`."""
        with self._lock:  # no block comes in the midst of an answer
            match request["method"]:
                case "eth_sendRawTransaction":
                    return self._take(request)
                case "eth_getTransactionByHash":
                    return self._shown(request)
                case "eth_getTransactionCount" if request["params"][-1] == "pending":
                    return envelope(request, hex(self._pending(request["params"][0])))
            return self.anvil.answer(request)

    def hang_up(self) -> None:
        """Close what the calling thread has open."""
        self.anvil.hang_up()

    def forget(self) -> None:
        """Begin anew, with an empty pool."""
        with self._lock:
            self.anvil.rpc("anvil_dropAllTransactions")
            self.on_taken = None
            for known in (self.waiting, self.included, self.refused, self.sent, self.passed_over):
                known.clear()

    def evict(self, transaction: str) -> bool:
        """Lose a transaction; tell whether it was there."""
        with self._lock:
            found = [held for held in self.waiting.values() if held.hash == transaction]
            for held in found:
                del self.waiting[held.key]
                self.anvil.rpc("anvil_dropTransaction", held.hash)
            return bool(found)

    def pass_over(self, transaction: str) -> None:
        """Keep a transaction out of every block, as one that pays too little tip."""
        with self._lock:
            self.passed_over.add(transaction)
            self.anvil.rpc("anvil_dropTransaction", transaction)

    def after_block(self) -> None:
        """Take note of what was included, and offer anvil again what it has evicted and what can be paid now."""
        with self._lock:
            for held in list(self.waiting.values()):
                if self._receipt(held.hash) is not None:
                    self.included[held.hash] = self.waiting.pop(held.key)
                elif self._nonce(held.sender) > held.nonce:
                    del self.waiting[held.key]
            self._offer(self.waiting.values())

    def after_reorg(self) -> None:
        """Take back what is no longer included, lowest nonce first."""
        with self._lock:
            for held in sorted(self.included.values(), key=lambda held: held.nonce):
                if self._receipt(held.hash) is None:
                    del self.included[held.hash]
                    if self.keeps_reorged and self._nonce(held.sender) <= held.nonce:
                        self.waiting[held.key] = held
            self._offer(self.waiting.values())

    def _take(self, request: dict[str, Any]) -> bytes:
        held = _held(request["params"][0])
        self.sent.append(held.hash)
        other = self.waiting.get(held.key)
        if other is not None and other.hash == held.hash:
            return failure(request, _CODE, "already known")
        if self._nonce(held.sender) > held.nonce:
            return failure(
                request, _CODE, f"nonce too low: next nonce {self._nonce(held.sender)}, tx nonce {held.nonce}"
            )
        if other is not None and not held.may_replace(other):
            self.refused.append(held.hash)
            return failure(request, _CODE, "replacement transaction underpriced")
        answer = json.loads(self.anvil.answer(request))
        if "error" in answer and not _waits(str(answer["error"].get("message", ""))):
            return failure(request, int(answer["error"]["code"]), str(answer["error"]["message"]))
        self.waiting[held.key] = held
        if self.on_taken is not None:
            self.on_taken(held)
        return envelope(request, held.hash)

    def _shown(self, request: dict[str, Any]) -> bytes:
        answer = self.anvil.answer(request)
        if json.loads(answer).get("result") is not None:
            return answer
        found = next((held for held in self.waiting.values() if held.hash == request["params"][0]), None)
        return answer if found is None else envelope(request, _pending_transaction(found))

    def _pending(self, sender: str) -> int:
        nonce = self._nonce(sender)
        with self._lock:
            while (sender.lower(), nonce) in self.waiting:
                nonce += 1
        return nonce

    def _offer(self, held: Iterable[Held]) -> None:
        """Hand to anvil what it does not have; what it refuses for its fee waits."""
        for each in sorted(held, key=lambda held: held.nonce):
            is_there = self.anvil.rpc("eth_getTransactionByHash", each.hash) is not None
            if not is_there and each.hash not in self.passed_over:
                self.anvil.answer({"jsonrpc": "2.0", "id": 1, "method": "eth_sendRawTransaction", "params": [each.raw]})

    def _receipt(self, transaction: str) -> Any:
        return self.anvil.rpc("eth_getTransactionReceipt", transaction)

    def _nonce(self, sender: str) -> int:
        return int(self.anvil.rpc("eth_getTransactionCount", sender, "latest"), 16)


def _held(raw: str) -> Held:
    signed = decode_signed(bytes.fromhex(raw[2:]))
    fields = signed.fields
    sender = signed.sender().lower()
    return Held(signed.hash, raw, sender, fields.nonce, fields.max_fee_per_gas, fields.max_priority_fee_per_gas)


def _waits(message: str) -> bool:
    """Tell whether geth would keep what anvil refuses with this message."""
    return "less than block base fee" in message or "already imported" in message


def _pending_transaction(held: Held) -> dict[str, Any]:
    return {"hash": held.hash, "blockNumber": None, "blockHash": None, "from": held.sender, "nonce": hex(held.nonce)}
