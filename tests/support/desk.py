"""A desk at which one account of the local chain acts, with everything written down in memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from defilev.abi import Transaction
from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints
from defilev.chain.node import Node
from defilev.chain.scoring import Score
from defilev.execute.broadcast import Verify, execute
from defilev.execute.desk import Desk as ActingDesk, Event
from defilev.execute.handing_over import Handed
from defilev.execute.policy import Policy
from defilev.execute.sending import Sending
from defilev.execute.signer import KeystoreSigner
from defilev.execute.transaction import TransactionFields
from defilev.model.account import LendingAccount
from defilev.model.execution import Execution, Remark, SentStep, SignedStep
from defilev.model.plan import Action, Plan, Step
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.protocols import PROTOCOLS
from tests.support.faults import Fault, FaultyTransport
from tests.support.world import World
from tests.unit.policy_cases import Markets, a_plan

__all__ = ["AMOUNT", "Clock", "Desk", "ListLedger", "endpoint_of", "quick", "wait_until"]

AMOUNT = 2 * 10**18


@dataclass
class Clock:
    """Time that passes only while somebody waits."""

    now: float = 0.0
    waits: int = 0
    meanwhile: Callable[[], object] = lambda: None

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.waits += 1
        self.meanwhile()


@dataclass
class Desk:
    """Everything that is needed to act for one account of the world."""

    world: World
    signer: KeystoreSigner
    events: list[SignedStep | SentStep] = field(default_factory=list)
    seen: list[tuple[int, str]] = field(default_factory=list)
    transports: list[FaultyTransport] = field(default_factory=list)
    remarks: list[Remark] = field(default_factory=list)
    told: list[tuple[str, Any]] = field(default_factory=list)

    @property
    def owner(self) -> Address:
        return self.signer.address

    def account(self, block: Block | None = None) -> LendingAccount:
        return self.world.read("main", [self.owner], block=block)[0]

    def token(self, symbol: str) -> Token:
        return next(token for token in self.tokens() if token.symbol == symbol)

    def tokens(self) -> tuple[Token, ...]:
        return PROTOCOLS["aave-v3"].tokens(self.account())

    def policy(self) -> Policy:
        return Policy(self.account(), self.world.pool("main"), self.markets().router, self.tokens(), public_keys=True)

    def markets(self) -> Markets:
        router = Address(self.world.description["uniswap_v3"]["swap_router_02"])
        return Markets(pool=self.world.pool("main"), router=router, owner=self.owner)

    def plan(self, calls: Sequence[tuple[Action, Transaction]] | None = None) -> Plan:
        nonce = self.world.node.nonce(self.owner)
        made = a_plan(calls or self.deleverage(), account=self.account(), nonce=nonce, block=self.world.head())
        return replace(made, expires_at=made.block.timestamp + 10**6)

    def deleverage(self) -> list[tuple[Action, Transaction]]:
        """Sell 2 WETH for at least 99.5 % of the oracle's value, and repay that."""
        weth, usdc, on = self.token("WETH"), self.token("USDC"), self.markets()
        price = {leg.asset.symbol: leg.price.value for leg in self.account().legs}
        minimum = AMOUNT * price["WETH"] * 995 // (price["USDC"] * 1000 * 10**12)
        return [
            on.withdraw(weth, AMOUNT),
            on.approve(weth, on.router, AMOUNT),
            on.swap([(weth, usdc, 500)], AMOUNT, minimum),
            on.approve(usdc, on.pool, minimum),
            on.repay(usdc, minimum),
        ]

    def send(self, plan: Plan, *, verify: Verify | None = None, **change: Any) -> Execution:
        desk = self.acting(**change)
        health = verify or (lambda block: self.account(block).health_factor)
        return execute(plan, desk, verify=health, at=desk.node.block())

    def acting(
        self,
        *,
        node: Node | None = None,
        sending: Sending | None = None,
        record: Callable[[SignedStep | SentStep], None] | None = None,
        on_progress: Callable[[Step, Event], None] | None = None,
        **change: Any,
    ) -> ActingDesk:
        used = node or self.world.node
        arguments: dict[str, Any] = {
            "signer": self.signer,
            "policy": self.policy(),
            "ledger": ListLedger(record or self.events.append, self.told),
            "wanted": lambda step: True,
            "tell": on_progress or self._progress,
            "endpoints": Endpoints([endpoint_of("the node", used)]),
        }
        return ActingDesk(node=used, sending=sending or quick(), **(arguments | change))

    def through(self, **faults: Fault) -> tuple[Node, FaultyTransport]:
        transport = FaultyTransport(self.world.rpc_url, **faults)
        self.transports.append(transport)
        return Node(transport.rpc()), transport

    def settle(self) -> None:
        """Wait for what is in flight: it must not be mined while the state is put back."""
        node = self.world.node
        sent = [event.hash for event in self.events if node.transaction(event.hash) is not None]
        wait_until(lambda: all(node.receipt(known) is not None for known in sent))

    def _progress(self, step: Step, event: Event) -> None:
        self.seen.append((step.index, type(event).__name__))
        if isinstance(event, Remark):
            self.remarks.append(event)


@dataclass
class ListLedger:
    """Keeps what it is told in memory: signatures and receipts as events, everything else by name."""

    record: Callable[[SignedStep | SentStep], None]
    told: list[tuple[str, Any]] = field(default_factory=list)

    def reserve(self, step: Step, fields: TransactionFields, *, at: Block) -> None:
        self.told.append(("reserve", fields.nonce))

    def signed(self, signed: SignedStep, *, purpose: str) -> None:
        self.told.append(("signed", purpose))
        self.record(signed)

    def handed_over(self, transaction: str, handed: Handed) -> None:
        self.told.append(("handed_over", handed.result))

    def included(self, sent: SentStep) -> None:
        self.record(sent)

    def reorganised(self, nonce: int, *, why: str) -> None:
        self.told.append(("reorganised", nonce))

    def confirmed(self, nonce: int, *, depth: int) -> None:
        self.told.append(("confirmed", nonce))

    def foreign(self, nonce: int, *, by: str | None) -> None:
        self.told.append(("foreign", by))


def endpoint_of(name: str, node: Node) -> Endpoint:
    """Return a node under a name."""
    return Endpoint(name, "", node.rpc, node, Score(time.monotonic))  # type: ignore[arg-type]


def quick(clock: Clock | None = None) -> Sending:
    """Wait only as long as a local chain needs, or on a clock of the test."""
    if clock is None:
        return Sending(timeout=10, refused_timeout=0.5, pause=0.01, confirmations=0)
    return Sending(timeout=60, refused_timeout=10, pause=1, confirmations=0, clock=lambda: clock.now, sleep=clock.sleep)


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait up to two seconds for something that the node does."""
    for _ in range(200):
        if holds():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come to hold within 2 s")
