"""What the chain says of a nonce: canonical receipts, the owner's count, the pools, and who else used it."""

from __future__ import annotations

from defilev.chain.endpoints import Endpoints
from defilev.chain.node import Node
from defilev.chain.sightings import receipt_seen, transaction_seen
from defilev.chain.values import Receipt
from defilev.errors import RpcError
from defilev.execute.desk import Desk
from defilev.execute.flight import Attempt, Flight, Seen
from defilev.model.request import Address, Block

__all__ = ["agreed_receipt", "find_inclusion", "find_user", "is_shown", "see"]

_NEEDED = 2


def find_inclusion(desk: Desk, flight: Flight) -> tuple[Attempt, Receipt] | None:
    """Return the transaction of the nonce that is on the chain, and its receipt; raises as `agreed_receipt` does."""
    for attempt in reversed(flight.attempts):
        if (receipt := agreed_receipt(desk.endpoints, attempt.signed.hash)) is not None:
            return attempt, receipt
    return None


def agreed_receipt(endpoints: Endpoints, transaction: str) -> Receipt | None:
    """Return the receipt that two nodes, or the only one, have on their chains.

    Raises:
        DataError: no node answers.
    """
    seen = receipt_seen(endpoints, transaction)
    if seen.trouble is not None and len(seen.silent) == len(endpoints):
        raise seen.trouble
    return seen.receipt if len(seen.on) >= min(_NEEDED, len(endpoints)) else None


def is_shown(endpoints: Endpoints, transaction: str) -> bool:
    """Tell whether any node has a receipt on its chain, however many must agree before it counts."""
    return receipt_seen(endpoints, transaction).receipt is not None


def see(desk: Desk, flight: Flight, *, head: Block) -> Seen:
    """Return the owner's count at `head`, and whether a node shows the nonce's newest transaction while it waits.

    With several nodes the first one, which was handed it, does not count: it may keep it to itself.
    """
    nonce = desk.node.nonce(desk.policy.actor, block=head)
    if nonce > flight.nonce:
        return Seen(head.number, nonce, in_pool=False)
    seen = transaction_seen(desk.endpoints, flight.newest.signed.hash)
    shown = {*seen.included, *seen.pending}
    others = desk.endpoints.names[1:] or desk.endpoints.names
    return Seen(head.number, nonce, in_pool=any(name in shown for name in others))


def find_user(node: Node, owner: Address, nonce: int, *, since: int, head: int) -> str | None:
    """Return the hash of the included transaction of `owner` with that nonce, looked for in blocks after `since`.

    `None` when the node does not have those blocks' state, or no block of them holds it.
    """
    try:
        low, high = since, head
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if node.nonce(owner, block=middle) > nonce else (middle + 1, high)
        return next((each.hash for each in node.transactions(low) if (each.sender, each.nonce) == (owner, nonce)), None)
    except RpcError:
        return None
