"""Every row of the fault matrix, a few trials of each; `scripts/chaos --rows all` counts more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.rows import CRASHES, REORGANISATIONS, ROWS
from tests.chaos.running import run_one
from tests.support.world import ROOT

pytestmark = pytest.mark.world

SEED = 4
COUNTED_ELSEWHERE = (*CRASHES, *REORGANISATIONS, "naive")
LEAST = 2
"""Trials of each row in a full run."""

CASES = [
    pytest.param(name, number, id=f"{name}-{number}", marks=[pytest.mark.full] if number >= row.quick else [])
    for name, row in ROWS.items()
    if name not in COUNTED_ELSEWHERE
    for number in range(max(row.quick, LEAST))
]


@pytest.mark.parametrize(("name", "number"), CASES)
def test_a_row_holds(arena: Arena, tmp_path: Path, name: str, number: int) -> None:
    """What its row says must come of a fault comes of it."""
    trial = run_one(arena, ROWS[name], number=number, seed=SEED, folder=tmp_path / "trial")

    assert () == trial.wrong, f"{ROWS[name].fault} (seed {SEED}):\n{trial.log}"


@pytest.mark.parametrize("name", ROWS)
def test_each_defence_is_where_its_row_says(name: str) -> None:
    """What a mutant takes away is in its file exactly once, and something else takes its place."""
    for mutant in (part for whole in ROWS[name].mutants for part in (whole, *whole.also)):
        assert 1 == (ROOT / mutant.file).read_text(encoding="utf-8").count(mutant.old), mutant
        assert mutant.old != mutant.new
