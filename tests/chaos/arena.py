"""Where trials take place: a local chain whose blocks come when the harness says, proxies, a signer, and processes."""

from __future__ import annotations

import json
import shutil
import threading
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from eth_account import Account

from defilev.abi import interface, keccak
from defilev.journal import Place, open_journal
from defilev.model.request import Address
from tests.chaos.faultproxy import FaultProxy
from tests.chaos.job import Job
from tests.chaos.poolproxy import GethPool
from tests.chaos.upstream import Anvil
from tests.chaos.zygote import Zygote
from tests.support.signing import PolicyToken, SignerProcess, policy_text, signer_folder, start_signer
from tests.support.world import ROOT, World

__all__ = ["BLOCK_SECONDS", "WHO", "Arena", "Truth", "arena_on"]

WHO = "comfortable"
BLOCK_SECONDS = 0.25
"""Between two blocks, on the wall's clock; on the chain's there are 12."""

GWEI = 10**9
TRIGGER, TARGET = "2.2", "2.3"
"""The account's health factor is 2.075: it must be brought to the target."""

TOO_FAR = 0.02
"""Health factor beyond the target that a plan never leads to: what is got may lie 0.01 above it."""

WALLET_USDC = 20_000 * 10**6
UNUSED_NONCES = 20
"""Between the last nonce that the signer signed for and the first of a trial."""

TRIALS_PER_SIGNER = 100
TOKENS = ROOT / "scripts" / "world.d" / "data" / "tokens.toml"
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
class Arena:
    """One chain and everything around it, for one trial at a time; `number` is the trial's."""

    world: World
    anvil: Anvil
    pool: GethPool
    first: FaultProxy
    second: FaultProxy
    zygote: Zygote
    folder: Path
    key: bytes
    owner: Address
    snapshot: str = ""
    number: int = 0
    started_at: int = 0
    first_nonce: int = 0
    _signer: SignerProcess | None = None
    _other: SignerProcess | None = None
    mined: threading.Event = field(default_factory=threading.Event)

    def begin(self, *, in_steps: bool = False) -> None:
        """Put everything back to how it was, under nonces that nobody signed for yet.

        `in_steps` empties the wallet, so that collateral must be sold.
        """
        self.number += 1
        self.first.inject()
        self.second.inject()
        self.anvil.rpc("evm_revert", self.snapshot)
        self.snapshot = self.anvil.rpc("evm_snapshot")
        self.pool.keeps_reorged = True
        self.pool.forget()
        if self.number % TRIALS_PER_SIGNER == 0:
            self.renew_signer()
        last = self.signer.ask({"do": "status"})["last_nonce"]
        self.first_nonce = (last or 0) + UNUSED_NONCES
        self.anvil.rpc("anvil_setNonce", self.owner, hex(self.first_nonce))
        if in_steps:
            self.anvil.rpc("anvil_dealERC20", self.owner, self.world.token("USDC"), hex(0))
        self.anvil.rpc("evm_mine")
        self.started_at = self.head()
        shutil.copytree(self.folder / "blank", self.journal.parent)

    def job(self, **change: object) -> Job:
        """Return the job of a process of this trial."""
        usual = Job(
            role="defilev",
            rpc_urls=(self.first.url,),
            address_book=str(self.world.address_book),
            owner=self.owner,
            places={"pool": self.world.pool("main"), "token": self.world.token("USDC")},
            trigger=TRIGGER,
            target=TARGET,
            journal=str(self.journal),
            signer=str(self.signer.socket),
            keystore=str(self.signer.folder / "keys" / "key"),
            log=str(self.folder / f"trial-{self.number}.log"),
        )
        return replace(usual, **change)  # type: ignore[arg-type]

    @property
    def journal(self) -> Path:
        """The trial's journal."""
        return self.folder / f"trial-{self.number}" / "journal.db"

    @property
    def signer(self) -> SignerProcess:
        """The signer that serves."""
        assert self._signer is not None
        return self._signer

    @property
    def signers(self) -> int:
        """Which signer serves: they are renewed before their memory is long."""
        return self.number // TRIALS_PER_SIGNER

    def head(self) -> int:
        """Return the newest block's number."""
        return int(self.anvil.rpc("eth_blockNumber"), 16)

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
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(max(base, GWEI) * factor))

    def reorganise(self, depth: int, pairs: Sequence[tuple[str, int]] = ()) -> None:
        """Replace the newest blocks by others, with these transactions, each at its place among the new blocks."""
        self.anvil.rpc("anvil_reorg", depth, [list(pair) for pair in pairs])
        self.pool.after_reorg()

    @contextmanager
    def mining(self, every: float = BLOCK_SECONDS) -> Iterator[None]:
        """Mine a block now and then in the background."""
        stop = threading.Event()

        def work() -> None:
            due = time.monotonic() + every
            while not stop.wait(max(due - time.monotonic(), 0)):
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

    def _repeated(self) -> int:
        """Return how many calls of the owner to pool and router are in the trial's blocks a second time."""
        tokens = {str(token["address"]).lower() for token in self.world.description["tokens"].values()}
        seen: Counter[tuple[str, str]] = Counter()
        for number in range(self.started_at + 1, self.head() + 1):
            for sent in self.anvil.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
                if sent["from"] == self.owner.lower() and sent["to"] not in (*tokens, self.owner.lower()):
                    seen[sent["to"], sent["input"]] += 1
        return sum(count - 1 for count in seen.values())

    def health_factor(self) -> float:
        """Return the contract's own figure."""
        figures = interface("aave_v3_pool")["getUserAccountData"]
        asked = {"to": self.world.pool("main"), "data": "0x" + figures.encode(self.owner).hex()}
        return figures.decode(bytes.fromhex(self.anvil.rpc("eth_call", asked, "latest")[2:]))[5] / 1e18

    def renew_signer(self) -> None:
        """Start a signer with an empty memory, in place of the one that serves."""
        self.stop_signers()
        self._signer = self._serve(f"signer-{self.signers}")

    @property
    def other_signer(self) -> SignerProcess:
        """A new signer of the same key with a memory of its own, as on another host."""
        if self._other is not None:
            self._other.stop()
        self._other = self._serve(f"elsewhere-{self.number}")
        return self._other

    def stop_signers(self) -> None:
        """End the signers that serve."""
        for signer in (self._signer, self._other):
            if signer is not None:
                signer.stop()
        self._signer = self._other = None

    def _serve(self, name: str) -> SignerProcess:
        folder = signer_folder(self.folder / name, key=self.key, policy=_policy(self.world, self.owner))
        return start_signer(folder)

    def prepare(self) -> None:
        """Give the owner a reserve of the debt asset, and take the chain's clock into the harness's hands."""
        self.anvil.rpc("anvil_dealERC20", self.owner, self.world.token("USDC"), hex(WALLET_USDC))
        self.anvil.rpc("evm_setAutomine", False)
        self.anvil.rpc("evm_mine")
        self.snapshot = self.anvil.rpc("evm_snapshot")
        self.renew_signer()
        open_journal(Place(self.folder / "blank" / "journal.db")).close()


@contextmanager
def arena_on(world: World, folder: Path) -> Iterator[Arena]:
    """Surround a running local chain; it is left with automatic mining."""
    anvil = Anvil(world.rpc_url)
    pool = GethPool(anvil)
    keystore, password_file = world.credentials(WHO)
    key = bytes(Account.decrypt(json.loads(keystore.read_text()), password_file.read_text().strip()))
    zygote = Zygote(log=folder / "zygote.log")
    with ExitStack() as stack:
        stack.callback(zygote.close)
        first, second = (stack.enter_context(FaultProxy(pool)) for _ in range(2))
        arena = Arena(world, anvil, pool, first, second, zygote, folder, key, world.account(WHO))
        stack.callback(arena.stop_signers)
        before = anvil.rpc("evm_snapshot")
        arena.prepare()
        try:
            yield arena
        finally:
            first.inject()
            second.inject()
            pool.forget()
            anvil.rpc("evm_revert", before)
            anvil.rpc("evm_setAutomine", True)
            anvil.hang_up()


def _policy(world: World, owner: Address) -> str:
    entries = tomllib.loads(TOKENS.read_text())["token"]
    tokens = [
        PolicyToken(entry["symbol"], world.token(entry["symbol"]), entry["decimals"], entry["price"])
        for entry in entries
    ]
    router = world.description["uniswap_v3"]["swap_router_02"]
    places = {"chain_id": world.chain_id, "owner": owner, "pool": world.pool("main"), "router": router}
    return policy_text(**places, tokens=tokens)
