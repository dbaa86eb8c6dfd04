"""A connection to one chain, its address book, and the block that everything is read at."""

from __future__ import annotations

from dataclasses import dataclass, replace

from defilev.chain.multicall import PinnedReader
from defilev.chain.node import At, Node
from defilev.chain.redaction import is_loopback
from defilev.chain.rpc import Rpc
from defilev.chain.transport import HttpTransport
from defilev.config.address_book import load_address_book
from defilev.config.settings import Settings
from defilev.errors import ConfigurationError, WrongChain
from defilev.model.book import AddressBook
from defilev.model.request import Block
from defilev.observe.drive import Fetch

__all__ = ["Session", "connect"]


@dataclass(frozen=True, slots=True)
class Session:
    """One node at one block; close it when done.

    `is_anvil` says that the node is a test node, whose chain may be rewound; `is_loopback` that it is on this machine.
    """

    settings: Settings
    node: Node
    book: AddressBook
    block: Block
    reader: PinnedReader
    is_anvil: bool
    is_loopback: bool

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

    def close(self) -> None:
        """Let go of the connection."""
        self.node.rpc.close()


def connect(settings: Settings) -> Session:
    """Connect to the node that `settings` name and pin the block that they name.

    Raises:
        ConfigurationError: no node is named.
        UnknownName: no address book is for the chain.
        WrongChain: the node is of another chain than `settings.chain`.
        RpcError: the node does not answer as a node.
    """
    if settings.rpc_url is None:
        raise ConfigurationError(
            "no node to ask: rpc_url is set nowhere",
            fix="give --rpc-url URL, or set DEFILEV_RPC_URL",
            searched="--rpc-url, DEFILEV_RPC_URL, ./.env, ./defilev.toml, the user's config file",
        )
    transport = HttpTransport(settings.rpc_url, timeout=settings.timeout)
    try:
        return _session(settings, Node(Rpc(transport)))
    except BaseException:
        transport.close()
        raise


def _session(settings: Settings, node: Node) -> Session:
    chain_id = node.chain_id()
    book = load_address_book(settings.chain or chain_id, extra=settings.address_book)
    if book.chain_id != chain_id:
        raise WrongChain(
            f"the node is of chain {chain_id}, not of {book.chain_name}", wanted=book.chain_id, got=chain_id
        )
    block = node.block(settings.block)
    return Session(
        settings=settings,
        node=node,
        book=book,
        block=block,
        reader=PinnedReader(node, multicall3=book.multicall3, block=block),
        is_anvil="anvil" in node.client_version().lower(),
        is_loopback=is_loopback(settings.rpc_url or ""),
    )
