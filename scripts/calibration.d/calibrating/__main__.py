"""scripts/calibration [--output DIR]: derive the table, judge the methods, write the page and its diagram."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from calibrating import predict
from calibrating.conclusions import conclusions
from calibrating.diagram import reliability_svg
from calibrating.facts import facts
from calibrating.history_chart import volatility_svg
from calibrating.multiples import LEVELS, exceedance, fit_and_judge
from calibrating.page import HEALTH_ARRAY, page, percent
from calibrating.predict import Judged, judge
from calibrating.sample import HORIZONS, MAJORS, Asset, day_number, har_path, load
from calibrating.tables import fitted, shipped
from calibrating.tracking import tracked
from calibrating.verdict import reliability, since
from defilev.config.multipliers import multipliers_document
from defilev.model.multipliers import MultiplierTable

ROOT = Path(__file__).resolve().parents[3]
SPLIT = day_number("2022-01-01")
DRAWN = ("lognormal, blend", "jumps, blend", "FHS", "calibrated")


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/calibration", description=__doc__)
    parser.add_argument("--output", type=Path, help="a directory for all four files instead of their places")
    output: Path | None = parser.parse_args().output
    assets = [load(name) for name in MAJORS]
    table = shipped(assets)
    table_file = (output or ROOT / "defilev/config/tables") / "major.json"
    _write(table_file, json.dumps(_rounded(multipliers_document(table)), indent=1) + "\n")
    whole, early_table = _study(assets)
    late = [since(one, SPLIT) for one in whole if one.method != "calibrated"] + early_table
    late.sort(key=lambda one: HORIZONS.index(one.horizon))
    har_paths = {horizon: [har_path(asset, horizon) for asset in assets] for horizon in HORIZONS}
    fits = [
        row
        for horizon in HORIZONS
        for row in fit_and_judge(assets, _paths(assets, har_paths[horizon]), horizon, split=SPLIT)
    ]
    link = load("LINK")
    text = page(
        described=[facts(asset) for asset in (*assets, link)],
        table=table,
        whole=whole,
        late=late,
        fits=fits,
        outside=_outside(link, table),
        conclusions=conclusions(table, whole, late),
        followed=tracked(assets),
    )
    _write((output or ROOT / "docs") / "calibration.md", text)
    panels = {
        horizon: {
            method: reliability(one, HEALTH_ARRAY)
            for method in DRAWN
            for one in whole
            if (one.method, one.horizon) == (method, horizon)
        }
        for horizon in HORIZONS
    }
    title = "Touched against predicted, ETH and BTC, daily starts 2019–2025"
    _write((output or ROOT / "docs") / "calibration.svg", reliability_svg(panels, title=title))
    _write((output or ROOT / "docs") / "volatility.svg", volatility_svg(assets))


def _study(assets: Sequence[Asset]) -> tuple[list[Judged], list[Judged]]:
    """Every method at every horizon on all starts, and the calibrated one from 2022 on with the table of before."""
    models = [predict.garch_models(asset) for asset in assets]
    whole, split = [], []
    for horizon in HORIZONS:
        started = time.monotonic()
        by_year = predict.table_by_year(assets, horizon)
        shorter = [days for days in HORIZONS if days <= horizon]
        before_split = fitted(assets, ends_before=SPLIT, horizons=shorter)
        har = [har_path(asset, horizon) for asset in assets]
        garch = [predict.garch_path(asset, fits, horizon) for asset, fits in zip(assets, models, strict=True)]
        methods = {
            "lognormal, EWMA": [predict.lognormal(asset.ewma, horizon) for asset in assets],
            "lognormal, blend": [predict.lognormal(asset.blend, horizon) for asset in assets],
            "lognormal, HAR": [predict.lognormal(path, horizon) for path in har],
            "lognormal, GARCH": [predict.lognormal(path, horizon) for path in garch],
            "jumps, blend": [predict.jumps(asset.blend, horizon) for asset in assets],
            "FHS": [predict.filtered(a, horizon, fits) for a, fits in zip(assets, models, strict=True)],
            "calibrated": [predict.calibrated(a.blend, horizon, a.daily.day, by_year) for a in assets],
        }
        whole += [judge(name, horizon, assets, asked, HEALTH_ARRAY) for name, asked in methods.items()]
        late = [predict.calibrated(a.blend, horizon, a.daily.day, _always(before_split)) for a in assets]
        split.append(since(judge("calibrated", horizon, assets, late, HEALTH_ARRAY), SPLIT))
        print(f"judged {horizon} d in {time.monotonic() - started:.0f} s", file=sys.stderr)
    return whole, split


def _always(table: MultiplierTable) -> Callable[[int], MultiplierTable]:
    return lambda _: table


def _paths(assets: Sequence[Asset], har: Sequence[Any]) -> dict[str, Sequence[Any]]:
    return {"EWMA": [a.ewma for a in assets], "HAR": har, "blend": [a.blend for a in assets]}


def _outside(link: Asset, table: MultiplierTable) -> list[list[str]]:
    rows = []
    for row in table.horizons:
        for factor in (1.0, 1.15):
            k = [factor * row.multipliers[table.probabilities.index(level)] for level in LEVELS]
            seen = exceedance(link, k, int(row.days))
            rows.append([f"{row.days:g} d", f"× {factor:g}", *(percent(one.share) for one in seen)])
    return rows


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 4)
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    print(f"wrote {path}", file=sys.stderr)


if __name__ == "__main__":
    np.seterr(under="ignore")
    main()
