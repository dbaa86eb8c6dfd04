"""What a liquidation would take, asked of the account's protocol."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from defilev.model.account import LendingAccount
from defilev.protocols.aave_v3.penalty import Penalty, penalty_of

__all__ = ["Penalty", "penalty_for"]

_PENALTIES: Mapping[str, Callable[[LendingAccount], Penalty | None]] = {"aave-v3": penalty_of}


def penalty_for(account: LendingAccount) -> Penalty | None:
    """Return the bonus and the close factor of a liquidation; `None` where nothing could be liquidated."""
    ask = _PENALTIES.get(account.protocol)
    return None if ask is None else ask(account)
