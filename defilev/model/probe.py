"""What is asked of an account between the steps of a simulation, in calls known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from defilev.model.request import Address, Call, Results
from defilev.model.token import Allowance, Token, TokenBalance
from defilev.units import Wad

__all__ = ["Observed", "ProbeCalls"]


@dataclass(frozen=True, slots=True)
class Observed:
    """An account as its contracts describe it after a step.

    `health_factor` is `None` when nothing is owed; values are in quote base units, amounts in base units of each token.
    `margin_ratio` is that of perpetuals, `None` without any. `supplied` counts idle supply too, `owed` every kind of
    debt, `wallet` what the owner holds outside the market. `e_mode` is the category, 0 for none, `None` where there are
    no such.
    """

    health_factor: Wad | None
    collateral_value: int
    debt_value: int
    supplied: tuple[TokenBalance, ...]
    owed: tuple[TokenBalance, ...]
    wallet: tuple[TokenBalance, ...]
    allowances: tuple[Allowance, ...]
    margin_ratio: Wad | None = None
    e_mode: int | None = None


@dataclass(frozen=True, slots=True)
class ProbeCalls:
    """Two questions and how to read their answers: the health factor after each step, and everything after the last.

    `decode_health` and `decode` take one result per call and raise `CallReverted` when a getter has failed.
    `tokens` are those that the market or the plan names. `position_tokens` stand for what is supplied or owed: they
    move with the position and are nothing that the wallet gains or loses.
    """

    health_calls: tuple[Call, ...]
    decode_health: Callable[[Results], Wad | None]
    calls: tuple[Call, ...]
    decode: Callable[[Results], Observed]
    tokens: tuple[Token, ...]
    position_tokens: frozenset[Address]
