"""Where a transaction is seen: a receipt counts on nodes whose chain has its block."""

from __future__ import annotations

from typing import Any

import pytest

from defilev.chain.quantity import to_hex
from defilev.chain.sightings import receipt_seen, transaction_seen
from tests.support.network import OWNER, Chain, Server, endpoints_of, http_status

HASH = "0x" + "ab" * 32
NAMES = [f"https://node{place}.example/••••" for place in range(1, 5)]


def receipt(chain: Chain, number: int = 100, **changed: Any) -> dict[str, Any]:
    """Return a receipt in a block of `chain`."""
    plain = {
        "transactionHash": HASH,
        "status": "0x1",
        "blockNumber": to_hex(number),
        "blockHash": chain.block(number).hash,
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x2",
        "logs": [],
    }
    return plain | changed


def node(found: dict[str, Any] | None, **chain: Any) -> Server:
    """Return a node that has that receipt."""
    made = Chain(**chain)
    if found is not None:
        made.receipts[HASH] = found
    return Server(made)


def test_a_receipt_counts_on_every_node_that_has_it_on_its_chain() -> None:
    """Two have it, one does not know of it yet, one is silent."""
    servers = [
        node(receipt(Chain())),
        node(None),
        node(receipt(Chain())),
        Server(Chain(), always={"*": http_status(503)}),
    ]
    seen = receipt_seen(endpoints_of(*servers), HASH)

    assert seen.receipt is not None
    assert (100, (NAMES[0], NAMES[2]), (NAMES[1],), (), (NAMES[3],)) == (
        seen.receipt.block_number,
        seen.on,
        seen.absent,
        seen.other,
        seen.silent,
    )


@pytest.mark.parametrize("off", [{"salt": "fork", "fork": 90}, {"head": 99}])
def test_a_receipt_of_a_block_off_the_chain_is_none(off: dict[str, Any]) -> None:
    """A node that still shows a receipt of a block that was reorganised away, or that it has not got to, has none."""
    seen = receipt_seen(endpoints_of(node(receipt(Chain())), node(receipt(Chain()), **off)), HASH)

    assert ((NAMES[0],), (NAMES[1],)) == (seen.on, seen.absent)


def test_receipts_that_differ_are_told_apart() -> None:
    """A node with a receipt in another block of its chain, or with another outcome, does not confirm the others'."""
    fork: dict[str, Any] = {"salt": "fork", "fork": 90}
    servers = [
        node(receipt(Chain(), status="0x0")),
        node(receipt(Chain())),
        node(receipt(Chain())),
        node(receipt(Chain(**fork)), **fork),
    ]
    seen = receipt_seen(endpoints_of(*servers), HASH)

    assert seen.receipt is not None
    assert (True, tuple(NAMES[1:3]), (NAMES[0], NAMES[3])) == (seen.receipt.succeeded, seen.on, seen.other)


def test_no_receipt_anywhere() -> None:
    """Null from every node is no receipt, and no failure."""
    seen = receipt_seen(endpoints_of(node(None), node(None)), HASH)

    assert (None, (), tuple(NAMES[:2])) == (seen.receipt, seen.on, seen.absent)


def test_a_transaction_waits_in_some_pools() -> None:
    """Included on one node, pending on another, unknown to the third, and the fourth silent."""
    known = {"hash": HASH, "from": OWNER, "nonce": "0x7"}
    servers = [
        Server(Chain(transactions={HASH: known | {"blockNumber": "0x64"}})),
        Server(Chain(transactions={HASH: known | {"blockNumber": None}})),
        Server(Chain()),
        Server(Chain(), always={"*": http_status(503)}),
    ]
    seen = transaction_seen(endpoints_of(*servers), HASH)

    assert ((NAMES[0],), (NAMES[1],), (NAMES[2],), (NAMES[3],)) == (
        seen.included, seen.pending, seen.absent, seen.silent
    )  # fmt: skip
