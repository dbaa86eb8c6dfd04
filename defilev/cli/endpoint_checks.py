"""What `defilev doctor` finds out about each node, and whether they agree. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints, ask_all, is_stale
from defilev.chain.quorum import agreed, agreed_head
from defilev.cli.checks import Check
from defilev.errors import DataError, DefilevError
from defilev.model.request import Address, Block

__all__ = ["Seen", "agreement_checks", "look_at", "node_document"]

_NOBODY = Address("0x0000000000000000000000000000000000000001")
_LONGEST_CLIENT = 60
_UNKNOWN_CLIENT = "(does not say what it is)"
_LEAVE_OUT = "leave it out of rpc_url, or mend it"


@dataclass(frozen=True, slots=True)
class Seen:
    """What one node says: `None` for what it did not say.

    `behind` counts blocks behind the newest of all nodes. `agrees` is whether it has the chain and the block that at
    least two nodes have; `None` for the only node, a silent one, and when no two agree. `latency` in seconds.
    """

    endpoint: Endpoint
    problem: str | None = None
    client: str | None = None
    chain_id: int | None = None
    genesis: str | None = None
    head: Block | None = None
    behind: int | None = None
    is_stale: bool = False
    latency: float | None = None
    capabilities: tuple[str, ...] = ()
    agrees: bool | None = None


def look_at(endpoints: Endpoints) -> tuple[list[Seen], Check | None]:
    """Return what each node says, and for several what came of comparing them."""
    seen = [one.value for one in ask_all(endpoints, _inspect)]
    newest = max((one.head for one in seen if one.head), key=lambda head: head.number, default=None)
    seen = [_measured(one, newest) for one in seen]
    if len(seen) == 1:
        return seen, None
    try:
        chain = agreed(endpoints, Endpoint.identify, what="the chain id and the genesis block")
        head = agreed_head(endpoints.only(chain.by))
    except DataError as error:
        return seen, Check("agreement", "problem", error.fact, error.fix)
    seen = [replace(one, agrees=one.endpoint.name in head.by if one.head else None) for one in seen]
    count = f"{len(head.by)} of {len(seen)} nodes agree on block {head.value.number}, chain id and genesis"
    if shared := _shared_host(endpoints):
        return seen, Check("agreement", "warning", f"{count}; {shared}", "give nodes of different providers")
    return seen, Check("agreement", "ok", count)


def agreement_checks(seen: Sequence[Seen], agreement: Check | None) -> Iterator[Check]:
    """Yield a check for each node, and one of their agreement where there are several."""
    for place, one in enumerate(seen, 1):
        yield _check(one, "rpc" if agreement is None else f"rpc {place}", is_alone=agreement is None)
    if agreement is not None:
        yield agreement


def node_document(one: Seen) -> dict[str, Any]:
    """Return what `--json` says of a node."""
    return {
        "name": one.endpoint.name,
        "client": one.client,
        "chain_id": one.chain_id,
        "genesis_hash": one.genesis,
        "head": one.head.number if one.head else None,
        "behind": one.behind,
        "latency_ms": None if one.latency is None else round(one.latency * 1000),
        "capabilities": list(one.capabilities),
        "agrees": one.agrees,
        "problem": one.problem,
    }


def _inspect(endpoint: Endpoint) -> Seen:
    node = endpoint.node
    try:
        chain_id, head = node.chain_id(), node.block("latest")
    except DefilevError as error:
        return Seen(endpoint, problem=error.fact)
    genesis = client = None
    with suppress(DefilevError):
        genesis = node.block(0).hash
    with suppress(DefilevError):
        client = node.client_version()[:_LONGEST_CLIENT]
    return Seen(
        endpoint,
        client=client,
        chain_id=chain_id,
        genesis=genesis,
        head=head,
        latency=endpoint.score.latency,
        capabilities=tuple(_capabilities(endpoint, head)),
    )


def _capabilities(endpoint: Endpoint, head: Block) -> Iterator[str]:
    """Yield `by-hash` (EIP-1898, which reading needs), `simulate-v1`, and `archive`: the state of block 1."""
    with suppress(DefilevError):
        endpoint.node.balance(_NOBODY, block=head)
        yield "by-hash"
    with suppress(DefilevError):
        if endpoint.node.supports_simulate_v1():
            yield "simulate-v1"
    with suppress(DefilevError):
        endpoint.node.balance(_NOBODY, block=min(1, head.number))
        yield "archive"


def _measured(one: Seen, newest: Block | None) -> Seen:
    if one.head is None or newest is None:
        return one
    return replace(one, behind=newest.number - one.head.number, is_stale=is_stale(one.head, newest=newest))


def _check(one: Seen, name: str, *, is_alone: bool) -> Check:
    if one.problem is not None:
        if is_alone:
            fix = f"start {one.endpoint.name}, or set DEFILEV_RPC_URL to another node"
            return Check(name, "problem", one.problem, fix)
        return Check(name, "warning", one.problem, _LEAVE_OUT)
    told = _told(one, is_alone=is_alone)
    if "by-hash" not in one.capabilities:
        return Check(name, "problem", f"{told}; it does not read at a block's hash (EIP-1898)", _LEAVE_OUT)
    if one.is_stale:
        return Check(name, "warning", told, "wait until it has caught up, or leave it out of rpc_url")
    if one.agrees is False:
        return Check(name, "problem", f"{told}; the others say otherwise", _LEAVE_OUT)
    return Check(name, "ok", told)


def _told(one: Seen, *, is_alone: bool) -> str:
    """Return a node's figures; of one alone, what no other check says."""
    latency = "" if one.latency is None else f"{one.latency * 1000:.0f} ms"
    client = one.client or _UNKNOWN_CLIENT
    if is_alone or one.head is None:
        return " · ".join(part for part in (f"{one.endpoint.name}  {client}", latency) if part)
    lag = f" ({one.behind} behind)" if one.behind else ""
    parts = [f"chain {one.chain_id}", f"block {one.head.number}{lag}", latency, *one.capabilities, client]
    return f"{one.endpoint.name}  {' · '.join(part for part in parts if part)}"


def _shared_host(endpoints: Endpoints) -> str | None:
    """Return which host stands behind several nodes; what it gets wrong, they get wrong together."""
    places = Counter(urlsplit(endpoint.url).netloc.rpartition("@")[2].lower() for endpoint in endpoints)
    host, count = places.most_common(1)[0]
    return f"{count} of them are {host}" if count > 1 else None
