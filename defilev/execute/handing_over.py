"""Handing signed bytes to nodes. What a node answers is written down and believed by nobody: the chain decides."""

from __future__ import annotations

from dataclasses import dataclass

from defilev.chain.endpoint import Endpoint
from defilev.errors import RpcError, RpcRejected
from defilev.journal.values import SendResult

__all__ = ["Handed", "hand_over"]

_KNOWN = ("already known", "already imported", "known transaction", "alreadyknown")
_NONCE_LOW = ("nonce too low", "nonce is too low", "oldnonce", "invalid nonce")
_UNDERPRICED = (
    *("underpriced", "replacement not allowed", "replacementnotallowed", "fee cap less than block"),
    *("max fee per gas less than block base fee", "max fee per gas too low", "gas price too low"),
    *("fee too low", "feetoolow"),
)
_HTTP = range(100, 600)
"""Codes of a status, which say that a node was not reached, rather than what it thinks of the transaction."""


@dataclass(frozen=True, slots=True)
class Handed:
    """What came of one send call; `is_refused` when the node itself said that it does not take the transaction."""

    endpoint: str
    result: SendResult
    said: str = ""
    is_refused: bool = False


def hand_over(endpoint: Endpoint, raw: bytes) -> Handed:
    """Hand `raw` to one node, once; never raises for what the node answers."""
    try:
        endpoint.node.send_raw_transaction(raw)
    except RpcRejected as rejected:
        result = _result(str(rejected.facts.get("message", "")))
        is_refused = result == "UNKNOWN" and rejected.facts.get("code") not in _HTTP
        return Handed(endpoint.name, result, rejected.fact, is_refused=is_refused)
    except RpcError as error:
        return Handed(endpoint.name, "UNKNOWN", error.fact)
    return Handed(endpoint.name, "OK")


def _result(message: str) -> SendResult:
    """Return what a node's words mean; clients differ in them, so that they only decide when to look again."""
    said = message.lower()
    kinds: tuple[tuple[SendResult, tuple[str, ...]], ...] = (
        ("KNOWN", _KNOWN),
        ("NONCE_LOW", _NONCE_LOW),
        ("UNDERPRICED", _UNDERPRICED),
    )
    return next((result for result, words in kinds if any(word in said for word in words)), "UNKNOWN")
