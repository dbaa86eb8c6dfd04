"""What a lending protocol must offer where leverage can be raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from defilev.model.account import LendingAccount, Price
from defilev.model.headroom import Headroom
from defilev.model.request import Address, Read
from defilev.model.token import Token
from defilev.protocols.contract import LendingProtocol

__all__ = ["LeveringProtocol"]


class LeveringProtocol(LendingProtocol, Protocol):
    """The rules of a lending protocol where an account can borrow to buy more collateral."""

    def prices(self, account: LendingAccount) -> Mapping[Address, Price]:
        """Return the oracle's price of every asset of the market that has one, held or not."""
        ...

    def headroom(self, account: LendingAccount, *, supply: Token, borrow: Token, at: int) -> Read[Headroom]:
        """Read what the market's caps and ceilings leave until the Unix time `at`.

        Raises:
            Infeasible: the account may not borrow the one or count the other as collateral at all, and why.
            CallReverted: the market does not answer.
        """
        ...
