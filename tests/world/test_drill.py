"""A small crash drill keeps what the large ones promise."""

from __future__ import annotations

import json
import subprocess

import pytest

from tests.support.world import ROOT

pytestmark = [pytest.mark.world, pytest.mark.full]

DRILL = ("scripts/drill", "--from", "2021-05-19T10:00", "--to", "2021-05-19T13:00", "--accounts", "5", "--kills", "3")
"""Three hours of 19 May 2021, in which prices fall by a third."""


def test_no_account_is_lost_that_could_be_saved() -> None:
    """Guarded accounts live where others are liquidated, nothing is done twice, and of the lost people were told."""
    done = subprocess.run([ROOT / DRILL[0], *DRILL[1:]], capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr[-2000:] + done.stdout
    told = json.loads(done.stdout)

    assert ([], [], 0) == (told["feasible_liquidated"], told["doubled"], told["resumed_late"])
    assert told["infeasible_liquidated"] == told["alerted_infeasible"]
    assert told["guarded"]["liquidated"] < told["unguarded"]["liquidated"]
    assert told["killed"] > 0
