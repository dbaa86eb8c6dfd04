"""The chain of a trial: blocks come when the harness says, and what happened is read from them."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from defilev.abi import interface, keccak
from defilev.model.request import Address
from tests.chaos.poolproxy import GethPool
from tests.chaos.upstream import Anvil
from tests.support.world import World

__all__ = ["BLOCK_SECONDS", "TARGET", "TRIGGER", "Chain", "Truth"]

BLOCK_SECONDS = 0.25
"""Between two blocks, on the wall's clock; on the chain's there are 12."""

TRIGGER, TARGET = "2.2", "2.3"
"""The account's health factor is 2.075: it must be brought to the target."""

TOO_FAR = 0.02
"""Health factor beyond the target that a plan never leads to: what is got may lie 0.01 above it."""

REPAY = "0x" + keccak(b"Repay(address,address,address,uint256,bool)").hex()
WITHDRAW = "0x" + keccak(b"Withdraw(address,address,address,uint256)").hex()


@dataclass(frozen=True)
class Truth:
    """What the chain says of a trial.

    `repaid` and `withdrawn` count the pool's events, `repeated` the calls that were included twice, byte for byte;
    approvals are not among them.
    """

    repaid: int
    withdrawn: int
    repeated: int
    health_factor: float
    nonces_used: int

    @property
    def is_duplicate(self) -> bool:
        """Whether something happened again: the same call, or more than the target asks for."""
        return self.repeated > 0 or self.health_factor > float(TARGET) + TOO_FAR

    @property
    def is_missed(self) -> bool:
        """Whether the account is still below its trigger."""
        return self.health_factor < float(TRIGGER)


@dataclass
class Chain:
    """A local chain, behind a pool as geth keeps it.

    `started_at` is the block before a trial's first, `first_nonce` the owner's next one then. While `halted` is set no
    block comes.
    """

    world: World
    anvil: Anvil
    pool: GethPool
    owner: Address
    started_at: int = field(default=0, kw_only=True)
    first_nonce: int = field(default=0, kw_only=True)
    halted: threading.Event = field(default_factory=threading.Event, kw_only=True)

    def head(self) -> int:
        """Return the newest block's number."""
        return int(self.anvil.rpc("eth_blockNumber"), 16)

    def timestamp(self, block: str) -> int:
        """Return a block's time on the chain's clock."""
        return int(self.anvil.rpc("eth_getBlockByNumber", block, False)["timestamp"], 16)

    def nonce(self) -> int:
        """Return how many of the owner's transactions are included."""
        return int(self.anvil.rpc("eth_getTransactionCount", self.owner, "latest"), 16)

    def mine(self, blocks: int = 1) -> None:
        """Mine blocks, as a chain with geth's pool would."""
        for _ in range(blocks):
            self.pool.mine()

    def spike(self, factor: int) -> None:
        """Multiply the base fee of the next block; it falls by an eighth with each empty block after it."""
        base = int(self.anvil.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(base * factor))

    def reorganise(self, depth: int, pairs: Sequence[tuple[str, int]] = ()) -> None:
        """Replace the newest blocks by others, with these transactions, each at its place among the new blocks."""
        with self.pool.still():
            self.anvil.rpc("anvil_reorg", depth, [list(pair) for pair in pairs])
            self.pool.after_reorg()

    @contextmanager
    def mining(self, every: float = BLOCK_SECONDS) -> Iterator[None]:
        """Mine a block now and then in the background."""
        stop = threading.Event()

        def work() -> None:
            due = time.monotonic() + every
            while not stop.wait(max(due - time.monotonic(), 0)):
                if not self.halted.is_set():
                    self.mine()
                due += every
            self.anvil.hang_up()

        miner = threading.Thread(target=work)
        miner.start()
        try:
            yield
        finally:
            stop.set()
            miner.join()

    def truth(self) -> Truth:
        """Return what happened since the trial began, once everything that can land has landed."""
        for _ in range(8):
            self.mine()
            if not self.pool.waiting:
                break
        topics = [[REPAY, WITHDRAW], None, "0x" + self.owner[2:].lower().rjust(64, "0")]
        wanted = {"address": self.world.pool("main"), "fromBlock": hex(self.started_at + 1), "topics": topics}
        names = [log["topics"][0] for log in self.anvil.rpc("eth_getLogs", wanted)]
        return Truth(
            repaid=names.count(REPAY),
            withdrawn=names.count(WITHDRAW),
            repeated=self._repeated(),
            health_factor=self.health_factor(),
            nonces_used=self.nonce() - self.first_nonce,
        )

    def included_at(self, nonce: int) -> int:
        """Return the block that included the owner's transaction of a nonce, 0 when none did."""
        return next((number for number, sent in self._sent() if int(sent["nonce"], 16) == nonce), 0)

    def reverted(self) -> list[str]:
        """Return the owner's transactions of this trial that were included and failed."""
        return [receipt["transactionHash"] for receipt in self.receipts() if receipt["status"] != "0x1"]

    def receipts(self) -> list[dict[str, Any]]:
        """Return the receipts of the owner's transactions of this trial, in their order."""
        return [self.anvil.rpc("eth_getTransactionReceipt", sent["hash"]) for _, sent in self._sent()]

    def _sent(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield the owner's transactions of this trial, each with its block's number."""
        for number in range(self.started_at + 1, self.head() + 1):
            for sent in self.anvil.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if sent["from"] == self.owner.lower():
                    yield number, sent

    def _repeated(self) -> int:
        """Return how many calls of the owner to pool and router are in the trial's blocks a second time."""
        tokens = {str(token["address"]).lower() for token in self.world.description["tokens"].values()}
        seen: Counter[tuple[str, str]] = Counter()
        for _, sent in self._sent():
            if sent["to"] not in (*tokens, self.owner.lower()):
                seen[sent["to"], sent["input"]] += 1
        return sum(count - 1 for count in seen.values())

    def health_factor(self) -> float:
        """Return the contract's own figure."""
        figures = interface("aave_v3_pool")["getUserAccountData"]
        asked = {"to": self.world.pool("main"), "data": "0x" + figures.encode(self.owner).hex()}
        return figures.decode(bytes.fromhex(self.anvil.rpc("eth_call", asked, "latest")[2:]))[5] / 1e18

    def set_price(self, symbol: str, dollars: int) -> None:
        """Set what a feed answers from the next block on, 8 decimals."""
        feed = self.world.description["feeds"][symbol]["address"]
        self.anvil.rpc("anvil_setStorageAt", feed, "0x0", f"0x{dollars * 10**8:064x}")
