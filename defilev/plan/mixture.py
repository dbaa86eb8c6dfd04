"""An account and its quotes as the linear programme takes them: values, thresholds, costs per unit, gas per round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from defilev.model.account import Leg, LendingAccount
from defilev.model.plan import Repay, RepayWithSupply, Swap, Withdraw
from defilev.optimize.allocation import Collateral, Route
from defilev.plan.carry import carry_of
from defilev.plan.choose import Ranked
from defilev.plan.curves import Segments
from defilev.plan.inputs import APPROVE_GAS, PlanInputs
from defilev.plan.path import Path
from defilev.units import BPS

__all__ = ["Problem", "problem_of", "variants"]


@dataclass(frozen=True, slots=True)
class Problem:
    """The account as the programme sees it; `sources` and `routes` go together."""

    collaterals: Sequence[Leg]
    debts: Sequence[Leg]
    sources: Sequence[Ranked]
    held: Sequence[Collateral]
    owed: Sequence[float]
    routes: Sequence[Route]
    goal: float

    def source_of(self, route: Route) -> Ranked:
        """Return the source whose route it is."""
        return self.sources[self.routes.index(route)]


def problem_of(path: Path, inputs: PlanInputs, sources: Sequence[Ranked], curves: Sequence[Segments]) -> Problem:
    """Return the programme's view of the account after `path`, with the sources that the venue fills at all."""
    account = path.last
    collaterals = [leg for leg in account.legs if leg.used_as_collateral and leg.value and leg.liquidation_threshold]
    debts = [leg for leg in account.legs if leg.side == "borrow" and leg.value]
    places = {leg.asset: place for place, leg in enumerate(collaterals)}
    owed = {leg.asset: place for place, leg in enumerate(debts)}
    usable = [
        (source, segments)
        for source, segments in zip(sources, curves, strict=True)
        if segments and source.sale.collateral in places and source.sale.debt in owed
    ]
    carry = carry_of(path.last, inputs.constraints)
    routes = [
        Route(
            places[source.sale.collateral],
            owed[source.sale.debt],
            _with_carry(segments, carry.of_sale(source.sale)),
            fixed_cost=_round_gas(inputs, source),
            kept=float(source.sale.kept),
        )
        for source, segments in usable
    ]
    return Problem(
        collaterals,
        debts,
        [source for source, _ in usable],
        [_collateral(path, inputs, leg) for leg in collaterals],
        [_worth(account, leg.value) for leg in debts],
        routes,
        float(inputs.goal.value) if inputs.goal.kind == "health-factor" and inputs.goal.value is not None else 1.0,
    )


def _worth(account: LendingAccount, value: int) -> float:
    return float(Decimal(value).scaleb(-account.quote_decimals))


def _collateral(path: Path, inputs: PlanInputs, leg: Leg) -> Collateral:
    """Return the collateral; for a leverage L every threshold is `1 − 1/L`, and the health factor to reach 1."""
    threshold = (leg.liquidation_threshold or 0) / BPS
    if inputs.goal.kind == "leverage" and inputs.goal.value is not None:
        threshold = 1 - 1 / float(inputs.goal.value)
    value = _worth(path.last, leg.value)
    liquid = path.protocol.liquidity(path.first, leg.asset.address)
    return Collateral(value, threshold, most=value * min(liquid, leg.amount) / leg.amount)


def _with_carry(segments: Segments, carry: float) -> Segments:
    return tuple((size, cost + carry) for size, cost in segments)


def _round_gas(inputs: PlanInputs, source: Ranked) -> float:
    """Return what the gas of one round is worth; 0 where the market has no price of the native asset."""
    if inputs.native is None:
        return 0.0
    sale = source.sale
    if not sale.swaps and inputs.protocol.abilities.repays_with_supply:
        gas = inputs.protocol.gas(RepayWithSupply(sale.debt, 1))
    else:
        gas = inputs.protocol.gas(Withdraw(sale.collateral, 1)) + inputs.protocol.gas(Repay(sale.debt, 1)) + APPROVE_GAS
    if sale.swaps and inputs.venue is not None and source.routes:
        gas += inputs.venue.gas(Swap(source.routes[0], 1, 1, 1)) + APPROVE_GAS
    value = inputs.protocol.value_down(inputs.account, inputs.native.address, gas * inputs.gas_price)
    return _worth(inputs.account, value)


def variants(problem: Problem) -> list[Problem]:
    """Return the ways around zero-LTV collateral, which no other may leave before: only it is sold, or all of it."""
    sold = {route.collateral for route in problem.routes}
    zero = {place for place, leg in enumerate(problem.collaterals) if leg.loan_to_value == 0 and place in sold}
    if not zero:
        return [problem]
    only = [place for place, route in enumerate(problem.routes) if route.collateral in zero]
    whole = [replace(held, whole=place in zero) for place, held in enumerate(problem.held)]
    return [
        replace(
            problem,
            sources=[problem.sources[place] for place in only],
            routes=[problem.routes[place] for place in only],
        ),
        replace(problem, held=whole),
    ]
