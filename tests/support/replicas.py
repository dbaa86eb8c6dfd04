"""Further nodes of the local chain: forks of it at a block, which see nothing of what comes after, and may lie."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints
from defilev.chain.transport import Transport
from defilev.model.request import Block
from defilev.pipeline.session import Session
from tests.support.world import World

__all__ = ["Replica", "replica", "through"]


@dataclass(frozen=True)
class Replica:
    """A running fork of the local chain."""

    world: World
    anvil: Anvil

    @property
    def url(self) -> str:
        """Where it listens."""
        return str(self.anvil.rpc._transport.name)  # type: ignore[attr-defined]

    def lie(self, symbol: str, price: int) -> None:
        """Change a feed's answer, 8 decimals, in the state of the newest block: the block's hash stays what it was."""
        feed = self.world.description["feeds"][symbol]["address"]
        self.anvil.rpc.request("anvil_setStorageAt", [feed, "0x0", f"0x{price:064x}"])

    def set_chain_id(self, chain_id: int) -> None:
        """Serve another chain from now on."""
        self.anvil.rpc.request("anvil_setChainId", [chain_id])

    def rpc(self, method: str, *params: object) -> object:
        """Call any method."""
        return self.anvil.rpc.request(method, params)


@contextmanager
def replica(world: World, *, at: Block | None = None) -> Iterator[Replica]:
    """Serve a copy of the local chain up to a block, the newest when left out."""
    with Anvil(find_anvil(os.environ.get("DEFILEV_ANVIL"))) as anvil:
        anvil.fork(world.rpc_url, block=at or world.head(), chain_id=world.chain_id)
        yield Replica(world, anvil)


def through(session: Session, *transports: Transport) -> Session:
    """Return the session with its nodes replaced by those that the transports lead to."""
    nodes = [
        Endpoint.over(transport, name=f"node {place}", url=next(iter(session.endpoints)).url, sleep=lambda _: None)
        for place, transport in enumerate(transports, 1)
    ]
    endpoints = Endpoints(nodes, sleep=lambda _: None)
    return replace(session, endpoints=endpoints, node=endpoints.node).at(session.block)
