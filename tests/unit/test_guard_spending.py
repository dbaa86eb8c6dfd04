"""What the guard's runs of a day add up to: actions, debt repaid, and reverts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from defilev.journal import GuardSpending, Journal, guard_reverts, guard_spending, open_journal, place_of
from tests.factories import BLOCK, OWNER, USDC, WETH, a_borrow, a_supply, an_account
from tests.support.journals import CHAIN, a_receipt, a_reservation, an_attempt, begun

POSITION = (OWNER, "aave-v3", "main")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """Return a new journal."""
    with open_journal(place_of(tmp_path / "journal.db")) as opened:
        yield opened


def a_run(journal: Journal, nonce: int, *, debt: str, stops: bool, succeeded: bool = True) -> int:
    """Begin a guard's run at a debt, let one transaction of it be included, and stop it or leave it open."""
    run = begun(journal, kind="guard", account=OWNER)
    account = an_account(a_supply(WETH, "50", "3000", threshold=8300), a_borrow(USDC, debt, "1"), block=BLOCK)
    journal.observe(run, account, role="before")
    intent = journal.reserve(replace(a_reservation(run), account=OWNER, nonce=nonce))
    attempt = an_attempt(nonce)
    journal.sign(intent, attempt)
    journal.handed_over(attempt.hash, "OK", endpoint="node")
    journal.included(attempt.hash, a_receipt(succeeded=succeeded))
    journal.move(intent, "VERIFIED" if succeeded else "REVERTED_FINAL", why="deep enough")
    if stops:
        journal.stop(run, "prices moved")
    return run


def spending(journal: Journal, *, but: int | None = None) -> GuardSpending:
    return guard_spending(journal, chain=CHAIN, position=POSITION, since=BLOCK.timestamp, but=but)


def test_plans_that_became_stale_are_one_action(journal: Journal) -> None:
    """Of three runs that each went on from the one before, two stopped halfway: one action, by the debt it lowered."""
    a_run(journal, 1, debt="100000", stops=True)
    a_run(journal, 2, debt="80000", stops=True)
    last = a_run(journal, 3, debt="70000", stops=True)

    assert (0, 30_000 * 10**8) == (spending(journal, but=last).runs, spending(journal, but=last).repaid)


def test_an_action_that_stops_again_and_again_uses_the_budget_up(journal: Journal) -> None:
    """Every fourth piece counts as an action of its own."""
    runs = [a_run(journal, nonce, debt="100000", stops=True) for nonce in range(1, 10)]

    assert 2 == spending(journal, but=runs[-1]).runs


def test_reverts_add_up(journal: Journal) -> None:
    """Transactions that were included and reverted are counted, those that succeeded are not."""
    a_run(journal, 1, debt="100000", stops=True, succeeded=False)
    a_run(journal, 2, debt="100000", stops=True)
    a_run(journal, 3, debt="100000", stops=True, succeeded=False)

    assert 2 == guard_reverts(journal, chain=CHAIN, position=POSITION, since=BLOCK.timestamp)
    assert 0 == guard_reverts(journal, chain=CHAIN, position=POSITION, since=BLOCK.timestamp + 1)
