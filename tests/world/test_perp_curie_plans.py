"""Plans for Perp v2: what they promise is what the contracts then say, and what cannot be is named."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from random import Random

import pytest

from defilev.errors import Infeasible
from defilev.model.plan import Goal
from defilev.protocols.perp_curie.reasons import REASONS
from tests.support.curie import Curie
from tests.support.world import World

pytestmark = pytest.mark.world

REDUCTIONS = 60
NAMES = ("perp-long", "perp-short", "perp-cross", "perp-near", "perp-liquidatable", "hedged")


@pytest.fixture
def curie(world: World) -> Curie:
    """Lend the deployment of the local chain."""
    return Curie(world)


def ratio(curie: Curie, name: str) -> Decimal:
    """Return the margin ratio that the contracts make of an account now."""
    who = curie.owners()[name]
    value = curie.ask("clearing_house", "getAccountValue", who)
    return Decimal(value) / curie.ask("account_balance", "getMarginRequirementForLiquidation", who)


def test_random_reductions_keep_their_promise(curie: Curie) -> None:
    """Of sixty reductions in random states each ends at its margin ratio or above; a revert or a refusal says why."""
    random, seen = Random(11), Counter[str]()
    while seen["reduced"] < REDUCTIONS:
        snapshot = curie.world.rpc("evm_snapshot")
        for _ in range(random.randrange(4)):
            curie.shake(random)
        seen[reduced(curie, random)] += 1
        curie.world.rpc("evm_revert", snapshot)
        assert sum(seen.values()) < 4 * REDUCTIONS, seen

    assert set(seen) <= {"reduced", "refused", *REASONS}
    assert seen["reduced"] > sum(seen[reason] for reason in REASONS), seen


def reduced(curie: Curie, random: Random) -> str:
    """Reduce an account at random, and return what came of it."""
    name = random.choice(NAMES)
    target = (ratio(curie, name) * Decimal(random.randrange(1_050, 3_000)) / 1_000).quantize(Decimal("0.001"))
    try:
        plan = curie.plan(name, Goal("margin-ratio", max(target, Decimal("1.1"))))
    except Infeasible:
        return "refused"
    reason = curie.carry_out(plan)
    if reason is not None:
        return next((each for each in REASONS if each in reason), reason)
    assert (plan.goal.value or 0) <= ratio(curie, name), plan.to_document()
    return "reduced"
