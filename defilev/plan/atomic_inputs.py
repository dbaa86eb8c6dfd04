"""What planning with the executor needs beside everything else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from defilev.model.executor import ExecutorReach
from defilev.model.request import Address
from defilev.model.token import Token

__all__ = ["DEADLINE_ROOM", "AtomicInputs"]

DEADLINE_ROOM = 600
"""Seconds after the plan's expiry until which the executor's call may still be included."""


@dataclass(frozen=True, slots=True)
class AtomicInputs:
    """Where the verified executor goes, and by asset the token that stands for what is supplied of it.

    `is_pool_listed` says whether the executor acts on the account's pool.
    """

    reach: ExecutorReach
    receipts: Mapping[Address, Token]
    is_pool_listed: bool
