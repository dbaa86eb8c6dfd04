"""Plans through the executor, on the real contracts: they land on their promise, leave nothing, refuse by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.abi import encode, interface, keccak
from defilev.abi.address import address_from_word
from defilev.errors import ExecutorForeign, ExecutorMissing, Infeasible, PolicyViolation
from defilev.execute.policy import check_plan
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan, Unwind
from defilev.model.plan_hash import plan_document, plan_from, with_hash
from defilev.model.request import Address
from defilev.pipeline.acting import policy_of
from defilev.pipeline.session import Session
from defilev.pipeline.trying import require_kept, try_plan
from defilev.pipeline.unfinished import Unfinished
from defilev.protocols import PROTOCOLS
from defilev.simulate import EngineChoice
from tests.support.atomic import atomic_plan, carry_out, left_at_executor, unwind_of
from tests.support.executors import deploy_executor
from tests.support.sessions import connected
from tests.support.world import World

pytestmark = pytest.mark.world

CASES = [
    ("main", "loop", "1.2"),
    ("main", "loop", None),
    ("main", "comfortable", "3"),
    ("main", "mixed", "2"),
    ("main", "mixed", None),
    ("main", "short", "2.5"),
    ("main", "liquidatable", "1.3"),
    ("spark", "comfortable", "3"),
    ("spark", "loop", "1.2"),
]


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A connection to the world with an executor on it."""
    deploy_executor(world)
    with connected(world) as found:
        yield found


def _account(session: Session, world: World, who: str, market: str = "main") -> LendingAccount:
    return world.read(market, [world.account(who)], block=session.block)[0]


@pytest.mark.parametrize(("market", "who", "goal"), CASES)
@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_plan_keeps_its_promise_on_both_engines(
    session: Session, world: World, market: str, who: str, goal: str | None, engine: EngineChoice
) -> None:
    """Every step runs, every condition holds, and the policy allows every call."""
    account = _account(session, world, who, market)
    plan = atomic_plan(session, account, goal)
    report = try_plan(session, plan, engine=engine, account=account)

    assert plan.unwinds
    assert report.succeeded, report.steps
    require_kept(plan, report, before=account.health_factor)
    check_plan(plan, policy=policy_of(session, account, plan=plan))
    assert plan == plan_from(plan_document(plan))


@pytest.mark.parametrize(("market", "who", "goal"), CASES)
def test_what_is_predicted_is_what_the_contracts_do(
    session: Session, world: World, market: str, who: str, goal: str | None
) -> None:
    """Supplies and debts right after the call are the predicted ones to the last unit, and nothing is left behind."""
    before = _account(session, world, who, market)
    plan = atomic_plan(session, before, goal)
    receipts = carry_out(world, plan)
    assert ["0x1"] * len(plan.steps) == [receipt["status"] for receipt in receipts]
    predicted = before
    for step, receipt in zip(plan.steps, receipts, strict=True):
        at = world.node.block(int(receipt["blockNumber"], 16)).timestamp
        (action,) = step.actions
        predicted = PROTOCOLS[before.protocol].apply(predicted, action, at=at)

    after = world.read(market, [before.owner])[0]

    assert _amounts(predicted) == _amounts(after)
    assert {} == left_at_executor(world, plan)


def _amounts(account: LendingAccount) -> dict[tuple[str, str], int]:
    return {(leg.side, leg.asset.symbol): leg.amount for leg in account.legs if leg.amount}


def test_it_works_where_nothing_can_be_withdrawn_any_more(session: Session, world: World) -> None:
    """A liquidatable account, which has no staircase, is deleveraged in one call."""
    account = _account(session, world, "liquidatable")
    assert account.health_factor is not None
    assert account.health_factor < 10**18

    receipts = carry_out(world, atomic_plan(session, account, "1.3"))

    assert ["0x1", "0x1"] == [receipt["status"] for receipt in receipts]
    after = world.read("main", [account.owner])[0].health_factor
    assert after is not None
    assert 1.3 <= after / 10**18 <= 1.31


@pytest.mark.parametrize(("who", "goal", "debt"), [("comfortable", "3", "USDC"), ("loop", "1.2", "WETH")])
def test_the_next_lender_serves_when_the_free_one_is_empty(world: World, who: str, goal: str, debt: str) -> None:
    """Without Morpho's tokens the cheapest of the pools lends for its fee, which the plan counts, and which is paid."""
    deploy_executor(world)
    _take_away(world, debt, world.description["morpho_blue"]["morpho"])
    with connected(world) as session:
        plan = atomic_plan(session, _account(session, world, who), goal)

    action = unwind_of(plan)
    assert "Morpho" != action.lender_name
    assert 0 < action.fee <= action.amount // 1000
    assert action.lender not in {hop.pool for hop in action.route}
    assert ["0x1", "0x1"] == [receipt["status"] for receipt in carry_out(world, plan)]
    assert {} == left_at_executor(world, plan)


def _take_away(world: World, symbol: str, *holders: str) -> None:
    for holder in holders:
        world.rpc("anvil_dealERC20", holder, world.token(symbol), "0x0")


def test_when_nobody_lends_enough_the_reason_is_told(session: Session, world: World) -> None:
    """With every lender empty, and no pool to sell in either, the refusal names what is missing."""
    action = unwind_of(atomic_plan(session, _account(session, world, "comfortable"), "3"))
    pools = [pool["address"] for pool in world.description["pools"].values()]
    _take_away(world, "USDC", world.description["morpho_blue"]["morpho"], *pools)
    _forbid_flash_loans(world, "USDC")
    with connected(world) as later, pytest.raises(Infeasible, match="nobody lends") as refused:
        atomic_plan(later, _account(later, world, "comfortable"), "3")

    assert action.amount == refused.value.facts["needed"]


def _forbid_flash_loans(world: World, symbol: str) -> None:
    operator = Address(world.description["operators"][0]["address"])
    provider = Address(world.description["markets"]["main"]["addresses_provider"])
    asked = {"to": provider, "data": "0x" + keccak(b"getPoolConfigurator()")[:4].hex()}
    configurator = address_from_word(int(world.rpc("eth_call", asked, "latest"), 16))
    data = keccak(b"setReserveFlashLoaning(address,bool)")[:4] + encode(
        ["address", "bool"], [world.token(symbol), False]
    )
    assert "0x1" == world.send(operator, configurator, data)["status"]


def test_a_sale_that_no_pool_takes_is_refused_by_name(session: Session, world: World) -> None:
    """With less slippage than the cheapest pool's fee, the refusal says what it would cost."""
    with pytest.raises(Infeasible, match="gives too little for all of it at once"):
        atomic_plan(session, _account(session, world, "comfortable"), "3", slippage=Decimal("0.0004"))


def test_an_isolated_market_takes_steps_and_says_why(session: Session, world: World) -> None:
    """Where the executor may not act, the plan is the staircase with the reason."""
    account = _account(session, world, "morpho-comfortable", "wstETH/USDC")
    plan = atomic_plan(session, account, "3")

    assert not plan.unwinds
    (notice,) = [each for each in plan.warnings if each.name == "not-atomic"]
    assert "the executor does not act on morpho-blue" in notice.text


def test_a_target_out_of_reach_is_refused_by_name(session: Session, world: World) -> None:
    """A health factor that the one chosen debt cannot bring is refused with what could be reached."""
    account = _account(session, world, "mixed")

    with pytest.raises(Infeasible, match=r"reaches a health factor of .*, not a health factor of 50"):
        atomic_plan(session, account, "50", debt="USDC")


def test_past_the_point_of_no_return_is_refused_by_name(session: Session, world: World) -> None:
    """Below threshold over what a sale keeps, nothing is planned, and the refusal has both numbers."""
    account = _account(session, world, "liquidatable")

    with pytest.raises(Infeasible, match="cannot raise the health factor any more"):
        atomic_plan(session, account, "1.3", slippage=Decimal("0.3"))


def test_without_the_executor_nothing_is_planned(world: World) -> None:
    """A chain without it is refused by name; other code at its address too."""
    with connected(world) as session, pytest.raises(ExecutorMissing):
        atomic_plan(session, _account(session, world, "comfortable"), "3")
    there = deploy_executor(world)
    world.rpc("anvil_setCode", there, "0x60006000f3")
    with connected(world) as session, pytest.raises(ExecutorForeign):
        atomic_plan(session, _account(session, world, "comfortable"), "3")


@pytest.mark.parametrize("is_changed", [False, True], ids=["the-same", "another"])
def test_an_approval_that_stands_is_used_or_cleared(session: Session, world: World, *, is_changed: bool) -> None:
    """A run that ended after its approval leaves one: the next plan takes it as it stands, or sets it to zero first."""
    account = _account(session, world, "comfortable")
    first = atomic_plan(session, account, "3")
    amount = unwind_of(first).taken + is_changed
    approve = interface("erc20")["approve"].encode(unwind_of(first).executor, amount)
    world.send(account.owner, unwind_of(first).receipt.address, approve)
    with connected(world) as later:
        now = _account(later, world, "comfortable")
        plan = atomic_plan(later, now, "3")
        check_plan(plan, policy=policy_of(later, now, plan=plan))

    assert ["0x1"] * len(plan.steps) == [receipt["status"] for receipt in carry_out(world, plan)]
    assert {} == left_at_executor(world, plan)


def test_a_second_execution_reverts_with_its_reason(session: Session, world: World) -> None:
    """The same call once more finds no allowance and does nothing."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")
    carry_out(world, plan)
    with connected(world) as later:
        report = try_plan(later, _only_call(plan), account=world.read("main", [account.owner])[0])

    assert not report.succeeded
    assert report.steps[0].revert_reason is not None
    assert report.steps[0].revert_reason.startswith("TokenFailed(")


def _only_call(plan: Plan) -> Plan:
    return with_hash(replace(plan, steps=(plan.steps[1],)))


def test_a_late_execution_reverts_with_its_reason(session: Session, world: World) -> None:
    """After the deadline the contract refuses, and the reason has its name."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")
    world.advance(7200)
    with connected(world) as later:
        report = try_plan(later, plan, account=account)

    assert ["ok", "reverted"] == [step.status for step in report.steps]
    assert "Late()" == report.steps[1].revert_reason


def test_a_promise_that_the_chain_does_not_keep_reverts(session: Session, world: World) -> None:
    """When the price falls between plan and call, the contract finds the health factor too low, and says how low."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")
    (held,) = [leg for leg in account.legs if leg.side == "supply"]
    world.set_price("WETH", held.price.value * 99 // 100)
    with connected(world) as later:
        report = try_plan(later, plan, account=account)

    assert "reverted" == report.steps[1].status
    assert str(report.steps[1].revert_reason).startswith("HealthFactorTooLow(")


MUTATIONS = {
    "protocol": lambda order: _other(order, 0, "0x" + "11" * 20),
    "borrowed": lambda order: _other(order, 3, order[3] * 2),
    "taken": lambda order: _other(order, 4, order[4] + 10),
    "limit": lambda order: _other(order, 5, order[5] // 2),
    "path": lambda order: _other(order, 6, order[6][::-1]),
    "minHealthFactor": lambda order: _other(order, 7, (0, *order[7][1:])),
    "maxDebt": lambda order: _other(order, 7, (order[7][0], order[7][1] * 2, *order[7][2:])),
    "minCollateral": lambda order: _other(order, 7, (*order[7][:2], 0, *order[7][3:])),
    "deadline": lambda order: _other(order, 7, (*order[7][:4], 2**64, order[7][5])),
    "grant": lambda order: _other(order, 8, (0, 27, bytes(32), bytes(32))),
    "revoke": lambda order: _other(order, 9, (0, 27, bytes(32), bytes(32))),
}


def _other(order: tuple[object, ...], place: int, value: object) -> tuple[object, ...]:
    return (*order[:place], value, *order[place + 1 :])


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_changed_order_is_denied(session: Session, world: World, name: str) -> None:
    """Each part of the order that could hurt is held against the account by itself, whatever the plan declares."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")
    step = plan.steps[1]
    function = interface("leverage_executor")["deleverage"]
    (order,) = function.decode_arguments(bytes.fromhex(step.data[2:])).values()
    data = function.encode(MUTATIONS[name](order))
    said = tuple((key, str(value)) for key, value in function.decode_arguments(data).items())
    forged = replace(step, data="0x" + data.hex(), arguments=said)

    policy = policy_of(session, account, plan=plan)

    with pytest.raises(PolicyViolation):
        check_plan(with_hash(replace(plan, steps=(plan.steps[0], forged))), policy=policy)


def test_a_declared_lender_must_be_the_one_of_the_bytes(session: Session, world: World) -> None:
    """What a person reads of the lender is what the bytes say."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")
    step = plan.steps[1]
    assert isinstance(step.action, Unwind)
    forged = replace(step, action=replace(step.action, lender=world.pool("spark")))

    policy = policy_of(session, account, plan=plan)

    with pytest.raises(PolicyViolation, match="declared action"):
        check_plan(with_hash(replace(plan, steps=(plan.steps[0], forged))), policy=policy)


def test_a_policy_that_was_not_told_of_the_executor_denies_it(session: Session, world: World) -> None:
    """An approval of a receipt, and the call, are denied unless the executor was verified for this very plan."""
    account = _account(session, world, "comfortable")
    plan = atomic_plan(session, account, "3")

    with pytest.raises(PolicyViolation):
        check_plan(plan, policy=policy_of(session, account))


def test_a_run_that_stopped_halfway_goes_on_in_its_own_way(session: Session, world: World) -> None:
    """What is left of a plan through the executor is planned through the executor again."""
    plan = atomic_plan(session, _account(session, world, "comfortable"), "3")

    question = Unfinished(1, plan, (1,), is_left_open=True, in_hand=()).question(window=600)

    assert ("atomic", plan.goal) == (question.constraints.via, question.goal)
