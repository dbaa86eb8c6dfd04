"""How large a reserve must be for a stated fall, and what it lacks; statistics for people, never amounts to send."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from math import fsum

from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.guard import Alert
from defilev.model.guard_rules import AccountRule
from defilev.model.token import TokenBalance

__all__ = ["Funds", "ReserveState", "margin_state", "needed_reserve", "reserve_alerts", "reserve_state"]

REPAY_GAS = 440_000
"""An approval and a repayment."""

ACTIONS_OF_GAS = 20
"""How many of them the payer's native balance should last for."""


@dataclass(frozen=True, slots=True)
class Funds:
    """What a payer holds: native base units, and tokens."""

    native: int
    balances: tuple[TokenBalance, ...]


@dataclass(frozen=True, slots=True)
class ReserveState:
    """What the payer holds, in quote units, and what it should; `needed` is `None` when the rule states no fall."""

    holds: Decimal
    needed: Decimal | None
    native: int
    native_needed: int

    @property
    def shortfall(self) -> Decimal:
        """What is missing, zero when nothing is."""
        return Decimal(0) if self.needed is None else max(self.needed - self.holds, Decimal(0))


def needed_reserve(exposure: Exposure, *, fall: float, goal: float) -> float:
    """Return the debt in quote units to repay after all volatile drivers fell by `fall`, to be at health `goal` again.

    Repaying x lowers the requirement alone: capacity ÷ (requirement - x) = goal. Zero when nothing need be repaid.
    """
    stable = {driver.feed for driver in exposure.drivers if driver.stable}
    factors = [(term, 1.0 if term.driver in stable else 1.0 - fall) for term in exposure.terms]
    capacity = fsum(term.capacity * factor for term, factor in factors)
    requirement = fsum(term.requirement * factor for term, factor in factors)
    return max(requirement - capacity / goal, 0.0)


def reserve_state(
    rule: AccountRule, account: LendingAccount, exposure: Exposure, funds: Funds, *, base_fee: int
) -> ReserveState:
    """Return how the payer stands for one account."""
    debts = {leg.asset.address: leg.price for leg in account.legs if leg.side == "borrow"}
    holds = sum(
        (
            Decimal(held.amount * debts[held.token.address].value).scaleb(
                -held.token.decimals - debts[held.token.address].decimals
            )
            for held in funds.balances
            if held.token.address in debts
        ),
        Decimal(0),
    )
    goal = rule.goal.value if rule.goal is not None and rule.goal.value is not None else None
    needed = None
    if rule.reserve_for is not None and goal is not None:
        needed = Decimal(str(round(needed_reserve(exposure, fall=float(rule.reserve_for), goal=float(goal)), 2)))
    return ReserveState(holds, needed, funds.native, _native_needed(base_fee))


def _native_needed(base_fee: int) -> int:
    return ACTIONS_OF_GAS * REPAY_GAS * max(base_fee, 1)


def margin_state(funds: Funds, *, base_fee: int) -> ReserveState:
    """Return how the payer of margin stands, with one quote unit for each dollar; what a fall takes is not known."""
    holds = sum((Decimal(held.amount).scaleb(-held.token.decimals) for held in funds.balances), Decimal(0))
    return ReserveState(holds, None, funds.native, _native_needed(base_fee))


def reserve_alerts(rule: AccountRule, state: ReserveState) -> Iterator[Alert]:
    """Yield what the reserve lacks."""
    if state.shortfall > 0 and rule.reserve_for is not None:
        yield Alert(
            "warning",
            "reserve-short",
            rule.name,
            f"the reserve does not suffice for a fall of {rule.reserve_for:.0%}",
            (
                ("holds", f"{state.holds:.2f}"),
                ("needs", f"{state.needed:.2f}"),
                ("missing", f"{state.shortfall:.2f}"),
                ("payer", rule.payer or ""),
            ),
        )
    if state.native < state.native_needed:
        yield Alert(
            "warning",
            "gas-short",
            rule.name,
            f"the payer's gas does not last for {ACTIONS_OF_GAS} actions at the base fee of now",
            (("has_wei", str(state.native)), ("needs_wei", str(state.native_needed)), ("payer", rule.payer or "")),
        )
