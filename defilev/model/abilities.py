"""What can be done with a protocol."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Abilities"]


@dataclass(frozen=True, slots=True)
class Abilities:
    """What can be done with a protocol, beside reading it.

    `plans`: whether a plan can be made. `broadcasts`: `simulated` when one that kept its promise in a simulation may be
    sent, `forked` when it must have been on a fork of the chain. `self_check`: what a read is held to
    (`model.account.SelfCheck`). `versions`: the contracts' releases whose rules are known. `repays_for_another`:
    whether an account's debt is repaid, or its margin added, from another's wallet, as a guard's
    reserve does. `repays_with_supply`: whether what is supplied of an asset pays for what is owed of it without leaving
    the market.
    """

    plans: bool
    broadcasts: Literal["no", "simulated", "forked"]
    self_check: Literal["exact", "consistent"]
    versions: tuple[str, ...]
    repays_for_another: bool = False
    repays_with_supply: bool = False
