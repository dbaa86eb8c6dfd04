"""The exits of an account: by how much prices may move until each of them stops working. Statistics, never amounts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from defilev.model.request import Address

__all__ = ["Exit", "ExitAxis", "ExitLadder", "ExitQuestion", "ExitWay", "Impact", "NoReturn"]

ExitWay = Literal["repay", "add", "sell", "sell-part", "liquidation"]


@dataclass(frozen=True, slots=True)
class ExitAxis:
    """The move that is followed: `moved` are the assets whose prices are multiplied by one factor, the rest stays.

    `kind` is `fall` or `rise` of everything volatile together, or `ratio`: the fall of one collateral against the debt
    that is priced from the same feed. `name` says in words what moves.
    """

    kind: Literal["fall", "rise", "ratio"]
    name: str
    moved: frozenset[Address]


@dataclass(frozen=True, slots=True)
class ExitQuestion:
    """What an exit must reach, and with what.

    `goal` is the health factor to come back to and `floor` the one that no step may go below. `slippage` is what a sale
    loses against the oracle and `flash_fee` what a loan for one transaction costs, as fractions. A plan has at most
    `rounds` of withdrawing, selling and repaying, and is not worth its gas when it raises health by less than
    `least_rise`. `wallet` is what the owner's wallet holds of each token, in quote units at the prices of now.
    """

    goal: float
    floor: float
    slippage: float
    flash_fee: float
    rounds: int
    least_rise: float
    wallet: tuple[tuple[Address, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Exit:
    """One way out.

    `shock` is the largest move along the axis at which it still works, as a positive fraction; `None` when it does not
    work at the prices of now. Where `is_endless` is true no move that was tried stops it, and `shock` is the last one.
    `health_factor` is the account's at that move. `asset` is the collateral sold, empty for the others; `value` is what
    the wallet has for it in quote units at the prices of now, `None` where the wallet does not matter.
    """

    way: ExitWay
    asset: str
    shock: float | None
    health_factor: float | None
    value: float | None = None
    is_endless: bool = False


@dataclass(frozen=True, slots=True)
class NoReturn:
    """Where selling `asset` stops raising health, even with everything in one transaction.

    That is at `health_factor`, (1 + flash fee) / (1 - slippage) · threshold; `shock` is as in `Exit`.
    """

    asset: str
    health_factor: float
    shock: float | None
    is_endless: bool


@dataclass(frozen=True, slots=True)
class Impact:
    """What selling `asset` for all debt does to its price on `venue`.

    `move` is the fall of the price by a sale of `sale` quote units, `critical_move` the one from which on the first
    unit sold would lower health if the oracle followed the venue at once. `helps` says that the sale stays inside it.
    """

    venue: str
    asset: str
    sale: float
    move: float
    critical_move: float
    helps: bool


@dataclass(frozen=True, slots=True)
class ExitLadder:
    """All exits along one axis, the one that fails first at the beginning; for people and for planning ahead.

    `toxic_loan_to_value` is 1 / (1 + bonus): beyond it a liquidation leaves the account worse than it was, which is so
    from `toxic_shock` on, `None` when no move that was tried leads there. Both are `None` without a known bonus.
    `impact` is `None` without a venue that takes the collateral, or when nobody asked one.
    """

    axis: ExitAxis
    question: ExitQuestion
    exits: tuple[Exit, ...]
    no_return: tuple[NoReturn, ...]
    toxic_loan_to_value: float | None = None
    toxic_shock: float | None = None
    impact: Impact | None = None
