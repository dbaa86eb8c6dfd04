from __future__ import annotations

from random import Random

import pytest

from tests.support.atomic_trials import draw_indebted, try_atomically
from tests.support.executors import deploy_executor
from tests.support.world import World

pytestmark = pytest.mark.world

SEED = 20
ACCOUNTS = 20


def test_random_accounts_land_on_their_promise_and_leave_nothing(world: World) -> None:
    """Twenty random accounts are taken down as predicted, the policy allows each call, and nothing stays anywhere."""
    deploy_executor(world)
    random, done = Random(SEED), 0
    while done < ACCOUNTS:
        trial = draw_indebted(world, random)
        outcome = try_atomically(world, trial)
        assert () == outcome.findings, trial
        done += outcome.way == "atomic"
