"""Sales of collateral for debt as a linear programme: variables, rows and what a solution means; HiGHS solves it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from defilev.errors import InvalidNumber
from defilev.optimize.arguments import above, at_least, finite, open_unit

__all__ = ["SLACK", "UNIT", "Collateral", "Programme", "Route", "Sale", "Sales", "capacity_of"]

UNIT = 1_000.0
"""What amounts in quote units are divided by before they are solved for, so that tolerances fit."""

SLACK = 1e-9


@dataclass(frozen=True, slots=True)
class Collateral:
    """What is supplied of one asset: its value and its liquidation threshold, a fraction.

    `most` is what of the value can be sold, all of it when it is `None`. `whole` says that all of it must be sold.
    """

    value: float
    liquidation_threshold: float
    most: float | None = None
    whole: bool = False

    @property
    def sellable(self) -> float:
        """What of the value can be sold."""
        return self.value if self.most is None else min(self.most, self.value)


@dataclass(frozen=True, slots=True)
class Route:
    """A way to sell collateral number `collateral` for debt number `debt`.

    `segments` are (size, cost per unit sold) with costs that rise; a cost below zero is a gain. `fixed_cost` is paid
    once the route is used. `kept` is the part of what is sold that surely arrives as repayment, whatever the cost;
    when it is `None` what is not lost arrives.
    """

    collateral: int
    debt: int
    segments: tuple[tuple[float, float], ...]
    fixed_cost: float = 0.0
    kept: float | None = None

    @property
    def size(self) -> float:
        """The most that goes along the route."""
        return sum(size for size, _ in self.segments)

    def arriving(self, cost: float) -> float:
        """Return the part of what is sold at `cost` that arrives as repayment."""
        return 1 - cost if self.kept is None else self.kept


@dataclass(frozen=True, slots=True)
class Sale:
    """How much goes along a route, and what arrives as repayment."""

    route: Route
    sold: float
    repaid: float


@dataclass(frozen=True, slots=True)
class Sales:
    """The cheapest sales, what the wallet repays of each debt, and what it all costs."""

    sales: tuple[Sale, ...]
    from_wallet: tuple[float, ...]
    cost: float


def capacity_of(collaterals: Sequence[Collateral]) -> float:
    """Return what counts of the collateral."""
    return sum(held.value * held.liquidation_threshold for held in collaterals)


@dataclass(frozen=True, slots=True)
class Programme:
    """Variables in this order: what is sold by piece of a route, whether a route is used, what the wallet repays."""

    collaterals: Sequence[Collateral]
    debts: Sequence[float]
    routes: Sequence[Route]
    wallet: Sequence[float]
    pieces: Sequence[tuple[int, float, float]]

    @classmethod
    def of(
        cls,
        collaterals: Sequence[Collateral],
        debts: Sequence[float],
        routes: Sequence[Route],
        wallet: Sequence[float],
    ) -> Programme:
        """Return the programme; raises `InvalidNumber` for an argument out of range, or a cost curve that falls."""
        _check(collaterals, debts, routes)
        pieces = [(place, size, cost) for place, route in enumerate(routes) for size, cost in route.segments]
        return cls(collaterals, debts, routes, list(wallet) or [0.0] * len(debts), pieces)

    def gains(self, health: float) -> list[float]:
        """Return what a unit of each variable adds to `Σℓ·C' − H·ΣD'`."""
        sold = [
            health * self.routes[place].arriving(cost)
            - self.collaterals[self.routes[place].collateral].liquidation_threshold
            for place, _, cost in self.pieces
        ]
        return sold + [0.0] * len(self.routes) + [health] * len(self.debts)

    def costs(self) -> list[float]:
        """Return what a unit of each variable costs."""
        fixed = [route.fixed_cost / UNIT for route in self.routes]
        return [cost for _, _, cost in self.pieces] + fixed + [0.0] * len(self.debts)

    def solved(
        self,
        prices: Sequence[float],
        rows: Sequence[tuple[list[float], float, float]],
        *,
        used: frozenset[int] = frozenset(),
        unused: frozenset[int] = frozenset(),
    ) -> list[float] | None:
        """Return the cheapest amounts in quote units, `None` when there are none.

        Routes are paid for in proportion to how much of them is used, `used` ones in whole; `unused` ones are closed.
        """
        import numpy as np
        from scipy.optimize import Bounds, LinearConstraint, milp

        bound = [*rows, *self._limits()]
        places = range(len(self.routes))
        lower = [0.0] * len(self.pieces) + [float(place in used) for place in places] + [0.0] * len(self.debts)
        upper = [size / UNIT for _, size, _ in self.pieces] + [float(place not in unused) for place in places]
        upper += [min(held, owed) / UNIT for held, owed in zip(self.wallet, self.debts, strict=True)]
        found = milp(
            np.array(prices),
            constraints=LinearConstraint(
                np.array([row for row, _, _ in bound]),
                np.array([low for _, low, _ in bound]),
                np.array([high for _, _, high in bound]),
            ),
            bounds=Bounds(np.array(lower), np.array(upper)),
        )
        return None if found.x is None else [float(value) * UNIT for value in found.x]

    def divided(self, amounts: Sequence[float]) -> int | None:
        """Return the route whose fixed cost is least paid for by `amounts`, `None` when all are paid or unused."""
        open_ = [
            (route.fixed_cost * (1 - amounts[len(self.pieces) + number] / UNIT), number)
            for number, route in enumerate(self.routes)
            if sum(amount for amount, _ in self._own(number, amounts)) > SLACK * UNIT
        ]
        unpaid, number = max(open_, default=(0.0, None))
        return number if unpaid > SLACK * UNIT else None

    def _limits(self) -> list[tuple[list[float], float, float]]:
        """Return rows with their bounds: collateral held, debt owed, and that a route is paid for when it is used."""
        of = [(place, self.routes[place], cost) for place, _, cost in self.pieces]
        rows = []
        for number, held in enumerate(self.collaterals):
            row = self._row([float(route.collateral == number) for _, route, _ in of])
            rows.append((row, held.value / UNIT if held.whole else 0.0, held.sellable / UNIT))
        for number, debt in enumerate(self.debts):
            row = self._row([route.arriving(cost) * (route.debt == number) for _, route, cost in of])
            row[len(self.pieces) + len(self.routes) + number] = 1.0
            rows.append((row, 0.0, debt / UNIT))
        for number, route in enumerate(self.routes):
            row = self._row([float(place == number) for place, _, _ in of])
            row[len(self.pieces) + number] = -route.size / UNIT
            rows.append((row, -float("inf"), 0.0))
        return rows

    def _row(self, sold: list[float]) -> list[float]:
        return sold + [0.0] * (len(self.routes) + len(self.debts))

    def sales(self, amounts: Sequence[float]) -> Sales:
        """Return what the solved amounts mean."""
        found, cost = [], 0.0
        for number, route in enumerate(self.routes):
            own = self._own(number, amounts)
            sold = sum(amount for amount, _ in own)
            if sold > SLACK * UNIT:
                found.append(Sale(route, sold, sum(amount * route.arriving(lost) for amount, lost in own)))
                cost += route.fixed_cost + sum(amount * lost for amount, lost in own)
        return Sales(tuple(found), tuple(amounts[len(self.pieces) + len(self.routes) :]), cost)

    def _own(self, number: int, amounts: Sequence[float]) -> list[tuple[float, float]]:
        pieces = zip(self.pieces, amounts, strict=False)
        return [(amount, cost) for (place, _, cost), amount in pieces if place == number]

    def after(self, amounts: Sequence[float]) -> tuple[float, float]:
        """Return what counts as collateral and what is owed after the sales."""
        done = self.sales(amounts)
        lost = sum(sale.sold * self.collaterals[sale.route.collateral].liquidation_threshold for sale in done.sales)
        repaid = sum(sale.repaid for sale in done.sales) + sum(done.from_wallet)
        return capacity_of(self.collaterals) - lost, sum(self.debts) - repaid

    def used_up(self, amounts: Sequence[float]) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Return the numbers of the collaterals and of the routes of which no more can be sold."""
        sold = [sum(amount for amount, _ in self._own(number, amounts)) for number in range(len(self.routes))]
        spent = [0.0] * len(self.collaterals)
        for route, amount in zip(self.routes, sold, strict=True):
            spent[route.collateral] += amount
        most = [held.sellable for held in self.collaterals]
        return _full(spent, most), _full(sold, [route.size for route in self.routes])


def _full(used: Sequence[float], most: Sequence[float]) -> tuple[int, ...]:
    return tuple(number for number, (one, all_) in enumerate(zip(used, most, strict=True)) if one >= all_ * (1 - 1e-6))


def _check(collaterals: Sequence[Collateral], debts: Sequence[float], routes: Sequence[Route]) -> None:
    for held in collaterals:
        at_least(held.value, 0, what="collateral")
        open_unit(held.liquidation_threshold, what="liquidation threshold")
    for debt in debts:
        at_least(debt, 0, what="debt")
    for route in routes:
        at_least(route.fixed_cost, 0, what="fixed cost")
        costs = [cost for _, cost in route.segments]
        if not costs or costs != sorted(costs):
            raise InvalidNumber("a route's cost falls with size", fix="give segments whose cost per unit rises")
        for size, cost in route.segments:
            above(size, 0, what="segment")
            finite(cost, what="cost")
