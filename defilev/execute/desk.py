"""Everything that acting for one account takes, and how what happens is told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints
from defilev.chain.node import Node
from defilev.execute.ledger import Ledger
from defilev.execute.policy import Policy
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.model.execution import Remark, SentStep, SignedStep
from defilev.model.plan import Step

__all__ = ["Desk", "Event", "Progress"]

Event: TypeAlias = SignedStep | SentStep | Remark
"""Signed and handed over, included, or something on the way."""
Progress: TypeAlias = Callable[[Step, Event], None]
"""Tells a person."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Who reads, signs, sends, writes down and is told.

    Args:
        node: answers reads.
        endpoints: the nodes that signed bytes are handed to, the first one first; a receipt counts when two of them, or
            the only one, have it on their chains.
        wanted: says of a step whether it still does, from the newest block on, what its plan promises.
        off_course: says of the next round of a plan why it should not be begun as planned, `None` when it should.
        overtaken: says right before a trade is signed why it would not only reduce, `None` when it would.
        private: a relay that has transactions alone at first, `None` without one.
    """

    node: Node
    endpoints: Endpoints
    signer: Signer
    policy: Policy
    ledger: Ledger
    sending: Sending
    wanted: Callable[[Step], bool]
    tell: Progress
    private: Endpoint | None = None
    off_course: Callable[[Step], str | None] = lambda _: None
    overtaken: Callable[[Step], str | None] = lambda _: None
