"""What `defilev doctor` asks of the nodes. Reads only."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from defilev.cli.checks import Check
from defilev.errors import DefilevError, UnknownName

if TYPE_CHECKING:
    from defilev.chain.endpoints import Endpoints
    from defilev.chain.node import Node
    from defilev.cli.endpoint_checks import Seen
    from defilev.config.settings import Settings
    from defilev.model.request import Block

__all__ = ["NodeFindings", "node_checks"]

_OLD_HEAD = 600
_CLOCK_BEHIND = 30
_OTHER_NODE = "set DEFILEV_RPC_URL, or --rpc-url, to another node"


@dataclass(frozen=True, slots=True)
class NodeFindings:
    """What came of asking the nodes: the checks in their order, and each node by itself."""

    checks: tuple[Check, ...]
    nodes: tuple[Seen, ...] = ()


def node_checks(settings: Settings) -> NodeFindings:
    """Return a check of each thing that is needed of the nodes, up to where nothing more can be asked."""
    from defilev.cli.endpoint_checks import agreement_checks, look_at
    from defilev.pipeline.session import endpoints_of

    if not settings.rpc_url:
        return NodeFindings((Check("rpc", "problem", "no node is set", "set DEFILEV_RPC_URL, or give --rpc-url URL"),))
    try:
        endpoints = endpoints_of(settings)
    except DefilevError as error:
        return NodeFindings((Check("rpc", "problem", error.fact, error.fix),))
    with endpoints:
        seen, agreement = look_at(endpoints)
        checks = tuple(agreement_checks(seen, agreement))
        return NodeFindings((*checks, *_of_the_best(endpoints, seen, settings)), tuple(seen))


def _of_the_best(endpoints: Endpoints, seen: Sequence[Seen], settings: Settings) -> Iterator[Check]:
    """Yield what is needed of the chain, asked through the nodes that agree, or the only one that answers."""
    answering = [one for one in seen if one.head and one.agrees is not False]
    newest = max(answering, key=lambda one: one.head.number if one.head else -1, default=None)
    if newest is None or newest.chain_id is None or newest.head is None:
        return
    if len({(one.chain_id, one.genesis) for one in answering}) > 1:
        return
    node = endpoints.only([one.endpoint.name for one in answering]).node
    yield _head(newest.head, is_test_node="anvil" in (newest.client or "").lower())
    yield _simulation(node)
    yield from _book_checks(node, newest.chain_id, newest.head, settings)


def _head(head: Block, *, is_test_node: bool) -> Check:
    age = int(time.time()) - head.timestamp
    text = f"head {head.number}, {age} s old"
    if is_test_node:
        return Check("clock", "ok", f"head {head.number}; a test node keeps its own time")
    if age > _OLD_HEAD:
        return Check("clock", "problem", f"head {head.number} is {age // 60} min old", _OTHER_NODE)
    if age < -_CLOCK_BEHIND:
        return Check("clock", "problem", f"this machine is {-age} s behind the chain", "set this machine's clock")
    return Check("clock", "ok", text)


def _simulation(node: Node) -> Check:
    try:
        has_simulate = node.supports_simulate_v1()
    except DefilevError as error:
        return Check("simulation", "warning", f"the node's answer to eth_simulateV1 is unusable: {error.fact}")
    text = "eth_simulateV1" if has_simulate else "no eth_simulateV1: plans are tried on an anvil fork"
    return Check("simulation", "ok", text)


def _book_checks(node: Node, chain_id: int, head: Block, settings: Settings) -> Iterator[Check]:
    from defilev.cli.contract_checks import contract_checks
    from defilev.config.address_book import load_address_book

    try:
        book = load_address_book(settings.chain or chain_id, extra=settings.address_book)
    except UnknownName as error:
        yield Check("chain", "problem", f"the node is of chain {chain_id}: {error.fact}", error.fix)
        return
    if book.chain_id != chain_id:
        text = f"the node is of chain {chain_id}, not of {book.chain_name} ({book.chain_id})"
        yield Check("chain", "problem", text, "set --rpc-url to a node of that chain, or --chain to the node's chain")
        return
    yield Check("chain", "ok", f"{book.chain_name} ({chain_id})  {', '.join(book.sources)}")
    yield from contract_checks(node, book, head)
