"""Whose rule can be kept in a drill, worked out before it runs: from position, rule and path alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "scripts" / "drill.d"

WORK = """
from cast import Part
from feasible import reason
from price_path import Moment
A = "0x" + "11" * 20
def part(authority, *, owed=60000.0, reserve=0.0, trigger=1.3):
    return Part("one", authority, "WETH", "USDC", 100000.0, owed, trigger, 1.5, reserve, A, A, A, A)
def path(*prices, pool=1.0, fee=10**9):
    return [Moment(price, pool, fee) for price in prices]
"""
"""At a price of 1 the health is 0.83 * 100 000 / 60 000 = 1.383; it is 1 at a price of 0.723."""


def told(expression: str) -> str:
    """Return what an expression over parts and paths comes to."""
    words = [sys.executable, "-c", f"{WORK}\nprint({expression})"]
    environment = {"PYTHONPATH": f"{FOLDER}:{FOLDER.parents[1]}", "PATH": ""}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=True).stdout.strip()


SLOW = "*[1 - 0.005 * step for step in range(80)]"
"""Two fifths lower within eighty blocks."""


@pytest.mark.parametrize(
    ("expression", "reason"),
    [
        ("reason(part('alert-only'), path(1, 0.9, 0.8))", "never liquidatable"),
        ("reason(part('alert-only'), path(1, 0.7))", "no key"),
        ("reason(part('reserve', reserve=22000.0), path(1, 0.7))", "the reserve suffices"),
        ("reason(part('reserve', reserve=21000.0), path(1, 0.7))", "too small a reserve"),
        (f"reason(part('owner'), path({SLOW}))", "the rounds fit"),
        (f"reason(part('owner'), path({SLOW}), dead=range(80))", "the rounds do not fit"),
        (f"reason(part('owner'), path({SLOW}, pool=0.85))", "the rounds do not fit"),
        (f"reason(part('owner'), path({SLOW}, fee=10**13))", "the rounds do not fit"),
        ("reason(part('owner'), path(1, 0.93, 0.85, 0.8, 0.74, 0.7))", "the rounds do not fit"),
    ],
)
def test_a_rule_can_be_kept_or_not_for_a_reason(expression: str, reason: str) -> None:
    """Reserves by the need at the lowest price; sales by blocks, gas, pools and the blocks in which a guard is dead."""
    assert reason == told(expression)
