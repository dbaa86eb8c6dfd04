"""One named way to a node: its requests, its own view, how well it has answered, and which chain it serves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from defilev.chain.dialects import may_differ
from defilev.chain.node import Node
from defilev.chain.rpc import Once, Rpc
from defilev.chain.scoring import Score
from defilev.chain.transport import Transport
from defilev.errors import RpcError, RpcTimeout, WrongChain

__all__ = ["Budget", "Endpoint", "Identity"]


@dataclass(frozen=True, slots=True)
class Identity:
    """What tells a chain from others: two may share an id. `genesis` is the hash of block 0."""

    chain_id: int
    genesis: str


class Budget:
    """Seconds that may be spent on asking before it has to end; without end until it is opened."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._until: float | None = None
        self._seconds = 0.0

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let no request begin later than `seconds` from now; one that has begun may end."""
        self._until, self._seconds = self.clock() + seconds, seconds
        try:
            yield
        finally:
            self._until = None

    def require(self) -> None:
        """Raise `RpcTimeout` when nothing is left."""
        if self._until is not None and self.clock() >= self._until:
            raise RpcTimeout(f"the nodes did not answer within {self._seconds:g} s", fix="run `defilev doctor`")


@dataclass(slots=True, eq=False)
class Endpoint:
    """A node under a name that may be shown.

    `rpc` repeats reads as a single node's does; `node` is its view alone. `identity` is `None` until it was asked for.
    """

    name: str
    url: str = field(repr=False)
    rpc: Rpc
    node: Node
    score: Score
    identity: Identity | None = None

    @classmethod
    def over(
        cls,
        transport: Transport,
        *,
        name: str,
        url: str = "",
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> Endpoint:
        """Return the endpoint that `transport` leads to.

        Args:
            url: with its secrets, for those who open connections of their own.
            budget: bounds all that is asked, and has the clock.
        """
        limits = budget or Budget()
        score = Score(limits.clock)
        rpc = Rpc(transport, sleep=sleep, clock=limits.clock, observer=_Watch(score, limits))
        return cls(name, url, rpc, Node(rpc), score)

    def identify(self, *, node: Node | None = None) -> Identity:
        """Return the chain that the node serves, asked for anew, through another view of it where one is given."""
        asked = node or self.node
        self.identity = Identity(asked.chain_id(), asked.block(0).hash)
        return self.identity

    def require(self, expected: Identity) -> None:
        """Raise `WrongChain` unless the node was found to serve that chain; asks, once, one that was never asked."""
        found = self.identity or self.identify(node=Node(Once(self.rpc)))
        if found != expected:
            raise WrongChain(
                f"{self.name} serves another chain than the other nodes",
                fix="leave it out",
                expected=f"chain {expected.chain_id}, genesis {expected.genesis}",
                found=f"chain {found.chain_id}, genesis {found.genesis}",
            )


class _Watch:
    """Scores every attempt, and lets none begin when the time is up."""

    def __init__(self, score: Score, budget: Budget) -> None:
        self._score = score
        self._budget = budget

    def begin(self) -> None:
        self._budget.require()

    def end(self, seconds: float, error: RpcError | None) -> None:
        if error is None or not may_differ(error):
            self._score.answered(seconds)
        else:
            self._score.failed()
