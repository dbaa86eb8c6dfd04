"""Where trials take place: a local chain whose blocks come when the harness says, proxies, a signer, and processes."""

from __future__ import annotations

import json
import shutil
import tomllib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from eth_account import Account

from defilev.journal import Place, open_for_reading, open_journal
from tests.chaos.chain import TARGET, TRIGGER, Chain
from tests.chaos.faultproxy import FaultProxy
from tests.chaos.job import Job
from tests.chaos.poolproxy import GethPool
from tests.chaos.upstream import Anvil
from tests.chaos.zygote import Zygote
from tests.support.signing import PolicyToken, SignerProcess, policy_text, signer_folder, start_signer
from tests.support.world import ROOT, World

__all__ = ["GWEI", "Arena", "arena_on"]

WHO = "comfortable"
GWEI = 10**9
BASE_FEE = 2 * GWEI
WALLET_USDC = 20_000 * 10**6
UNUSED_NONCES = 20
"""Between the last nonce that the signer signed for and the first of a trial."""

TRIALS_PER_SIGNER = 100
LIMITS = {"fee_per_gas_gwei": "2000", "transaction_cost_eth": "0.5"}
TOKENS = ROOT / "scripts" / "world.d" / "data" / "tokens.toml"


@dataclass
class Arena(Chain):
    """One chain and everything around it, for one trial at a time; `number` is the trial's.

    `first`, `second` and `third` are endpoints of the chain, `key` is the owner's. `signed_before` counts the
    signatures that were given before the trial.
    """

    first: FaultProxy
    second: FaultProxy
    third: FaultProxy
    zygote: Zygote
    folder: Path
    key: bytes
    snapshot: str = ""
    number: int = 0
    signed_before: int = 0
    _signer: SignerProcess | None = None
    _other: SignerProcess | None = None

    def begin(self, *, in_steps: bool = False) -> None:
        """Put everything back to how it was, under nonces that nobody signed for yet.

        `in_steps` empties the wallet, so that collateral must be sold.
        """
        self.number += 1
        self.halted.clear()
        self.trust()
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
        self.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))  # a revert leaves the last one
        self.anvil.rpc("evm_mine")
        self.started_at = self.head()
        self.signed_before = self.signatures()
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

    def trust(self) -> None:
        """Let no endpoint fail any more."""
        for proxy in (self.first, self.second, self.third):
            proxy.inject()

    def nodes(self, count: int) -> tuple[str, ...]:
        """Return the URLs of so many endpoints, each of which fails by rules of its own."""
        return tuple(proxy.url for proxy in (self.first, self.second, self.third)[:count])

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

    def signatures(self) -> int:
        """Return how many signatures the signer has given."""
        return self.signer.log.read_text().count(" signed nonce ")

    def denials(self) -> int:
        """Return how many signatures the signer has refused."""
        return self.signer.log.read_text().count(" denied: ")

    def written(self) -> list[dict[str, Any]]:
        """Return all that the trial's journal has, run by run."""
        journal = open_for_reading(Place(self.journal))
        assert journal is not None
        with journal:
            return [journal.run(run["id"]) for run in journal.runs()]

    def log(self) -> str:
        """Return what the trial's processes said."""
        path = Path(self.job().log)
        return path.read_text(errors="replace") if path.exists() else ""

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
        folder = signer_folder(self.folder / name, key=self.key, policy=_policy(self.world))
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
        first, second, third = (stack.enter_context(FaultProxy(pool)) for _ in range(3))
        arena = Arena(world, anvil, pool, world.account(WHO), first, second, third, zygote, folder, key)
        stack.callback(arena.stop_signers)
        before = anvil.rpc("evm_snapshot")
        arena.prepare()
        try:
            yield arena
        finally:
            arena.trust()
            pool.forget()
            anvil.rpc("evm_revert", before)
            anvil.rpc("evm_setAutomine", True)
            anvil.hang_up()


def _policy(world: World) -> str:
    entries = tomllib.loads(TOKENS.read_text())["token"]
    tokens = [
        PolicyToken(entry["symbol"], world.token(entry["symbol"]), entry["decimals"], entry["price"])
        for entry in entries
    ]
    return policy_text(
        chain_id=world.chain_id,
        owner=world.account(WHO),
        pool=world.pool("main"),
        router=world.description["uniswap_v3"]["swap_router_02"],
        tokens=tokens,
        limits=LIMITS,
    )
