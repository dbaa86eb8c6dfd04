from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from eth_account import Account

from defilev.abi import Transaction, interface
from defilev.chain.values import FeeHistory
from defilev.errors import (
    KeystoreForAnotherAccount,
    NotConfirmed,
    PlanExpired,
    PlanForAnotherChain,
    PolicyViolation,
    Refused,
    RpcError,
    SimulationFailed,
)
from defilev.execute.broadcast import sign_next
from defilev.execute.desk import Event
from defilev.execute.fees import TIP_FLOOR, Fees, gas_limit, read_fees, suggest_fees
from defilev.execute.password import read_password_file
from defilev.execute.policy import Limits
from defilev.execute.sending import Sending
from defilev.execute.signer import KeystoreSigner
from defilev.execute.unsigned import unsigned_document
from defilev.model.execution import SentStep, SignedStep
from defilev.model.plan import Step
from defilev.model.request import Block
from tests.support.desk import AMOUNT, Clock, Desk, quick, wait_until
from tests.support.faults import (
    Fault,
    answered,
    dropped_after,
    forwarded_twice,
    refused,
    swallowed,
    unreachable,
)
from tests.support.world import World

pytestmark = pytest.mark.world

WHO = "comfortable"
SEND = "eth_sendRawTransaction"


@pytest.fixture(scope="module")
def signer(world_session: World) -> KeystoreSigner:
    """The opened keystore of the account."""
    keystore, password_file = world_session.credentials(WHO)
    return KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=world_session.account(WHO))


@pytest.fixture
def desk(world: World, signer: KeystoreSigner) -> Iterator[Desk]:
    """A desk for the account."""
    desk = Desk(world, signer)
    yield desk
    for transport in desk.transports:
        transport.close()
    desk.settle()


def test_a_plan_is_sent_one_transaction_after_another(desk: Desk) -> None:
    """Every step is included, the debt is lower by what was promised, and the execution says what was paid."""
    plan, before = desk.plan(), desk.account()
    minimum: Any = plan.steps[-1].action
    native = desk.world.node.balance(desk.owner)

    done = desk.send(plan)

    after = desk.account()
    assert [1, 2, 3, 4, 5] == [sent.index for sent in done.steps]
    assert ["included"] * 5 == [sent.status for sent in done.steps]
    assert sorted({sent.block_number for sent in done.steps}) == [sent.block_number for sent in done.steps]
    assert after.health_factor == done.got
    assert (before.health_factor or 0) < (after.health_factor or 0)
    debts = [next(leg.amount for leg in account.legs if leg.side == "borrow") for account in (before, after)]
    assert minimum.amount == pytest.approx(debts[0] - debts[1], rel=1e-4)
    assert native - desk.world.node.balance(desk.owner) == done.fee_paid
    assert plan.hash == done.plan_hash


def test_each_step_is_recorded_before_it_is_sent_and_after_its_receipt(desk: Desk) -> None:
    """The journal hears of a signed step while the node has not seen it, and of the receipt before the next."""
    known: list[object] = []

    def record(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        if isinstance(event, SignedStep):
            known.append(desk.world.node.transaction(event.hash))

    desk.send(desk.plan(), record=record)

    assert [SignedStep, SentStep] * 5 == [type(event) for event in desk.events]
    assert [None] * 5 == known
    assert [(n, kind) for n in range(1, 6) for kind in ("SignedStep", "SentStep")] == desk.seen
    assert all(event.hash == other.hash for event, other in zip(desk.events[::2], desk.events[1::2], strict=True))


def test_a_signed_step_is_what_the_policy_saw(desk: Desk) -> None:
    """The raw bytes on the chain carry the fees and gas that were recorded, and fees stay under twice the base fee."""
    desk.send(desk.plan())

    for event in desk.events:
        if isinstance(event, SignedStep):
            seen = desk.world.rpc("eth_getTransactionByHash", event.hash)
            assert event.max_fee_per_gas == int(seen["maxFeePerGas"], 16)
            assert event.max_priority_fee_per_gas == int(seen["maxPriorityFeePerGas"], 16)
            assert event.gas_limit == int(seen["gas"], 16)
            assert event.nonce == int(seen["nonce"], 16)


def test_the_journal_can_stop_everything(desk: Desk) -> None:
    """When the first event cannot be written down nothing is sent, and the error stays what it is."""

    def full(event: Event) -> None:
        raise OSError("disk full")

    node, transport = desk.through()
    with pytest.raises(OSError, match="disk full"):
        desk.send(desk.plan(), node=node, record=full)

    assert SEND not in transport.asked


def test_a_journal_that_fails_midway_says_what_was_done(desk: Desk) -> None:
    """After something was sent every failure is a NotConfirmed with what was done and what was not."""

    def failing(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        if len(desk.events) == 3:
            raise OSError("disk full")

    with pytest.raises(NotConfirmed, match="disk full") as raised:
        desk.send(desk.plan(), record=failing)

    assert "1 withdraw 0x" in str(raised.value.facts["done"])
    assert "nothing" == raised.value.facts["unknown"]
    assert "2 approve, 3 swap, 4 approve, 5 repay" == raised.value.facts["not_done"]


def test_a_step_that_would_revert_is_not_signed(desk: Desk) -> None:
    """The first step that the node says would revert ends it before anything is signed, with the reason."""
    weth, on = desk.token("WETH"), desk.markets()

    with pytest.raises(SimulationFailed, match="step 1") as raised:
        desk.send(desk.plan([on.withdraw(weth, 10**24)]))

    assert 6 == raised.value.exit_code
    assert [] == desk.events


def test_a_later_step_that_would_revert_says_what_was_done(desk: Desk) -> None:
    """When the second step would revert, the first is reported as done and the second as not done."""
    weth, on = desk.token("WETH"), desk.markets()

    with pytest.raises(NotConfirmed, match="step 2") as raised:
        desk.send(desk.plan([on.withdraw(weth, 10**18), on.withdraw(weth, 10**24)]))

    assert 9 == raised.value.exit_code
    assert "1 withdraw 0x" in str(raised.value.facts["done"])
    assert "2 withdraw" == raised.value.facts["not_done"]


def test_a_round_that_no_longer_fits_the_account_is_not_begun(desk: Desk) -> None:
    """A plan stops between two rounds, with nothing between two places; within a round it goes on."""
    rounds = [*desk.deleverage(), *desk.deleverage()]
    asked: list[int] = []

    def off_course(step: Step) -> str:
        asked.append(step.index)
        return "prices moved"

    with pytest.raises(NotConfirmed, match="prices moved") as raised:
        desk.send(desk.plan(rounds), off_course=off_course)

    assert [6] == asked
    assert "nothing" == raised.value.facts["unknown"]
    assert "6 withdraw, 7 approve, 8 swap, 9 approve, 10 repay" == raised.value.facts["not_done"]


def test_a_transaction_that_reverts_when_mined_stops_the_plan(desk: Desk) -> None:
    """A receipt with status 0 is recorded, reported as reverted, and nothing follows it."""
    weth, on = desk.token("WETH"), desk.markets()
    plan = desk.plan([on.withdraw(weth, AMOUNT), on.withdraw(weth, AMOUNT)])

    def spoil(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        if isinstance(event, SignedStep) and event.index == 1:
            pause_market(desk.world)

    with pytest.raises(NotConfirmed, match="included and reverted") as raised:
        desk.send(plan, record=spoil)

    assert "reverted in block" in str(raised.value.facts["done"])
    assert "2 withdraw" == raised.value.facts["not_done"]
    assert "reverted" == desk.events[-1].status if isinstance(desk.events[-1], SentStep) else False


def pause_market(world: World) -> None:
    """Take the code of the pool away and put a reverting one there."""
    world.rpc("anvil_setCode", world.pool("main"), "0x60006000fd")


@pytest.mark.parametrize("fault", [dropped_after, forwarded_twice], ids=["answer lost", "forwarded twice"])
def test_an_error_of_the_node_is_not_taken_for_not_sent(desk: Desk, fault: Fault) -> None:
    """When the node took the transaction and says otherwise the receipt decides, and each is sent exactly once."""
    node, transport = desk.through(eth_sendRawTransaction=fault)

    done = desk.send(desk.plan(), node=node)

    assert ["included"] * 5 == [sent.status for sent in done.steps]
    assert 5 == transport.asked.count(SEND)


@pytest.mark.parametrize(
    "fault",
    [unreachable, refused(-32000, "insufficient funds for gas * price + value"), refused(-32000, "nonce too low")],
    ids=["unreachable", "insufficient funds", "nonce too low"],
)
def test_a_transaction_that_the_node_never_shows_is_not_sent_again(desk: Desk, fault: Fault) -> None:
    """After a refusal and some looking the outcome is exit code 9 with the hash, and nothing was sent twice."""
    clock = Clock()
    node, transport = desk.through(eth_sendRawTransaction=fault)

    with pytest.raises(NotConfirmed, match="does not show it") as raised:
        desk.send(desk.plan(), node=node, sending=quick(clock))

    signed = desk.events[0]
    assert f"1 withdraw {signed.hash} (nonce {signed.nonce})" == raised.value.facts["unknown"]
    assert "nothing" == raised.value.facts["done"]
    assert "2 approve, 3 swap, 4 approve, 5 repay" == raised.value.facts["not_done"]
    assert 1 == transport.asked.count(SEND)
    assert 10 <= clock.now < 12


def test_a_transaction_that_vanished_is_reported_with_its_hash(desk: Desk) -> None:
    """A node that promises to send and does not is handed the same bytes again, for as long as allowed."""
    clock = Clock()
    node, transport = desk.through(eth_sendRawTransaction=swallowed)

    with pytest.raises(NotConfirmed, match="not included after 60 s") as raised:
        desk.send(desk.plan(), node=node, sending=quick(clock))

    (signed,) = desk.events
    assert signed.hash in str(raised.value.facts["unknown"])
    assert 60 <= clock.now < 62
    assert 5 == transport.asked.count(SEND)


def test_a_slow_receipt_is_waited_for(desk: Desk) -> None:
    """Blocks that come late are waited for without sending again."""
    desk.world.rpc("evm_setAutomine", False)
    clock = Clock(meanwhile=lambda: desk.world.rpc("evm_mine"))
    node, transport = desk.through()
    try:
        done = desk.send(desk.plan(), node=node, sending=quick(clock))
    finally:
        desk.world.rpc("evm_setAutomine", True)

    assert 5 == len(done.steps)
    assert 5 == transport.asked.count(SEND)


def test_a_node_that_fails_while_waiting_is_asked_again(desk: Desk) -> None:
    """Failures while looking for a receipt are waited out, and named when time is up."""
    clock = Clock()
    node, _ = desk.through(eth_getTransactionReceipt=unreachable)

    with pytest.raises(NotConfirmed, match="no connection"):
        desk.send(desk.plan(), node=node, sending=quick(clock))

    assert 60 <= clock.now < 62


def test_a_receipt_of_another_branch_is_not_believed(desk: Desk) -> None:
    """A receipt whose block is not the chain's is no receipt."""

    def elsewhere(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
        answer = json.loads(forward())
        if answer["result"]:
            answer["result"]["blockHash"] = "0x" + "12" * 32
        return json.dumps(answer).encode()

    node, _ = desk.through(eth_getTransactionReceipt=elsewhere)
    with pytest.raises(NotConfirmed, match="not included after"):
        desk.send(desk.plan(), node=node, sending=quick(Clock()))


def test_an_interrupt_says_what_is_open(desk: Desk) -> None:
    """Ctrl-C while something is in flight ends with exit code 9 and its hash; before that it is only Ctrl-C."""

    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.send(desk.plan(), record=interrupt)
    with pytest.raises(NotConfirmed, match="interrupted") as raised:
        desk.send(desk.plan(), on_progress=interrupt)

    assert "1 withdraw 0x" in str(raised.value.facts["unknown"])


def test_an_unreadable_account_afterwards_is_not_silent(desk: Desk) -> None:
    """When everything was included and the account cannot be read, the error says that nothing is left to do."""

    def unreadable(block: Block) -> None:
        raise RpcError("the node is gone")

    with pytest.raises(NotConfirmed, match="the node is gone") as raised:
        desk.send(desk.plan(), verify=unreadable)

    assert "nothing" == raised.value.facts["not_done"]


def test_another_transaction_of_the_owner_stops_the_plan(desk: Desk) -> None:
    """When the owner's nonce moves on without us, nothing more is signed."""

    def act_elsewhere(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        if isinstance(event, SentStep) and event.index == 1:
            desk.world.send(desk.owner, desk.owner, b"")

    with pytest.raises(NotConfirmed, match="another transaction"):
        desk.send(desk.plan(), record=act_elsewhere)

    assert 2 == len(desk.events)


def test_nodes_that_lag_are_waited_for(desk: Desk) -> None:
    """Where older answers come up, a later step is signed once the node knows the one before, and not earlier."""
    before: dict[str, Any] = {}
    lag = {"answers": 0}

    def lagging(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
        if request["params"][0] != "latest":
            return forward()
        if lag["answers"]:
            lag["answers"] -= 1
            return json.dumps(before | {"id": request["id"]}).encode()
        before.update(json.loads(forward()))
        return json.dumps(before).encode()

    def record(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        lag["answers"] = 2 if isinstance(event, SentStep) else 0

    node, transport = desk.through(eth_getBlockByNumber=lagging)

    done = desk.send(desk.plan(), node=node, record=record, sending=quick(Clock()))

    assert ["included"] * 5 == [sent.status for sent in done.steps]
    assert 5 == transport.asked.count(SEND)


def test_a_node_that_stays_behind_stops_the_plan(desk: Desk) -> None:
    """A node that never counts the first step is given some time, and then the rest is reported as not done."""
    clock = Clock()
    nonce = desk.world.node.nonce(desk.owner)
    node, transport = desk.through(eth_getTransactionCount=answered(hex(nonce)))

    with pytest.raises(NotConfirmed, match="does not settle") as raised:
        desk.send(desk.plan(), node=node, sending=quick(clock))

    assert "1 withdraw 0x" in str(raised.value.facts["done"])
    assert "2 approve, 3 swap, 4 approve, 5 repay" == raised.value.facts["not_done"]
    assert 10 <= clock.now < 20
    assert 1 == transport.asked.count(SEND)


def test_a_transaction_in_flight_is_not_raced(desk: Desk) -> None:
    """While the owner has something in the pool nothing is signed."""
    plan = desk.plan()
    desk.world.rpc("evm_setAutomine", False)
    desk.world.rpc("anvil_impersonateAccount", desk.owner)
    desk.world.rpc("eth_sendTransaction", {"from": desk.owner, "to": desk.owner, "value": "0x1"})
    try:
        with pytest.raises(Refused, match="in flight") as raised:
            desk.send(plan)
    finally:
        desk.world.rpc("anvil_dropAllTransactions")
        desk.world.rpc("evm_setAutomine", True)

    assert 7 == raised.value.exit_code
    assert [] == desk.events


def test_a_plan_is_not_executed_twice(desk: Desk) -> None:
    """The owner's nonce is part of the plan: once it has moved, the plan is refused."""
    plan = desk.plan()
    desk.send(plan)
    desk.events.clear()

    with pytest.raises(Refused, match="since the plan was made"):
        desk.send(plan)

    assert [] == desk.events


def test_an_expired_plan_is_refused(desk: Desk) -> None:
    """The newest block decides, by number and by time."""
    plan = desk.plan()
    by_number = replace(plan, expires_at_block=plan.block.number)
    by_time = replace(plan, expires_at=plan.block.timestamp)
    desk.world.advance(12)

    for expired in (by_number, by_time):
        with pytest.raises(PlanExpired) as raised:
            desk.send(expired)
        assert 7 == raised.value.exit_code


def test_a_node_of_another_chain_is_refused(desk: Desk) -> None:
    """The chain id is asked for anew before every signature."""
    node, _ = desk.through(eth_chainId=answered("0xa"))

    with pytest.raises(PlanForAnotherChain, match="chain 10"):
        desk.send(desk.plan(), node=node)

    def change_chain(event: SignedStep | SentStep) -> None:
        desk.events.append(event)
        if isinstance(event, SentStep):
            transport.faults["eth_chainId"] = answered("0xa")

    node, transport = desk.through()
    with pytest.raises(NotConfirmed, match="chain 10"):
        desk.send(desk.plan(), node=node, record=change_chain)
    assert 1 == transport.asked.count(SEND)


def test_a_key_of_another_account_is_refused(desk: Desk) -> None:
    """A signer that is not the plan's owner signs nothing."""
    keystore, password_file = desk.world.credentials("mixed")
    other = KeystoreSigner.unlock(
        keystore, password=read_password_file(password_file), owner=desk.world.account("mixed")
    )

    with pytest.raises(KeystoreForAnotherAccount):
        desk.send(desk.plan(), signer=other)


def test_public_keys_are_refused_unless_the_node_is_a_local_anvil(desk: Desk) -> None:
    """The policy forbids the world's own keys where it was not told that the node is a local anvil."""
    with pytest.raises(PolicyViolation, match="public"):
        desk.send(desk.plan(), policy=replace(desk.policy(), public_keys=False))

    assert [] == desk.events


def test_an_account_without_gas_money_is_refused(desk: Desk) -> None:
    """What the step can cost at most must be there before anything is signed."""
    desk.world.rpc("anvil_setBalance", desk.owner, hex(10**9))

    with pytest.raises(Refused, match="cannot pay for the gas"):
        desk.send(desk.plan(), node=desk.through(eth_estimateGas=answered("0x30d40"))[0])

    assert [] == desk.events


def test_fees_keep_to_the_cap_and_the_limits(desk: Desk) -> None:
    """A node that claims a base fee beyond reason cannot make us offer it; what no limit allows is refused."""
    history = {"baseFeePerGas": ["0x1", hex(10**15)], "reward": [["0x1"]], "gasUsedRatio": [0.5], "oldestBlock": "0x1"}
    node, _ = desk.through(eth_feeHistory=answered(history))

    signed = sign_next(desk.plan(), desk.acting(node=node), at=node.block())
    assert Sending().fee_cap >= signed.max_fee_per_gas

    with pytest.raises(PolicyViolation, match="transaction can cost"):
        desk.send(desk.plan(), policy=replace(desk.policy(), limits=Limits(transaction_cost=1)))


def test_only_the_next_step_is_signed_and_nothing_is_sent(desk: Desk) -> None:
    """Signing stops at the first transaction, which a node accepts when it is sent by hand."""
    node, transport = desk.through()

    signed = sign_next(desk.plan(), desk.acting(node=node), at=node.block())

    assert SEND not in transport.asked
    assert 1 == signed.index
    assert signed.hash == desk.world.rpc(SEND, signed.raw)


def test_an_unsigned_plan_can_be_signed_elsewhere(desk: Desk) -> None:
    """The document holds every transaction; another signer's bytes hash to what it says, and the chain takes them."""
    plan = desk.plan()
    document = unsigned_document(plan, node=desk.world.node, policy=desk.policy())
    keystore, password_file = desk.world.credentials(WHO)
    key = Account.decrypt(json.loads(keystore.read_text()), password_file.read_text().strip())

    for entry in document["transactions"]:
        fields = {
            "type": entry["type"],
            "chainId": document["chain_id"],
            "nonce": entry["nonce"],
            "maxFeePerGas": int(entry["max_fee_per_gas"]),
            "maxPriorityFeePerGas": int(entry["max_priority_fee_per_gas"]),
            "gas": int(entry["gas_limit"]),
            "to": entry["to"],
            "value": int(entry["value"]),
            "data": entry["data"],
        }
        signed = Account.sign_transaction(fields, key)
        desk.world.rpc(SEND, "0x" + bytes(signed.raw_transaction).hex())
        assert entry["signing_hash"] == _signing_hash(fields)

    assert "defilev/unsigned@1" == document["schema"]
    assert plan.hash == document["plan_hash"]
    wait_until(lambda: desk.world.node.nonce(desk.owner) == plan.nonce + 5)


def _signing_hash(fields: dict[str, Any]) -> str:
    from eth_account.typed_transactions.typed_transaction import TypedTransaction

    return "0x" + bytes(TypedTransaction.from_dict(fields).hash()).hex()


def test_a_chain_without_a_base_fee_is_refused(desk: Desk) -> None:
    """A chain before EIP-1559 has its own sentence, exit code 7."""

    def legacy(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
        answer = json.loads(forward())
        del answer["result"]["baseFeePerGas"]
        return json.dumps(answer).encode()

    node, _ = desk.through(eth_getBlockByNumber=legacy)
    with pytest.raises(Refused, match="no EIP-1559 base fee"):
        read_fees(node, at=node.block())


def test_fees_are_twice_the_next_base_fee_and_the_median_tip() -> None:
    """The last base fee counts, the tip is the lower median of the blocks, and never below its floor."""
    history = FeeHistory(base_fees=(5, 6, 7, 8, 1000), rewards=((10**9,), (0,), (3 * 10**9,), (2 * 10**9,)))
    empty = FeeHistory(base_fees=(1000, 1000), rewards=((0,),))

    assert Fees(max_fee_per_gas=2000 + 10**9, max_priority_fee_per_gas=10**9) == suggest_fees(history)
    assert Fees(max_fee_per_gas=2000 + TIP_FLOOR, max_priority_fee_per_gas=TIP_FLOOR) == suggest_fees(empty)


def test_the_gas_limit_is_the_larger_of_plan_and_estimate() -> None:
    """A quarter above the estimate, rounded up, unless the plan allows more."""
    assert 400_000 == gas_limit(planned=400_000, estimated=100_000)
    assert 500_002 == gas_limit(planned=400_000, estimated=400_001)


def test_a_call_of_the_erc20_interface_is_not_sent_by_itself(desk: Desk) -> None:
    """Even a signed-in owner cannot be made to transfer tokens: the policy has no such call."""
    weth = desk.token("WETH")
    transfer = Transaction(weth.address, "WETH", interface("erc20")["transfer"], (desk.world.account("mixed"), 1))
    action, _ = desk.markets().withdraw(weth, 1)

    with pytest.raises(PolicyViolation):
        desk.send(desk.plan([(action, transfer)]))
