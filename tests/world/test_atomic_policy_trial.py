"""Plans through the executor that were forged consistently, bytes, words and approval alike: none of them is signed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from random import Random

import pytest

from defilev.abi import checksum, interface
from defilev.errors import PolicyViolation
from defilev.execute.policy import Policy, check_plan
from defilev.model.account import LendingAccount
from defilev.model.plan import Approve, Plan, Step, Unwind
from defilev.model.plan_hash import with_hash
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.pipeline.acting import policy_of
from defilev.venues import leverage_executor
from tests.support.atomic import atomic_plan
from tests.support.executors import deploy_executor
from tests.support.sessions import connected
from tests.support.world import World

pytestmark = pytest.mark.world

ILLEGAL = 1_000
Forge = Callable[[Random, Unwind, LendingAccount], Unwind]


def _owed(account: LendingAccount) -> int:
    return next(leg.amount for leg in account.legs if leg.side == "borrow")


def _held(account: LendingAccount) -> int:
    return next(leg.amount for leg in account.legs if leg.side == "supply")


def _enforce(action: Unwind, **changed: int) -> Unwind:
    return replace(action, enforced=replace(action.enforced, **changed))


def _selling(action: Unwind, limit: int) -> Unwind:
    return replace(action, limit=limit, taken=limit + 2)


FORGED: dict[str, Forge] = {
    "more is borrowed than is owed": lambda random, action, account: replace(
        action, amount=_owed(account) * random.randint(1_002, 9_000) // 1_000
    ),
    "more is sold than the price allows": lambda random, action, account: _selling(
        action, action.limit * random.randint(1_050, 3_000) // 1_000
    ),
    "more is taken than may be sold": lambda random, action, account: replace(
        action, taken=action.limit + random.randint(3, action.limit)
    ),
    "more is taken than is there": lambda random, action, account: replace(
        action, taken=_held(account) + random.randint(1, 10**18)
    ),
    "nothing may be sold": lambda random, action, account: replace(action, limit=0, taken=random.randint(1, 2)),
    "health below one is allowed": lambda random, action, account: _enforce(
        action, health_factor=random.randrange(10**18)
    ),
    "more debt is allowed": lambda random, action, account: _enforce(
        action, debt=action.enforced.debt * random.randint(1_010, 5_000) // 1_000 + 10
    ),
    "less collateral is allowed": lambda random, action, account: _enforce(
        action, collateral=action.enforced.collateral * random.randrange(998) // 1_000
    ),
    "it may come late": lambda random, action, account: _enforce(
        action, deadline=account.block.timestamp + random.randint(7_201, 10**9)
    ),
    "it is late already": lambda random, action, account: _enforce(
        action, deadline=account.block.timestamp - random.randrange(10**6)
    ),
    "another contract is called": lambda random, action, account: replace(action, executor=_somebody(random)),
    "another token stands for the supply": lambda random, action, account: replace(
        action, receipt=replace(action.receipt, address=_somebody(random))
    ),
    "the sale ends in another token": lambda random, action, account: replace(
        action, route=(replace(action.route[0], token_in=action.asset), *action.route[1:])
    ),
    "the sale goes through a stranger": lambda random, action, account: replace(
        action, route=(*action.route, replace(action.route[-1], token_in=_stranger(random, action)))
    ),
    "debt and collateral are one": lambda random, action, account: replace(action, collateral=action.asset),
}


def _somebody(random: Random) -> Address:
    return checksum("0x" + random.randbytes(20).hex())


def _stranger(random: Random, action: Unwind) -> Token:
    return replace(action.asset, address=_somebody(random))


@pytest.fixture
def made(world: World) -> Iterator[tuple[Plan, LendingAccount, Policy]]:
    """A plan of the comfortable account, the account, and the policy that allows it."""
    deploy_executor(world)
    with connected(world) as session:
        account = world.read("main", [world.account("comfortable")], block=session.block)[0]
        plan = atomic_plan(session, account, "3")
        yield plan, account, policy_of(session, account, plan=plan)


def test_no_forged_plan_is_signed(made: tuple[Plan, LendingAccount, Policy]) -> None:
    """Of a thousand consistent forgeries of every kind, with random sizes, none passes; the plan itself does."""
    plan, account, policy = made
    random = Random(9)
    check_plan(plan, policy=policy)
    allowed = []
    reasons: dict[str, set[str]] = {}
    for place in range(ILLEGAL):
        name = list(FORGED)[place % len(FORGED)]
        forged = _forged(plan, policy, partial(_changed, random, account, name))
        try:
            check_plan(forged, policy=policy)
        except PolicyViolation as denied:
            reasons.setdefault(name, set()).add(denied.fact)
            continue
        allowed.append((name, forged.steps[1].action))

    assert [] == allowed
    assert FORGED.keys() == reasons.keys()
    assert {"step 2 (unwind) is not allowed: limit against the oracle"} == reasons["more is sold than the price allows"]
    assert not [fact for facts in reasons.values() for fact in facts if "declared" in fact or "arguments" in fact]


def _changed(random: Random, account: LendingAccount, name: str, action: Unwind) -> Unwind:
    return FORGED[name](random, action, account)


def _forged(plan: Plan, policy: Policy, change: Callable[[Unwind], Unwind]) -> Plan:
    approval, call = plan.steps
    assert isinstance(approval.action, Approve)
    assert isinstance(call.action, Unwind)
    action = change(call.action)
    grant = replace(approval.action, asset=action.receipt, spender=action.executor, amount=action.taken)
    transaction = leverage_executor.transaction(action, pool=policy.pool)
    approve = _approve(approval, grant)
    forged = replace(
        call,
        action=action,
        to=transaction.to,
        data="0x" + transaction.data.hex(),
        arguments=transaction.described(),
    )
    return with_hash(replace(plan, steps=(approve, forged)))


def _approve(step: Step, grant: Approve) -> Step:
    arguments = (grant.spender, grant.amount)
    data = interface("erc20")["approve"].encode(*arguments)
    said = (("spender", grant.spender), ("amount", str(grant.amount)))
    return replace(step, action=grant, to=grant.asset.address, data="0x" + data.hex(), arguments=said)
