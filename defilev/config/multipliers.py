"""Multiplier tables from files: the one shipped, or any that scripts/calibration wrote."""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path
from typing import Any

from defilev.errors import ConfigurationError
from defilev.model.multipliers import HorizonMultipliers, MultiplierTable

__all__ = ["load_multipliers", "multipliers_document"]

_SCHEMA = "defilev/multipliers@1"


def load_multipliers(path: Path | None = None) -> MultiplierTable:
    """Return the table of a file, or the shipped one for ETH and BTC.

    Raises:
        ConfigurationError: the file is absent, of another schema, or its figures are not in order.
    """
    where = "the shipped multiplier table" if path is None else str(path)
    try:
        text = (
            files("defilev.config").joinpath("tables", "major.json").read_text(encoding="utf-8")
            if path is None
            else path.read_text(encoding="utf-8")
        )
        document = json.loads(text)
        if document["schema"] != _SCHEMA:
            raise ConfigurationError(f"{where} is not of schema {_SCHEMA}", fix="make it with scripts/calibration")
        table = _table(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{where} cannot be read: {error}", fix="make it with scripts/calibration") from None
    _check(table, where)
    return table


def multipliers_document(table: MultiplierTable) -> dict[str, Any]:
    """Return the document that `load_multipliers` reads; numbers stay numbers, they carry no money."""
    document = {name: getattr(table, name) for name in table.__dataclass_fields__ if name != "horizons"}
    rows = [{name: getattr(row, name) for name in row.__dataclass_fields__} for row in table.horizons]
    return {"schema": _SCHEMA, **document, "horizons": rows}


def _table(document: dict[str, Any]) -> MultiplierTable:
    rows = tuple(
        HorizonMultipliers(
            days=float(row["days"]),
            multipliers=tuple(float(k) for k in row["multipliers"]),
            errors=tuple(float(error) for error in row["errors"]),
            windows=int(row["windows"]),
            independent_windows=int(row["independent_windows"]),
        )
        for row in document["horizons"]
    )
    words = ("name", "asset_class", "estimator", "first_day", "last_day", "derived_on", "source")
    return MultiplierTable(
        **{word: str(document[word]) for word in words},
        assets=tuple(str(asset) for asset in document["assets"]),
        probabilities=tuple(float(p) for p in document["probabilities"]),
        horizons=rows,
    )


def _check(table: MultiplierTable, where: str) -> None:
    falling = list(table.probabilities) == sorted(set(table.probabilities), reverse=True)
    inside = len(table.probabilities) > 1 and table.probabilities[0] == 1 and table.probabilities[-1] > 0
    days = [row.days for row in table.horizons]
    rising = all(
        list(row.multipliers) == sorted(row.multipliers)
        and len(row.multipliers) == len(row.errors) == len(table.probabilities)
        for row in table.horizons
    )
    if not (falling and inside and rising and days and days == sorted(set(days)) and days[0] > 0):
        raise ConfigurationError(f"{where} is not in order", fix="make it with scripts/calibration")
