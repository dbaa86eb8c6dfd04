from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import Any

import pytest

from defilev.errors import PlanTampered, PlanUnreadable
from defilev.model.plan import Goal
from defilev.model.plan_hash import hash_of
from defilev.plan import plan_document, plan_from
from tests.factories import USDC, WSTETH
from tests.support.markets import an_aave_account, inputs_for, plan_for

PLAN = plan_for(
    inputs_for(an_aave_account({WSTETH: 50 * 10**18}, {USDC: 60_000 * 10**6}), Goal("health-factor", Decimal(3)))
)


def changed(*path: str | int, to: Any) -> dict[str, Any]:
    """Return the plan's document with one value replaced."""
    document = copy.deepcopy(plan_document(PLAN))
    place: Any = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return document


def test_a_plan_survives_a_file() -> None:
    """Written as JSON and read again, a plan is the same."""
    assert PLAN == plan_from(json.loads(json.dumps(plan_document(PLAN), indent=2)))


def test_no_number_is_a_json_number() -> None:
    """Money never passes through another reader's floats."""
    numbers: list[str] = []
    json.loads(json.dumps(plan_document(PLAN)), parse_float=numbers.append, parse_int=numbers.append)

    assert [] == numbers


@pytest.mark.parametrize(
    ("path", "to"),
    [
        (("owner",), "0x0000000000000000000000000000000000000001"),
        (("steps", 0, "data"), "0x00"),
        (("promise", "health_factor"), "1"),
        (("max_slippage",), "0.5"),
        (("extra",), "1"),
        (("hash",), "00"),
    ],
)
def test_every_edit_is_noticed(path: tuple[str | int, ...], to: Any) -> None:
    """Whatever is changed or added, the hash no longer matches."""
    with pytest.raises(PlanTampered):
        plan_from(changed(*path, to=to))


@pytest.mark.parametrize(
    "document", [None, [], "plan", {}, {"schema": "defilev/plan@2"}, {"schema": "defilev/health@1"}]
)
def test_what_is_no_plan_is_unreadable(document: Any) -> None:
    """Other JSON, and plans of another version, are errors of usage."""
    with pytest.raises(PlanUnreadable):
        plan_from(document)


def test_a_plan_with_a_matching_hash_and_missing_parts_is_unreadable() -> None:
    """A hash can be computed by anyone: it does not make a plan of what is none."""
    document = plan_document(PLAN)
    del document["steps"]
    document["hash"] = hash_of(document)

    with pytest.raises(PlanUnreadable, match="steps"):
        plan_from(document)
