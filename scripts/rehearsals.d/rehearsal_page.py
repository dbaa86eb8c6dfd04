"""The table of docs/rehearsal.md, made from what rehearsals came to; the page's own words stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from tests.support.world import ROOT

PAGE = ROOT / "docs" / "rehearsal.md"
BEGIN, END = "<!-- rehearsals: written by scripts/rehearsals --write-docs -->", "<!-- end of rehearsals -->"
COLUMNS = ("account", "shock", "before", "after it", "outcome", "steps", "after the plan", "cost", "gas")


def write_page(found: Sequence[Mapping[str, Any]], conditions: str) -> None:
    """Put the table into the page between its marks."""
    page = PAGE.read_text(encoding="utf-8")
    head, rest = page.split(BEGIN)
    _, tail = rest.split(END)
    PAGE.write_text(f"{head}{BEGIN}\n{table(found, conditions)}\n{END}{tail}", encoding="utf-8")


def table(found: Sequence[Mapping[str, Any]], conditions: str) -> str:
    """Return the table, and the refusals below it."""
    rows = [COLUMNS, ["---"] * len(COLUMNS), *(_row(each) for each in found)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    refused = dict.fromkeys(
        f"- {each['account']}, {each['shock']}: {each['refusal']}" for each in found if each["refusal"]
    )
    why = ["", "Why there was no plan:", "", *refused] if refused else []
    return "\n".join([f"Each with `{conditions}`.", "", *lines, *why])


def _row(each: Mapping[str, Any]) -> list[str]:
    health = ("health_factor_before", "health_factor_shocked", "health_factor_after")
    before, shocked, after = (_health(each[name]) for name in health)
    steps = str(each["steps"]) if each["steps"] else ""
    money = [_money(each[name], each["quote"]) for name in ("cost", "gas_value")]
    return [each["account"], each["shock"], before, shocked, each["outcome"], steps, after, *money]


def _health(figure: Mapping[str, str] | None) -> str:
    if figure is None:
        return ""
    value = Decimal(figure["decimal"])
    return f"{value:.3f}" if value < 1000 else "> 1000"


def _money(value: str | None, quote: str) -> str:
    if value is None:
        return ""
    return f"${Decimal(value):,.2f}" if quote == "USD" else f"{Decimal(value):,.4f} {quote}"
