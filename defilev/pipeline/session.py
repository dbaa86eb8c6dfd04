"""A connection to one chain through one node or several, its address book, and the block that everything is read at."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints, ask_all, open_endpoints, open_relay
from defilev.chain.multicall import PinnedReader
from defilev.chain.node import At, Node
from defilev.chain.redaction import is_loopback
from defilev.config.address_book import load_address_book
from defilev.config.settings import Settings
from defilev.errors import ConfigurationError, SearchIncomplete, WrongChain
from defilev.model.book import AddressBook
from defilev.model.request import Block
from defilev.observe.drive import Fetch

__all__ = ["Session", "connect", "endpoints_of"]


@dataclass(frozen=True, slots=True)
class Session:
    """The nodes of one chain at one block; close it when done.

    `node` is what reads go through, `endpoints` has each node by itself; `private` is a relay that only sends.
    `is_anvil` says that all of them are test nodes, whose chain may be rewound; `is_loopback` that all are on this
    machine. `shortfalls` gathers what could not be looked at, beside a result that is otherwise whole.
    """

    settings: Settings
    node: Node
    endpoints: Endpoints
    book: AddressBook
    block: Block
    reader: PinnedReader
    is_anvil: bool
    is_loopback: bool
    private: Endpoint | None = None
    shortfalls: list[SearchIncomplete] = field(default_factory=list)

    @property
    def chain_id(self) -> int:
        """The chain id that both the node and the address book have."""
        return self.book.chain_id

    @property
    def fetch(self) -> Fetch:
        """Answers batches at the session's block."""
        return self.reader.fetch

    def at(self, block: At) -> Session:
        """Return the same connection pinned to another block."""
        found = block if isinstance(block, Block) else self.node.block(block)
        return replace(self, block=found, reader=PinnedReader(self.node, multicall3=self.book.multicall3, block=found))

    def through(self, names: Collection[str]) -> Session:
        """Return the same connection through the endpoints of those names alone, at the same block."""
        endpoints = self.endpoints.only(names)
        return replace(self, endpoints=endpoints, node=endpoints.node).at(self.block)

    def close(self) -> None:
        """Let go of the connections."""
        self.endpoints.close()
        if self.private is not None:
            self.private.rpc.close()


def connect(settings: Settings) -> Session:
    """Connect to the nodes that `settings` name and pin the block that they name.

    Raises:
        ConfigurationError: no node is named, or one twice.
        UnknownName: no address book is for the chain.
        WrongChain: a node is of another chain than `settings.chain`, or than the other nodes.
        EndpointsDisagree: the nodes have one chain id, and different genesis blocks.
        RpcError: no node answers as a node.
    """
    endpoints = endpoints_of(settings)
    try:
        return _session(settings, endpoints)
    except BaseException:
        endpoints.close()
        raise


def endpoints_of(settings: Settings) -> Endpoints:
    """Return the endpoints that `settings` name; nothing is asked yet.

    Raises:
        ConfigurationError: none is named, one is no URL, or one is named twice.
    """
    if not settings.rpc_url:
        raise ConfigurationError(
            "no node to ask: rpc_url is set nowhere",
            fix="give --rpc-url URL, or set DEFILEV_RPC_URL",
            searched="--rpc-url, DEFILEV_RPC_URL, ./.env, ./defilev.toml, the user's config file",
        )
    alone = len(settings.rpc_url) == 1
    patience = settings.timeout if alone else min(settings.timeout, settings.failover_after)
    return open_endpoints(settings.rpc_url, timeout=patience)


def _session(settings: Settings, endpoints: Endpoints) -> Session:
    node = endpoints.node
    chain_id = node.chain_id() if len(endpoints) == 1 else _met(endpoints)
    book = load_address_book(settings.chain or chain_id, extra=settings.address_book)
    if book.chain_id != chain_id:
        raise WrongChain(
            f"the node is of chain {chain_id}, not of {book.chain_name}", wanted=book.chain_id, got=chain_id
        )
    block = node.block(settings.block)
    return Session(
        settings=settings,
        node=node,
        endpoints=endpoints,
        book=book,
        block=block,
        reader=PinnedReader(node, multicall3=book.multicall3, block=block),
        is_anvil=_all_anvil(endpoints),
        is_loopback=all(is_loopback(endpoint.url) for endpoint in endpoints),
        private=open_relay(settings.private_rpc_url, timeout=settings.timeout),
    )


def _met(endpoints: Endpoints) -> int:
    """Return the chain id of several nodes that serve the same chain, having seen which of them lag behind."""
    chain_id = endpoints.meet().chain_id
    endpoints.only([endpoint.name for endpoint in endpoints.identified]).look()
    return chain_id


def _all_anvil(endpoints: Endpoints) -> bool:
    """Return whether every node says that it is anvil; one that does not answer may be any."""
    if len(endpoints) > len(endpoints.identified) > 0:
        return False
    said = ask_all(endpoints, lambda endpoint: endpoint.node.client_version())
    if len(said) == 1:
        return "anvil" in said[0].value.lower()
    return all(one.error is None and "anvil" in one.value.lower() for one in said)
