"""The proxies fail as they say: a harness that does not hurt proves nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.chaos.arena import Arena
from tests.chaos.faultproxy import KINDS, SEND, Rule
from tests.chaos.foreign import GWEI, transfer

pytestmark = pytest.mark.world

CASES: dict[str, tuple[Any, str, bool]] = {
    "drop_before": (None, "reset", False),
    "drop_after": (None, "reset", True),
    "http": (429, "status 429", False),
    "html": (None, "no JSON", False),
    "truncate": (None, "no JSON", True),
    "null": (None, "null", True),
    "set": ("0x1", "0x1", True),
    "wrong_id": (None, "another id", True),
    "error": ((-32000, "no"), "error -32000", False),
    "delay": (1.0, "timeout", True),
    "hang": (None, "timeout", False),
    "lag": (3, "the hash", True),
    "blackhole": (None, "the hash", False),
    "dup": (None, "error -32000", True),
}
"""By kind: the rule's value, what the sender of a transaction sees, and whether the transaction lands."""


@pytest.fixture
def place(arena: Arena) -> Iterator[Arena]:
    """Return the arena as it is at the begin of a trial."""
    arena.begin()
    yield arena
    arena.first.inject()


def ask(arena: Arena, method: str, *params: Any) -> Any:
    """Ask through the first endpoint, as a client that takes what comes."""
    request = {"jsonrpc": "2.0", "id": 5, "method": method, "params": params}
    return httpx.post(arena.first.url, json=request, timeout=0.5).json()


def seen(arena: Arena, method: str, *params: Any) -> str:
    """Ask, and say in words what came of it."""
    request = {"jsonrpc": "2.0", "id": 5, "method": method, "params": params}
    try:
        answer = httpx.post(arena.first.url, json=request, timeout=0.5)
    except httpx.TimeoutException:
        return "timeout"
    except httpx.TransportError:
        return "reset"
    if answer.status_code != 200:
        return f"status {answer.status_code}"
    try:
        document = answer.json()
    except ValueError:
        return "no JSON"
    if document["id"] != 5:
        return "another id"
    return f"error {document['error']['code']}" if "error" in document else document["result"] or "null"


def test_every_kind_of_failure_is_tried() -> None:
    """No kind is left out below."""
    assert set(KINDS) == set(CASES)


@pytest.mark.parametrize("kind", KINDS)
def test_a_send_that_fails(place: Arena, kind: str) -> None:
    """What the sender sees says nothing about whether the transaction lands, which is as the kind says."""
    value, expected, lands = CASES[kind]
    raw, transaction = transfer(place, nonce=place.nonce())
    place.first.inject(Rule(kind, SEND, value=value))  # type: ignore[arg-type]

    assert (transaction if expected == "the hash" else expected) == seen(place, SEND, raw)
    _wait_for_the_delayed(place, raw if kind == "delay" else None)
    place.mine()
    assert lands == (place.anvil.rpc("eth_getTransactionReceipt", transaction) is not None)


def _wait_for_the_delayed(arena: Arena, raw: str | None) -> None:
    while raw is not None and not arena.pool.waiting:
        pass


def test_a_rule_counts(place: Arena) -> None:
    """It lets `skip` calls of its method pass, fails `count`, and then nothing more."""
    place.first.inject(Rule("null", "eth_chainId", count=2, skip=1), Rule("null", "reads", count=1, skip=5))

    answers = [seen(place, "eth_chainId") for _ in range(4)]
    assert ["0x7a69", "null", "null", "0x7a69"] == answers
    assert ["0x7a69"] * 3 == [seen(place, "eth_chainId") for _ in range(3)]
    assert "null" == seen(place, "eth_gasPrice")


def test_a_lagging_replica_knows_nothing_of_the_newest_blocks(place: Arena) -> None:
    """Block number, state, receipts and blocks are those of so many blocks ago."""
    raw, transaction = transfer(place, nonce=place.nonce())
    before, head = place.nonce(), place.head()
    ask(place, SEND, raw)
    place.mine(2)
    place.first.inject(Rule("lag", count=None, value=2))

    assert hex(head) == ask(place, "eth_blockNumber")["result"]
    assert hex(head) == ask(place, "eth_getBlockByNumber", "latest", False)["result"]["number"]
    assert hex(before) == ask(place, "eth_getTransactionCount", place.owner, "latest")["result"]
    assert ask(place, "eth_getTransactionReceipt", transaction)["result"] is None
    assert ask(place, "eth_getBlockByNumber", hex(head + 1), False)["result"] is None
    assert -32000 == ask(place, "eth_getBalance", place.owner, hex(head + 1))["error"]["code"]


def test_the_pool_wants_ten_per_cent_more_on_both_fees(place: Arena) -> None:
    """As geth does; anvil alone would take one wei more."""
    nonce = place.nonce()
    offers = [(100, 10), (109, 11), (110, 10), (109, 12), (110, 11)]
    sent = [transfer(place, nonce=nonce, fee=fee * GWEI, tip=tip * GWEI) for fee, tip in offers]
    said = [ask(place, SEND, raw) for raw, _ in sent]

    assert [None, *["replacement transaction underpriced"] * 3, None] == [
        answer.get("error", {}).get("message") for answer in said
    ]
    place.mine()
    assert place.anvil.rpc("eth_getTransactionReceipt", sent[-1][1]) is not None
    assert ["already known", "nonce too low"] == [
        _again(place, nonce=nonce + 1),
        ask(place, SEND, sent[-1][0])["error"]["message"][: len("nonce too low")],
    ]


def _again(arena: Arena, *, nonce: int) -> str:
    raw, _ = transfer(arena, nonce=nonce)
    ask(arena, SEND, raw)
    return str(ask(arena, SEND, raw)["error"]["message"])


def test_what_cannot_be_paid_waits(place: Arena) -> None:
    """A spike of the base fee neither refuses nor loses a transaction: it is included once the fee has fallen."""
    raw, transaction = transfer(place, nonce=place.nonce(), fee=10 * GWEI)
    place.anvil.rpc("anvil_setNextBlockBaseFeePerGas", hex(40 * GWEI))
    assert transaction == seen(place, SEND, raw)
    place.mine()
    assert place.anvil.rpc("eth_getTransactionReceipt", transaction) is None
    assert ask(place, "eth_getTransactionByHash", transaction)["result"]["blockNumber"] is None
    assert hex(place.nonce() + 1) == ask(place, "eth_getTransactionCount", place.owner, "pending")["result"]

    place.mine(14)  # an eighth less with each: 40 gwei fall below 10
    assert place.anvil.rpc("eth_getTransactionReceipt", transaction) is not None


def test_an_evicted_transaction_is_gone(place: Arena) -> None:
    """Nobody knows it any more, and its nonce is free."""
    raw, transaction = transfer(place, nonce=place.nonce())
    ask(place, SEND, raw)

    assert place.pool.evict(transaction)
    place.mine()
    assert ask(place, "eth_getTransactionByHash", transaction)["result"] is None
    assert place.nonce() == int(ask(place, "eth_getTransactionCount", place.owner, "pending")["result"], 16)


@pytest.mark.parametrize("returns", [True, False])
def test_a_reorganisation_returns_its_transactions_or_loses_them(place: Arena, *, returns: bool) -> None:
    """Geth takes back what was included; anvil forgets it."""
    place.pool.keeps_reorged = returns
    raw, transaction = transfer(place, nonce=place.nonce())
    ask(place, SEND, raw)
    place.mine(2)
    assert place.anvil.rpc("eth_getTransactionReceipt", transaction) is not None

    place.reorganise(2)
    assert place.anvil.rpc("eth_getTransactionReceipt", transaction) is None
    place.mine()
    assert returns == (place.anvil.rpc("eth_getTransactionReceipt", transaction) is not None)
