"""Handing the same signed bytes to one node or to several, each exactly once, and what each made of it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints, ask_all
from defilev.errors import RpcError, RpcRejected

__all__ = ["Handed", "HandedOver", "hand_over", "hand_to_all"]

HandedOver: TypeAlias = Literal["taken", "known", "spent", "underpriced", "refused", "unknown"]
"""What a node made of a transaction.

taken: it answered with the hash. known: it had it already. spent: the nonce is used on that node's chain, by this
transaction or another. underpriced: the fees are below the base fee, or too low to replace the one that waits.
refused: any other error of the node. unknown: no answer, or one that cannot be believed.

Nothing but a receipt on the chain, and the account's nonce, says what became of it, whichever of these it is.
"""

_WORDS: tuple[tuple[HandedOver, re.Pattern[str]], ...] = (
    (
        "known",
        re.compile(r"already[ _]?(?:known|imported|exists|in the mempool)|known transaction", re.IGNORECASE),
    ),
    ("spent", re.compile(r"nonce[ _](?:is )?too[ _]low|old ?nonce|nonce has already been used", re.IGNORECASE)),
    (
        "underpriced",
        re.compile(
            r"underpriced|fee ?too ?low|less than block base fee|below (?:the )?(?:current )?base ?fee"
            r"|too low to (?:replace|compete)|replacement ?not ?allowed",
            re.IGNORECASE,
        ),
    ),
)


@dataclass(frozen=True, slots=True)
class Handed:
    """What the endpoint of that name made of a transaction; `error` is `None` when it took it."""

    name: str
    result: HandedOver
    error: RpcError | None


def hand_over(endpoint: Endpoint, raw: bytes) -> Handed:
    """Hand a signed transaction to one node, once, whatever comes of it; an error of the node is part of the result."""
    try:
        endpoint.node.send_raw_transaction(raw)
    except RpcError as error:
        return Handed(endpoint.name, _made_of_it(error), error)
    return Handed(endpoint.name, "taken", None)


def hand_to_all(endpoints: Endpoints, raw: bytes) -> list[Handed]:
    """Hand a signed transaction to every endpoint, to each once and at the same time."""
    return [one.value for one in ask_all(endpoints, lambda endpoint: hand_over(endpoint, raw))]


def _made_of_it(error: RpcError) -> HandedOver:
    if not isinstance(error, RpcRejected) or error.kind != "refused":
        return "unknown"
    message = str(error.facts.get("message"))
    return next((result for result, pattern in _WORDS if pattern.search(message)), "refused")
