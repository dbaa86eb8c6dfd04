"""The first paragraph of the page: what the figures say, in the figures' own words."""

from __future__ import annotations

from collections.abc import Sequence

from calibrating.page import percent, with_interval
from calibrating.predict import Judged
from calibrating.verdict import breached
from defilev.model.multipliers import MultiplierTable


def conclusions(table: MultiplierTable, whole: Sequence[Judged], late: Sequence[Judged]) -> str:
    week = {one.method: breached(one, 0.01) for one in whole if one.horizon == 7}
    tested = {one.method: breached(one, 0.01) for one in late if one.horizon == 7}
    lognormal = {method: seen.share for method, seen in week.items() if method.startswith("lognormal")}
    row = next(row for row in table.horizons if row.days == 7)
    k = [row.multipliers[table.probabilities.index(level)] for level in (0.05, 0.01, 0.001)]
    low, high = percent(min(lognormal.values())), percent(max(lognormal.values()))
    jumps, filtered = percent(week["jumps, blend"].share), percent(week["FHS"].share)
    yearly, late_only = with_interval(week["calibrated"]), with_interval(tested["calibrated"])
    return f"""- A health factor held at a **lognormal** 1 % for 7 days was liquidated in {low} to {high} of all weeks
  from 2019 on, by estimator of the volatility; with jumps in {jumps}, with filtered historical simulation
  in {filtered}.
- The **calibrated** 1 %, with the table frozen at the start of each year, was breached in {yearly};
  from 2022 on, with one table fitted before, in {late_only}.
- The shipped multipliers for 7 days at 5 / 1 / 0.1 % are {_row(k)}; a normal law has 1.96 / 2.58 / 3.29."""


def _row(multipliers: Sequence[float]) -> str:
    return " / ".join(f"{k:.2f}" for k in multipliers)
