"""What `defilev doctor` asks of the node. Reads only."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from typing import TYPE_CHECKING

from defilev.cli.checks import Check
from defilev.errors import DefilevError, UnknownName

if TYPE_CHECKING:
    from defilev.chain.node import Node
    from defilev.config.settings import Settings
    from defilev.model.request import Block

__all__ = ["node_checks"]

_OLD_HEAD = 600
_CLOCK_BEHIND = 30
_OTHER_NODE = "set DEFILEV_RPC_URL, or --rpc-url, to another node"


def node_checks(settings: Settings) -> Iterator[Check]:
    """Yield a check of each thing that is needed of the node; stops where nothing more can be asked."""
    from defilev.chain.node import Node
    from defilev.chain.rpc import Rpc
    from defilev.chain.transport import HttpTransport

    if settings.rpc_url is None:
        yield Check("rpc", "problem", "no node is set", "set DEFILEV_RPC_URL, or give --rpc-url URL")
        return
    try:
        transport = HttpTransport(settings.rpc_url, timeout=settings.timeout)
    except DefilevError as error:
        yield Check("rpc", "problem", error.fact, error.fix)
        return
    with Rpc(transport) as rpc:
        yield from _of(Node(rpc), transport.name, settings)


def _of(node: Node, name: str, settings: Settings) -> Iterator[Check]:
    try:
        chain_id, head = node.chain_id(), node.block("latest")
    except DefilevError as error:
        yield Check("rpc", "problem", error.fact, f"start {name}, or set DEFILEV_RPC_URL to another node")
        return
    client = _client(node)
    yield Check("rpc", "ok", f"{name}  {client}")
    yield _head(head, is_test_node="anvil" in client.lower())
    yield _simulation(node)
    yield from _book_checks(node, chain_id, head, settings)


def _client(node: Node) -> str:
    with suppress(DefilevError):
        return node.client_version()[:60]
    return "(does not say what it is)"


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
