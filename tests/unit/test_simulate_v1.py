"""The `eth_simulateV1` engine against nodes that refuse, lie or fall short."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from eth_abi.abi import decode, encode

from defilev.chain.node import Node
from defilev.errors import AnvilFailed, BlockUnavailable, RpcMalformed, RpcRejected
from defilev.model.plan import Approve, Goal, Plan, PlanCost, PostCondition, Promise, Step
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address, Block, Call, Results
from defilev.model.simulation import SimulationReport
from defilev.simulate import EngineChoice, ForkSource, simulate
from defilev.units import Wad
from tests.factories import OWNER, USDC
from tests.support.fake_node import FakeNode, NodeError, pinned, rpc_over

BLOCK = Block(100, "0x" + "ab" * 32, 5000, 7)
MULTICALL3 = Address("0xcA11bde05977b3631167028862bE2a173976CA11")
HISTORY = {"baseFeePerGas": ["0x7"] * 3, "reward": [["0x1"], ["0x2"]]}
STEPS = 5

Change = Callable[[dict[str, Any], int], dict[str, Any]]


def a_plan() -> Plan:
    """Return a plan of `STEPS` approvals; the gas limit of each is its number, which the fake node goes by."""
    action = Approve(USDC, MULTICALL3, "spender", 1)
    steps = [
        Step(index, action, USDC.address, "USDC", 0, "0x01", "approve", (), None, 0, gas_limit=1000 + index)
        for index in range(STEPS)
    ]
    return Plan(
        chain_id=1,
        block=BLOCK,
        protocol="aave-v3",
        market="main",
        owner=OWNER,
        goal=Goal("close", None),
        label="",
        health_factor_before=None,
        leverage_before=None,
        floor=Wad(1),
        max_slippage=Decimal(0),
        steps=tuple(steps),
        promise=Promise(None, None, 0, 0, None),
        post_conditions=(PostCondition("no-debt"),),
        cost=PlanCost(0, 0, 0, 0, None, STEPS, STEPS, Decimal(0)),
        quote_decimals=8,
        expires_at_block=1,
        expires_at=1,
        nonce=0,
        warnings=(),
    )


def a_probe() -> ProbeCalls:
    """Return a probe whose health factor is the first word of its answer."""

    def health(results: Results) -> Wad:
        return Wad(int.from_bytes(results[0].data, "big"))

    def observed(results: Results) -> Observed:
        return Observed(health(results), 20, 0, (), (), (), ())

    call = Call(OWNER, b"\x01")
    return ProbeCalls((call,), health, (call, call), observed, (USDC,), frozenset())


def simulated(block: dict[str, Any], position: int) -> dict[str, Any]:
    """Return what an honest node makes of a block: every call succeeds, and health is 10 more with each step."""
    answers = [{"status": "0x1", "gasUsed": "0x10", "returnData": "0x", "logs": []}]
    for question in block["calls"][1:]:
        (calls,) = decode(["(address,bool,bytes)[]"], bytes.fromhex(question["input"][10:]))
        words = [(True, (10 * (position + 1)).to_bytes(32, "big"))] * len(calls)
        returned = "0x" + encode(["(bool,bytes)[]"], [words]).hex()
        answers.append({"status": "0x1", "gasUsed": "0x10", "returnData": returned, "logs": []})
    overrides = block["blockOverrides"]
    return {"number": overrides["number"], "timestamp": overrides["time"], "calls": answers}


def node(answer: Callable[[list[dict[str, Any]]], Any]) -> FakeNode:
    """Return a node that answers `eth_simulateV1` so."""
    return FakeNode(
        {
            "eth_chainId": lambda: "0x1",
            "eth_feeHistory": lambda *_: HISTORY,
            "eth_simulateV1": lambda request, _: answer(request["blockStateCalls"]),
        }
    )


def honest(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Answer every block as an honest node does."""
    return [simulated(block, position) for position, block in enumerate(blocks) if block]


def tried(fake: FakeNode, *, engine: EngineChoice = "simulate-v1") -> SimulationReport:
    """Simulate the plan on a fake node; an anvil that it falls back to does not start."""
    source = ForkSource(Node(rpc_over(fake)), "http://127.0.0.1:9", MULTICALL3, BLOCK, anvil="/bin/false")
    return simulate(a_plan(), source=source, probe=a_probe(), explain=lambda data: data.hex(), engine=engine)


def test_the_request_says_everything() -> None:
    """One request has a block per step with number, time and base fee, validates, and pays for gas in each call."""
    fake = node(honest)
    report = tried(fake)
    requests = [params for method, params in fake.asked if method == "eth_simulateV1"]
    assert 1 == len(requests)
    request, tag = requests[0]
    assert (pinned(BLOCK.hash), True) == (tag, request["validation"])
    for position, block in enumerate(request["blockStateCalls"]):
        overrides = {"number": hex(101 + position), "time": hex(5012 + 12 * position), "baseFeePerGas": "0x7"}
        assert overrides == block["blockOverrides"]
        assert all(int(call["maxFeePerGas"], 16) >= 7 and int(call["gas"], 16) > 0 for call in block["calls"])
        assert OWNER == block["calls"][0]["from"]
        assert all(OWNER != call["from"] for call in block["calls"][1:])
        assert not {OWNER} & set(block.get("stateOverrides", {}))
    assert [10, 20, 30, 40, 50] == [step.health_factor for step in report.steps]
    assert (True, 50, 20, 0) == (report.succeeded, report.health_factor, report.collateral_value, report.debt_value)
    assert (16 * STEPS, 7 + 10**7) == (report.gas_used, report.gas_price)


@pytest.mark.parametrize("refused", range(STEPS))
def test_a_refused_transaction_is_found_among_the_steps(refused: int) -> None:
    """A node that refuses the whole request for one transaction is asked until that step is known, in few requests."""

    def answer(blocks: list[dict[str, Any]]) -> Any:
        if len(blocks) > refused:
            raise NodeError(-38014, "insufficient funds for gas")
        return honest(blocks)

    fake = node(answer)
    report = tried(fake)
    assert ["ok"] * refused + ["reverted"] + ["not-run"] * (STEPS - refused - 1) == [
        step.status for step in report.steps
    ]
    assert "not taken by the chain: insufficient funds for gas" == report.steps[refused].revert_reason
    assert report.health_factor is None
    assert sum(method == "eth_simulateV1" for method, _ in fake.asked) <= 4


REVERTS = {
    "anvil": {"returnData": "0xdeadbeef", "error": {"code": -3200, "message": "execution failed"}},
    "geth": {"returnData": "0x", "error": {"code": 3, "message": "execution reverted", "data": "0xdeadbeef"}},
}


@pytest.mark.parametrize("dialect", REVERTS)
def test_a_revert_ends_the_run(dialect: str) -> None:
    """A reverted step has its reason in each node's dialect; what comes after it is not believed, though simulated."""

    def answer(blocks: list[dict[str, Any]]) -> Any:
        answers = honest(blocks)
        answers[2]["calls"][0] |= {"status": "0x0"} | REVERTS[dialect]
        return answers

    report = tried(node(answer))
    assert ["ok", "ok", "reverted", "not-run", "not-run"] == [step.status for step in report.steps]
    assert "deadbeef" == report.steps[2].revert_reason
    assert not report.conditions[0].holds


def each_call(**changed: Any) -> Change:
    """Return a change of every call of every block."""
    return lambda block, _: block | {"calls": [call | changed for call in block["calls"]]}


LIES: dict[str, Change] = {
    "another time": lambda block, _: block | {"timestamp": "0x1"},
    "another number": lambda block, _: block | {"number": "0x1"},
    "a call too few": lambda block, _: block | {"calls": block["calls"][:1]},
    "no calls": lambda block, _: block | {"calls": None},
    "no block": lambda block, position: {} if position else block,
    "no status": each_call(status=None),
    "no logs": each_call(logs=None),
    "no gas": each_call(gasUsed=None),
    "short data": each_call(returnData="0x00"),
}


@pytest.mark.parametrize("lie", LIES)
def test_an_answer_to_another_question_is_refused(lie: str) -> None:
    """A node that ignored the overrides, or left out calls or fields, is not believed."""
    change = LIES[lie]
    fake = node(lambda blocks: [change(block, position) for position, block in enumerate(honest(blocks))])
    with pytest.raises(RpcMalformed):
        tried(fake)


def test_fewer_blocks_than_steps_are_refused() -> None:
    """An answer without a block per step is malformed."""
    with pytest.raises(RpcMalformed):
        tried(node(lambda blocks: honest(blocks)[:-1]))


def refusing(code: int, message: str) -> Callable[[list[dict[str, Any]]], Any]:
    """Return an answer that is this error for real requests, though the node answers the probe for support."""

    def answer(blocks: list[dict[str, Any]]) -> Any:
        if blocks == [{}]:
            return [{}]
        raise NodeError(code, message)

    return answer


def test_a_refused_request_is_not_a_refused_step() -> None:
    """A node that cannot simulate, or not this much, says nothing about the plan."""
    for code in (-32601, -32602, -32603):
        with pytest.raises(RpcRejected):
            tried(node(refusing(code, "no")))
    with pytest.raises(BlockUnavailable):
        tried(node(refusing(-32000, "missing trie node")))


@pytest.mark.parametrize("answer", [refusing(-32602, "too many blocks"), lambda _: {}])
def test_auto_falls_back_to_anvil(answer: Callable[[list[dict[str, Any]]], Any]) -> None:
    """A node without `eth_simulateV1`, or that refuses this request, leaves the plan to an anvil."""
    with pytest.raises(AnvilFailed):
        tried(node(answer), engine="auto")
