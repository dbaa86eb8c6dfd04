"""Transactions that a reorganisation takes back or moves, on a chain of their own; `scripts/chaos` counts more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.arena import Arena
from tests.chaos.rows import REORGANISATIONS, ROWS
from tests.chaos.running import run_one

pytestmark = pytest.mark.world

SEED = 4


@pytest.mark.parametrize("number", range(2))
@pytest.mark.parametrize("name", REORGANISATIONS)
def test_what_a_reorganisation_takes_is_found_again(arena: Arena, tmp_path: Path, name: str, number: int) -> None:
    """The same bytes come in again, once; a stranger on the nonce is named."""
    trial = run_one(arena, ROWS[name], number=number, seed=SEED, folder=tmp_path / "trial")

    assert () == trial.wrong, f"{ROWS[name].fault} (seed {SEED}):\n{trial.log}"
