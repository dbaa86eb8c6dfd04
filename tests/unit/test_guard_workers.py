"""Actions in threads: who is at work, what came of it, and that nothing is lost."""

from __future__ import annotations

from threading import Event

import pytest

from defilev.errors import JournalUnusable
from defilev.guard.outcomes import Told
from defilev.guard.working import Workers
from defilev.model.guard import Alert
from defilev.model.request import Address

ONE, OTHER = Address("0x" + "11" * 20), Address("0x" + "22" * 20)


def test_others_can_be_begun_while_one_is_at_work() -> None:
    """A key is busy until its action ends; meanwhile another one begins and ends, and is gathered alone."""
    workers, go_on = Workers(), Event()

    def hold(told: Told) -> None:
        go_on.wait(10)

    workers.begin([ONE], ["first"], hold)
    workers.begin([OTHER], ["second"], lambda told: told.alerts.append(Alert("info", "done", "second", "it is")))
    while not workers.has_news():
        go_on.wait(0.01)
    told = Told()
    workers.gather(told)

    assert ["second"] == [alert.account for alert in told.alerts]
    assert {ONE: frozenset({"first"})} == workers.busy()
    go_on.set()
    workers.wait()
    assert {} == workers.busy()


def test_what_an_action_raises_is_raised_when_it_is_gathered() -> None:
    """A journal that cannot be written to ends the guard, from whichever thread."""
    workers = Workers()

    def fail(told: Told) -> None:
        raise JournalUnusable("full", path="journal.db")

    workers.begin([ONE], ["first"], fail)
    workers.wait()

    with pytest.raises(JournalUnusable):
        workers.gather(Told())
