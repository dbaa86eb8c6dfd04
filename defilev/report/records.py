"""A report as flat records, a line for each account: for data frames, and for spreadsheets as CSV."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

from defilev.report.decimals import rounded
from defilev.report.figures import clean
from defilev.report.health_report import HealthReport
from defilev.report.liquidation import LiquidationView
from defilev.report.perp import PerpBalance, PerpView, View

__all__ = ["COLUMNS", "health_csv", "health_records"]

COLUMNS = (
    *("chain", "chain_id", "block", "protocol", "market", "market_label", "address", "name", "status", "health_factor"),
    *("quote", "collateral_value", "debt_value", "equity_value", "idle_value", "leverage", "loan_to_value"),
    *("net_carry", "nearest_liquidation", "nearest_liquidation_price", "nearest_liquidation_distance", "self_check"),
    *("kind", "margin_value", "maintenance_margin", "notional", "net_notional"),
)
"""The fields of a record, in order."""

_OF_ONE_KIND = (
    *("collateral_value", "debt_value", "idle_value", "loan_to_value"),
    *("margin_value", "maintenance_margin", "notional", "net_notional"),
)
_FORMULA = ("=", "+", "-", "@")


def health_records(report: HealthReport) -> list[dict[str, Any]]:
    """Return a record for each account with a position: text, integers and exact decimals, `None` for no figure.

    Values are in the market's quote currency, ratios have six places. What no chain shows, the total and what could not
    be read are not among them.
    """
    return [_record(report, view) for view in report.all_views]


def health_csv(report: HealthReport) -> str:
    """Return the records as CSV with a heading, without a newline at its end; an empty cell where there is no figure.

    A text that a spreadsheet would take for a formula gets an apostrophe in front.
    """
    target = io.StringIO()
    writer = csv.DictWriter(target, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for record in health_records(report):
        writer.writerow({column: _cell(value) for column, value in record.items()})
    return target.getvalue().removesuffix("\n")


def _record(report: HealthReport, view: View) -> dict[str, Any]:
    account, near = view.account, view.nearest
    return {
        "chain": report.chain_of(view).name,
        "chain_id": account.chain_id,
        "block": account.block.number,
        "protocol": account.protocol,
        "market": account.market,
        "market_label": account.market_name,
        "address": account.owner,
        "name": view.name,
        "status": view.status,
        "health_factor": view.health_factor,
        "quote": account.quote,
        **_balance(view),
        "nearest_liquidation": None if near is None else near.mover,
        "nearest_liquidation_price": near.price if isinstance(near, LiquidationView) else None,
        "nearest_liquidation_distance": None if near is None else near.distance,
        "self_check": account.self_check.result,
    }


def _balance(view: View) -> dict[str, Any]:
    """Return the figures of a loan or of a perpetual; those that only the other kind has are `None`."""
    balance = view.balance
    both = {
        "kind": "perp" if isinstance(view, PerpView) else "lending",
        "equity_value": balance.equity_value,
        "leverage": _ratio(balance.leverage),
        "net_carry": _ratio(balance.net_carry),
    }
    if isinstance(balance, PerpBalance):
        own: dict[str, Any] = {
            "margin_value": balance.margin_value,
            "maintenance_margin": balance.maintenance_margin,
            "notional": balance.notional,
            "net_notional": balance.net_notional,
        }
    else:
        own = {
            "collateral_value": balance.collateral_value,
            "debt_value": balance.debt_value,
            "idle_value": balance.idle_value,
            "loan_to_value": _ratio(balance.loan_to_value),
        }
    return {**dict.fromkeys(_OF_ONE_KIND), **both, **own}


def _ratio(value: Decimal | None) -> Decimal | None:
    return None if value is None else rounded(value, 6)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Decimal):
        return format(value, "f")
    text = clean(str(value))
    return f"'{text}" if isinstance(value, str) and text.startswith(_FORMULA) else text
