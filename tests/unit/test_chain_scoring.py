"""How well a node has answered: what fades, what counts, and nothing that depends on the hour."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from defilev.chain.scoring import HALF_LIFE, Score
from tests.support.network import Clock

seconds = st.floats(0, 600, allow_nan=False)
events = st.lists(st.tuples(st.floats(0, 60), st.none() | st.floats(0.001, 20)), max_size=30)
"""Seconds that pass, then a failure (`None`) or an answer that took so long."""


def after(clock: Clock, happened: list[tuple[float, float | None]]) -> Score:
    """Return the score of a node to which all that has happened."""
    score = Score(clock)
    for pause, took in happened:
        clock.sleep(pause)
        if took is None:
            score.failed()
        else:
            score.answered(took)
    return score


def test_a_failure_fades_by_half() -> None:
    """A failure counts 1, after one half-life 1/2, after two 1/4."""
    clock = Clock()
    score = Score(clock)
    score.failed()

    assert (1, (1, 0)) == (score.failures, score.rank())
    clock.sleep(HALF_LIFE)
    assert 0.5 == pytest.approx(score.failures)
    clock.sleep(HALF_LIFE)
    assert 0.25 == pytest.approx(score.failures)
    assert (0, 0) == score.rank()


def test_latency_is_that_of_the_last_answers() -> None:
    """A node that has become quick is quick after a while, and one that has not answered yet has no latency."""
    clock = Clock()
    score = Score(clock)
    assert score.latency is None
    score.answered(8)
    clock.sleep(10 * HALF_LIFE)
    score.answered(0.1)

    assert 0.1 == pytest.approx(score.latency, rel=0.1)


@given(events, seconds)
def test_waiting_never_makes_a_node_worse(happened: list[tuple[float, float | None]], wait: float) -> None:
    """Failures only fade, and latency stays what it was, while nothing happens."""
    clock = Clock()
    score = after(clock, happened)
    before, latency = score.rank(), score.latency
    clock.sleep(wait)

    assert score.rank() <= before
    assert latency == pytest.approx(score.latency) if latency is not None else score.latency is None


@given(events)
def test_a_failure_always_makes_a_node_worse_or_equal(happened: list[tuple[float, float | None]]) -> None:
    """One more failure never improves the rank, and a whole one that is outvoted always lowers it."""
    score = after(Clock(), happened)
    before = score.rank()
    score.failed()
    assert score.rank() >= before
    score.failed(8)
    assert score.rank() > before


@given(events, st.floats(0, 1e9))
def test_the_hour_does_not_matter(happened: list[tuple[float, float | None]], hour: float) -> None:
    """The same events in the same intervals give the same failures whenever they begin."""
    one, two = after(Clock(0.0), happened), after(Clock(hour), happened)

    assert one.failures == pytest.approx(two.failures, abs=1e-4)
