"""How transactions are sent: the schedule of one run, in seconds, and the named boundaries that it passes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from defilev.execute.fees import TIP_FLOOR

__all__ = ["Boundary", "Sending"]

Boundary: TypeAlias = Literal[
    "observed",
    "planned",
    "simulated",
    "nonce_reserved",
    "signed",
    "durable",
    "handing_over",
    "sent",
    "recorded_send",
    "mined_seen",
    "mined_recorded",
    "verified",
    "finished",
    "bump_signed",
    "bump_durable",
    "bump_sent",
]
"""The instants between two side effects of a run. `durable`: the signed bytes are committed to the journal."""

GWEI = 10**9


def _pass(boundary: Boundary) -> None:
    """Go on."""
    del boundary


@dataclass(frozen=True, slots=True)
class Sending:
    """How to send.

    Args:
        timeout: seconds to wait for the inclusion of one transaction, or for its confirmations.
        refused_timeout: the same for a transaction that no node has taken.
        pause: seconds between two looks.
        rebroadcast_after: seconds unseen until the same bytes are handed to every node again.
        first_raise: seconds without inclusion until the fees are raised for the first time; later they are raised every
            `next_raise` seconds. Fees are never raised while the chain stands still.
        most_attempts: transactions of one nonce at the most.
        fee_cap: wei per gas that raised fees never exceed.
        is_urgent: fees start higher and rise faster, and tips double.
        foreign_after: seconds for which a spent nonce may be without a receipt of ours before it counts as another's.
        private_for: seconds for which a private relay alone has a transaction before it is made public.
        confirmations: blocks on top of the last receipt's before the account is read.
        tip_floor: wei per gas.
        clock: seconds that never go back.
        at: hears of each boundary that is passed; raising, or ending the process, there is what tests do.
    """

    timeout: float = 600.0
    refused_timeout: float = 30.0
    pause: float = 1.0
    rebroadcast_after: float = 12.0
    first_raise: float = 24.0
    next_raise: float = 12.0
    most_attempts: int = 8
    fee_cap: int = 100 * GWEI
    is_urgent: bool = False
    foreign_after: float = 24.0
    private_for: float = 24.0
    confirmations: int = 2
    tip_floor: int = TIP_FLOOR
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep
    at: Callable[[Boundary], None] = _pass
