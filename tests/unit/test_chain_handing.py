"""The same bytes to one node or to all: once each, and what each made of it."""

from __future__ import annotations

from typing import Any

import pytest

from defilev.chain.handing import hand_over, hand_to_all
from defilev.chain.quantity import to_hex
from tests.support.fake_node import NodeError
from tests.support.network import (
    CANARY,
    FAULTS,
    Chain,
    Server,
    answering,
    endpoint_of,
    endpoints_of,
    http_status,
    reset,
    timeout,
)

RAW = b"\x02signed"


def refusing(code: int, message: str) -> Server:
    """Return a node that refuses every transaction so."""
    server = Server(Chain())

    def answer(*_: Any) -> Any:
        raise NodeError(code, message)

    server.node.answers["eth_sendRawTransaction"] = answer
    return server


def test_a_node_that_answers_with_the_hash_took_it() -> None:
    """The very bytes arrive, and there is no error."""
    server = Server(Chain())
    handed = hand_over(endpoint_of(server), RAW)

    assert ("taken", None, [to_hex(RAW)]) == (handed.result, handed.error, server.chain.sent)


@pytest.mark.parametrize(
    ("result", "code", "message"),
    [
        ("known", -32000, "already known"),  # geth, erigon, reth
        ("known", -32003, "transaction already imported"),  # anvil
        ("known", -32010, "Transaction with the same hash was already imported."),  # parity
        ("known", -32000, "Known transaction"),  # besu
        ("known", -32010, "AlreadyKnown"),  # nethermind
        ("known", -32000, "ALREADY_EXISTS: already known"),  # erigon
        ("spent", -32000, "nonce too low: next nonce 5, tx nonce 4"),  # geth
        ("spent", -32003, "nonce too low"),  # anvil
        ("spent", -32001, "Nonce too low"),  # besu
        ("spent", -32010, "OldNonce, Current nonce: 5"),  # nethermind
        ("underpriced", -32000, "replacement transaction underpriced"),
        ("underpriced", -32000, "transaction underpriced: gas tip cap 1, minimum needed 1000000"),
        ("underpriced", -32003, "max fee per gas less than block base fee"),
        ("underpriced", -32010, "FeeTooLow"),
        ("underpriced", -32010, "ReplacementNotAllowed"),
        ("refused", -32003, "Insufficient funds for gas * price + value"),
        ("refused", -32000, "invalid chain id for signer"),
        ("refused", -32000, "intrinsic gas too low"),
        ("unknown", -32005, "rate limit"),
    ],
)
def test_what_a_node_says_of_a_transaction_is_known_in_every_dialect(result: str, code: int, message: str) -> None:
    """Each make's words for what it has, what is spent and what pays too little; a busy node has said nothing."""
    handed = hand_over(endpoint_of(refusing(code, message)), RAW)

    assert result == handed.result
    assert handed.error is not None


@pytest.mark.parametrize("fault", FAULTS.keys())
def test_whatever_goes_wrong_it_is_sent_once_and_the_outcome_is_unknown(fault: str) -> None:
    """A failure that could have come before or after the node took it leaves both open, and nothing is repeated."""
    server = Server(Chain(), always={"*": FAULTS[fault]})
    handed = hand_over(endpoint_of(server), RAW)

    assert ("unknown", 1) == (handed.result, server.asked)
    assert CANARY not in repr((handed, handed.error and handed.error.facts))


def test_another_hash_is_no_receipt_of_ours() -> None:
    """A node that answers with the hash of something else is not believed to have taken it."""
    server = Server(Chain(), always={"*": answering("0x" + "ab" * 32)})

    assert "unknown" == hand_over(endpoint_of(server), RAW).result


def test_all_nodes_get_it_once_whatever_the_others_do() -> None:
    """Each node is handed the same bytes exactly once; the results come in the order of the nodes."""
    servers = [
        Server(Chain(), always={"*": timeout}),
        Server(Chain()),
        refusing(-32000, "already known"),
        Server(Chain(), always={"*": reset}),
        Server(Chain(), always={"*": http_status(503)}),
    ]
    handed = hand_to_all(endpoints_of(*servers), RAW)

    assert ["unknown", "taken", "known", "unknown", "unknown"] == [one.result for one in handed]
    assert [1] * 5 == [server.asked for server in servers]
    assert [[to_hex(RAW)]] * 2 == [
        servers[place].chain.sent for place in (1, 3)
    ]  # one took it, and its answer was lost
