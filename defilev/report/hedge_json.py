"""The `defilev/hedge@1` document; docs/json.md describes every field."""

from __future__ import annotations

from math import isfinite
from typing import Any

from defilev.optimize.hedged import CarryBook, Odds
from defilev.pipeline.hedging import HedgedBook
from defilev.report.decimals import computed_price, fraction, money
from defilev.report.liquidation import decimal_figure

__all__ = ["hedge_document"]


def hedge_document(book: HedgedBook) -> dict[str, Any]:
    """Return the document: money as decimal strings, chances as numbers, `None` where there is no figure."""
    loan, hedge, asked = book.loan, book.hedge, book.question
    return {
        "schema": "defilev/hedge@1",
        "chain_id": loan.chain_id,
        "block": {"number": loan.block.number, "hash": loan.block.hash, "timestamp": loan.block.timestamp},
        "address": loan.owner,
        "loan": {"protocol": loan.protocol, "market": loan.market},
        "hedge": {"protocol": hedge.protocol, "market": hedge.market},
        "driver": book.driver,
        "price": computed_price(decimal_figure(book.price)),
        "volatility": asked.volatility,
        "horizon_days": asked.horizon * 365,
        "budget": asked.budget,
        "equity": _money(book.equity),
        "delta": _money(book.delta),
        "now": _odds(book.now),
        "split": {"moved_to_hedge": _money(book.moved), **_odds(book.split)},
        "missing_equity": _money(book.missing),
        "held": _book(book.held, is_known=book.carry is not None),
        "delta_band": None if asked.band is None else list(asked.band),
        "best_carry": None if book.best is None else _book(book.best, is_known=True),
    }


def _odds(odds: Odds) -> dict[str, Any]:
    return {
        "either": odds.either,
        "loan": odds.loan,
        "hedge": odds.hedge,
        "below": fraction(decimal_figure(odds.below - 1)) if odds.below > 0 else None,
        "above": fraction(decimal_figure(odds.above - 1)) if isfinite(odds.above) else None,
    }


def _book(book: CarryBook, *, is_known: bool) -> dict[str, Any]:
    return {
        "collateral": _money(book.collateral),
        "debt": _money(book.debt),
        "margin": _money(book.margin),
        "notional": _money(book.notional),
        "carry": _money(book.carry) if is_known else None,
    }


def _money(value: float) -> str | None:
    return money(decimal_figure(value))
