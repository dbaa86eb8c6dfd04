"""The endpoints of one chain: one view over all for reading, and each by itself for what must be agreed on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Generic, Self, TypeVar, cast

from defilev.chain.endpoint import Budget, Endpoint, Identity
from defilev.chain.failover import Failover, ranked
from defilev.chain.node import Node, Watermark
from defilev.chain.transport import HttpTransport
from defilev.errors import BlockUnavailable, ConfigurationError, DataError, EndpointsDisagree, WrongChain
from defilev.model.request import Block

__all__ = ["Endpoints", "Heads", "Known", "Said", "ask_all", "is_stale", "open_endpoints", "open_relay"]

LAG_BLOCKS = 3
LAG_SECONDS = 36
"""A head that is behind the newest by more than both is not believed: 3 blocks of Ethereum, more of faster chains."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Said(Generic[T]):
    """What one endpoint said: `answer`, or why there is none."""

    endpoint: Endpoint
    answer: T | None
    error: DataError | None

    @property
    def value(self) -> T:
        """The answer, which may be `None` where that is one; raises the error when there is none."""
        if self.error is not None:
            raise self.error
        return cast("T", self.answer)


@dataclass(frozen=True, slots=True)
class Heads:
    """What each endpoint said that its newest block is, the newest of all, and those that are up to date, by name.

    `newest` is `None` when none answered.
    """

    said: Sequence[Said[Block]]
    newest: Block | None
    fresh: Mapping[str, Block]


@dataclass(slots=True)
class Known:
    """What was found out about the chain: which it is, and how far it had come, in one view and by agreement."""

    identity: Identity | None = None
    watermark: Watermark = field(default_factory=Watermark)
    agreed_height: int = 0


class Endpoints:
    """Some endpoints of one chain, in the order in which they were named; at least one.

    `node` is what reads go through. With one endpoint it is that endpoint's own, with several it fails over between
    them, and believes no newest block that lies behind those that any of them has shown. `whole` has the endpoints that
    these were chosen from.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        budget: Budget | None = None,
        sleep: Callable[[float], None] = time.sleep,
        known: Known | None = None,
        whole: Endpoints | None = None,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self.whole = whole or self
        self._budget = budget or Budget()
        self._sleep = sleep
        self.known = known or Known()
        self.node = self._endpoints[0].node if len(self._endpoints) == 1 else self._pooled()

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints)

    def __len__(self) -> int:
        return len(self._endpoints)

    @property
    def names(self) -> tuple[str, ...]:
        """The names, in order."""
        return tuple(endpoint.name for endpoint in self._endpoints)

    def ranked(self) -> list[Endpoint]:
        """Return the endpoints, best score first."""
        return ranked(self._endpoints)

    def only(self, names: Collection[str]) -> Endpoints:
        """Return the endpoints of those names alone, with all that is known of them and their chain."""
        chosen = [endpoint for endpoint in self._endpoints if endpoint.name in names]
        return Endpoints(chosen, budget=self._budget, sleep=self._sleep, known=self.known, whole=self.whole)

    def within(self, seconds: float) -> AbstractContextManager[None]:
        """Let no request to any of them begin later than `seconds` from now."""
        return self._budget.within(seconds)

    @property
    def identified(self) -> list[Endpoint]:
        """The endpoints that have said which chain they serve."""
        return [endpoint for endpoint in self._endpoints if endpoint.identity]

    def meet(self) -> Identity:
        """Return the chain that every endpoint that answers serves; the others are asked before they are first used.

        Raises:
            WrongChain: they have different chain ids.
            EndpointsDisagree: they have one chain id, and different genesis blocks.
            RpcError: none answers.
        """
        said = ask_all(self, Endpoint.identify)
        found = {one.endpoint.name: one.value for one in said if one.error is None}
        if not found:
            return said[0].value
        identities = set(found.values())
        if len(identities) > 1:
            _refuse_strangers(found)
        (self.known.identity,) = identities
        return identities.pop()

    def look(self) -> Heads:
        """Return the newest block of each endpoint, and charge those that lag with a failure."""
        said = ask_all(self, lambda endpoint: endpoint.node.block("latest"))
        shown = [one.value for one in said if one.error is None]
        newest = max(shown, key=lambda head: head.number, default=None)
        fresh = {}
        for one in said:
            if one.error is not None or newest is None:
                continue
            if is_stale(one.value, newest=newest):
                one.endpoint.score.failed()
            else:
                fresh[one.endpoint.name] = one.value
        return Heads(said, newest, fresh)

    def forget_claims(self) -> None:
        """Forget how far single nodes said that the chain had come; what was agreed on stays and never goes back."""
        for node in (self.node, *(endpoint.node for endpoint in self.whole)):
            node.forget_head(above=self.known.agreed_height)

    def close(self) -> None:
        """Let go of all connections."""
        for endpoint in self._endpoints:
            endpoint.rpc.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _pooled(self) -> Node:
        requests = Failover(self._endpoints, admit=self._admit, sleep=self._sleep)
        return Node(requests, accept=self._accept, watermark=self.known.watermark)

    def _admit(self, endpoint: Endpoint) -> None:
        if self.known.identity is not None:
            endpoint.require(self.known.identity)

    def _accept(self, head: Block) -> None:
        shown = [endpoint.node.newest for endpoint in self._endpoints]
        newest = max((block for block in shown if block), key=lambda block: block.number, default=head)
        if is_stale(head, newest=newest):
            raise BlockUnavailable(
                f"the node's newest block {head.number} is {newest.number - head.number} blocks behind",
                fix="wait until the node has caught up, or set another --rpc-url",
                newest=newest.number,
            )


def ask_all(endpoints: Sequence[Endpoint] | Endpoints, ask: Callable[[Endpoint], T]) -> list[Said[T]]:
    """Return what each endpoint answers to `ask`, in their order; they are asked at the same time."""

    def said(endpoint: Endpoint) -> Said[T]:
        try:
            return Said(endpoint, ask(endpoint), None)
        except DataError as error:
            return Said(endpoint, None, error)

    if len(endpoints) == 1:
        return [said(endpoint) for endpoint in endpoints]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(len(endpoints)) as threads:
        return list(threads.map(said, endpoints))


def is_stale(head: Block, *, newest: Block) -> bool:
    """Return whether `head` is too far behind `newest` to act on."""
    return newest.number - head.number > LAG_BLOCKS and newest.timestamp - head.timestamp > LAG_SECONDS


def open_endpoints(urls: Sequence[str], *, timeout: float) -> Endpoints:
    """Return the endpoints at `urls`; nothing is asked yet.

    Args:
        timeout: seconds for each answer.

    Raises:
        ConfigurationError: a URL is none, or stands there twice: a node cannot confirm itself.
    """
    budget = Budget()
    transports = [HttpTransport(url, timeout=timeout) for url in urls]
    if len({url.strip() for url in urls}) < len(urls):
        raise ConfigurationError("an RPC URL is given twice", fix="give each node once: it cannot confirm itself")
    names = _distinct([transport.name for transport in transports])
    return Endpoints(
        [
            Endpoint.over(transport, name=name, url=url.strip(), budget=budget)
            for transport, name, url in zip(transports, names, urls, strict=True)
        ],
        budget=budget,
    )


def open_relay(url: str | None, *, timeout: float) -> Endpoint | None:
    """Return a relay that transactions are handed to and that is asked nothing; `None` without a URL."""
    if url is None:
        return None
    transport = HttpTransport(url, timeout=timeout)
    return Endpoint.over(transport, name=f"relay {transport.name}", url=url)


def _distinct(names: Sequence[str]) -> list[str]:
    """Number the names that look alike once their secrets are masked."""
    seen: Counter[str] = Counter()
    distinct = []
    for name in names:
        seen[name] += 1
        distinct.append(f"{name} ({seen[name]})" if names.count(name) > 1 else name)
    return distinct


def _refuse_strangers(found: dict[str, Identity]) -> None:
    ids = {name: identity.chain_id for name, identity in found.items()}
    if len(set(ids.values())) > 1:
        raise WrongChain("the nodes are of different chains", fix="give nodes of one chain with --rpc-url", **ids)
    genesis = {name: identity.genesis for name, identity in found.items()}
    raise EndpointsDisagree(
        f"the nodes have one chain id, {next(iter(ids.values()))}, and different genesis blocks",
        fix="give nodes of one chain with --rpc-url",
        what="genesis",
        **genesis,
    )
