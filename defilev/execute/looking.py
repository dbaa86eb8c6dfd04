"""What the chain says of a nonce: canonical receipts, the owner's count, the pools, and who else used it."""

from __future__ import annotations

from defilev.chain.node import Node
from defilev.chain.values import Receipt
from defilev.errors import RpcError
from defilev.execute.desk import Desk
from defilev.execute.flight import Attempt, Flight, Seen
from defilev.execute.handing_over import Outlet
from defilev.model.request import Address, Block

__all__ = ["canonical_receipt", "find_inclusion", "find_user", "see"]

_NEEDED = 2


def find_inclusion(desk: Desk, flight: Flight) -> tuple[Attempt, Receipt] | None:
    """Return the transaction of the nonce that is on the chain; raises `RpcError` while too few nodes can be asked."""
    for attempt in reversed(flight.attempts):
        if (receipt := _agreed_receipt(desk.outlets, attempt.signed.hash)) is not None:
            return attempt, receipt
    return None


def _agreed_receipt(outlets: tuple[Outlet, ...], transaction: str) -> Receipt | None:
    """Return the receipt that two nodes, or the only one, have on their chains."""
    found: list[Receipt] = []
    trouble: RpcError | None = None
    needed = min(_NEEDED, len(outlets))
    for outlet in outlets:
        try:
            receipt = canonical_receipt(outlet.node, transaction)
        except RpcError as error:
            trouble = error
            continue
        if receipt is not None:
            found.append(receipt)
        if sum(receipt is not None and each.block_hash == receipt.block_hash for each in found) == needed:
            return receipt
    if trouble is not None and not found:
        raise trouble
    return None


def canonical_receipt(node: Node, transaction: str) -> Receipt | None:
    """Return the receipt if its block is the one that the node has at its height."""
    receipt = node.receipt(transaction)
    if receipt is None or node.block(receipt.block_number).hash != receipt.block_hash:
        return None
    return receipt


def see(desk: Desk, flight: Flight, *, head: Block) -> Seen:
    """Return the owner's count at `head`, and whether a node shows the nonce's newest transaction while it waits."""
    nonce = desk.node.nonce(desk.policy.account.owner, block=head)
    if nonce > flight.nonce:
        return Seen(head.number, nonce, in_pool=False)
    others = desk.outlets[1:] or desk.outlets
    in_pool = any(outlet.node.transaction(flight.newest.signed.hash) is not None for outlet in others)
    return Seen(head.number, nonce, in_pool)


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
