"""A simulated plan as lines for a terminal."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from defilev.model.plan import Execute, Plan, PostCondition
from defilev.model.request import Address
from defilev.model.simulation import CheckedCondition, SimulationReport, StepReport, TokenMovement
from defilev.report.figures import NOTHING, amount, block_number, clean, grouped, health, worth
from defilev.report.ink import Ink
from defilev.report.table import Cell, Column, flow, table
from defilev.units import to_decimal

__all__ = ["simulation_text"]

_COLUMNS = (
    Column("step"),
    Column(""),
    Column("gas", "right", drop=1),
    Column("health after", "right"),
    Column("what moved in the wallet"),
)


def simulation_text(plan: Plan, report: SimulationReport, *, width: int, ink: Ink) -> str:
    """Return what happened step by step, the state after the last, and every post-condition."""
    engine = "an anvil fork" if report.engine == "anvil" else "eth_simulateV1, on the state"
    heading = ink(f"simulated on {engine} of block {block_number(report.block.number)}", "strong")
    rows = [_row(plan, step) for step in report.steps]
    lines = [heading, *table(_COLUMNS, rows, width=width, ink=ink)]
    lines += [f"  {line}" for line in _reasons(report, width=width - 2, ink=ink)]
    lines += ["", f"  after    {_after(report)}    gas {_gas(plan, report)}"]
    lines += [f"           {line}" for line in _left(plan, report, width=width - 11, ink=ink)]
    lines += [f"  {_check(check, ink)}" for check in report.conditions]
    return "\n".join(lines)


def _row(plan: Plan, step: StepReport) -> list[Cell]:
    action = next(each.action for each in plan.steps if each.index == step.index)
    if step.status != "ok":
        said = step.status.replace("-", " ")
        return [Cell(f"{step.index} {action.kind}"), Cell("✗", "DANGER"), Cell(NOTHING), Cell(NOTHING), Cell(said)]
    return [
        Cell(f"{step.index} {action.kind}"),
        Cell("✓", "OK"),
        Cell(grouped(Decimal(step.gas_used or 0), 0)),
        Cell(_health(step.health_factor)),
        Cell(_moved(plan, step)),
    ]


def _reasons(report: SimulationReport, *, width: int, ink: Ink) -> list[str]:
    return [
        line
        for step in report.steps
        if step.status == "reverted"
        for line in _flowed(f"step {step.index} reverted: {clean(step.revert_reason or '')}", width=width, ink=ink)
    ]


def _flowed(text: str, *, width: int, ink: Ink) -> list[str]:
    return flow([Cell(word) for word in text.split(" ")], separator=" ", width=width, ink=ink)


def _moved(plan: Plan, step: StepReport) -> str:
    own = [movement for movement in step.movements if movement.symbol and plan.owner in _ends(movement)]
    action = next(each.action for each in plan.steps if each.index == step.index)
    shown = _net(own, plan.owner) if isinstance(action, Execute) else own
    return "  ".join(_signed(plan, movement) for movement in shown)


def _net(moved: list[TokenMovement], owner: Address) -> list[TokenMovement]:
    """Return what a Safe's calls came to for each token, in one transaction; what came to nothing is left out."""
    sums: dict[Address, int] = {}
    for each in moved:
        sums[each.token] = sums.get(each.token, 0) + (each.amount if each.recipient == owner else -each.amount)
    samples = {each.token: each for each in moved}
    return [
        replace(
            samples[token],
            amount=abs(change),
            sender=samples[token].token if change > 0 else owner,
            recipient=owner if change > 0 else samples[token].token,
        )
        for token, change in sums.items()
        if change
    ]


def _ends(movement: TokenMovement) -> tuple[str, str]:
    return movement.sender, movement.recipient


def _signed(plan: Plan, movement: TokenMovement) -> str:
    sign = "+" if movement.recipient == plan.owner else "−"
    return f"{sign}{_amount(movement)}"


def _amount(movement: TokenMovement) -> str:
    return f"{amount(movement.amount, movement.decimals or 0)} {clean(movement.symbol or '')}"


def _after(report: SimulationReport) -> str:
    if report.collateral_value is None:
        return "nothing: a step reverted"
    return f"health factor {_health(report.health_factor)}" if report.debt_value else "nothing is owed"


def _gas(plan: Plan, report: SimulationReport) -> str:
    used = grouped(Decimal(report.gas_used), 0)
    if plan.cost.gas_value is None or not plan.cost.gas * plan.cost.gas_price:
        return used
    paid = Decimal(report.gas_used) * report.gas_price * plan.cost.gas_value / (plan.cost.gas * plan.cost.gas_price)
    return f"{used} ≈ {worth(paid.scaleb(-plan.quote_decimals), plan.quote)}"


def _left(plan: Plan, report: SimulationReport, *, width: int, ink: Ink) -> list[str]:
    gained = [movement for movement in report.wallet_changes if movement.recipient == plan.owner]
    if not gained:
        return []
    listed = ", ".join(_amount(each) for each in gained)
    return _flowed(f"{listed} more in the wallet than before", width=width, ink=ink)


def _check(check: CheckedCondition, ink: Ink) -> str:
    mark = ink("✓", "OK") if check.holds else ink("✗", "DANGER")
    return f"{mark} {_condition(check.condition)}{_found(check)}"


def _condition(condition: PostCondition) -> str:
    token = condition.token
    limit = condition.limit or 0
    figure = f"{amount(limit, token.decimals)} {clean(token.symbol)}" if token else ""
    of_token = f" of {clean(token.symbol)}" if token else ""
    words = {
        "health-factor-at-least": f"health factor at least {_health(condition.limit)}",
        "margin-ratio-at-least": f"margin ratio at least {_health(condition.limit)}",
        "debt-at-most": f"debt at most {figure}",
        "debt-at-least": f"at least {figure} still owed, so that nothing was turned around",
        "collateral-at-least": f"collateral at least {figure}",
        "balance-at-least": f"at least {figure} in the wallet",
        "allowance-zero": f"no allowance{of_token} left to {condition.spender}",
        "no-debt": f"no debt{of_token}",
        "no-collateral": f"no collateral{of_token}",
        "e-mode-is": f"e-mode {limit}" if limit else "no e-mode",
    }
    return words[condition.kind]


def _found(check: CheckedCondition) -> str:
    if check.holds or check.found is None:
        return ""
    token = check.condition.token
    if check.condition.kind in {"health-factor-at-least", "margin-ratio-at-least"}:
        return f": {_health(check.found)}"
    return f": {amount(check.found, token.decimals)} {clean(token.symbol)}" if token else f": {check.found}"


def _health(value: int | None) -> str:
    return "no debt" if value is None else health(to_decimal(value, 18))
