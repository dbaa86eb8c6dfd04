"""What a lending protocol must offer where positions can be rearranged: assets exchanged, e-modes entered and left."""

from __future__ import annotations

from typing import Protocol

from defilev.model.account import LendingAccount
from defilev.model.request import Read
from defilev.protocols.levering import LeveringProtocol

__all__ = ["RearrangingProtocol"]


class RearrangingProtocol(LeveringProtocol, Protocol):
    """The rules of a lending protocol where one asset can take another's place, and e-modes can be changed."""

    def read_e_mode(self, account: LendingAccount, category: int) -> Read[LendingAccount]:
        """Return the account with an e-mode known to it, so that `SetEMode` applies; raises `Infeasible` for none."""
        ...

    def read_e_modes(self, account: LendingAccount) -> Read[LendingAccount]:
        """Return the account with every e-mode of its market known to it."""
        ...

    def e_modes(self, account: LendingAccount) -> tuple[tuple[int, str], ...]:
        """Return number and label of the e-modes that are known to the account."""
        ...

    def e_mode_obstacles(self, account: LendingAccount, category: int) -> tuple[str, ...]:
        """Return in words, by asset, what keeps an account out of a known e-mode, whatever its health would be."""
        ...
