"""The calldata of Compound v3, against another library's encodings and calls that the real contracts were sent."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Literal

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from defilev.abi import checksum
from defilev.errors import PolicyViolation
from defilev.model.plan import Borrow, Goal, Plan, PlanCost, Promise, Repay, Supply, Withdraw
from defilev.model.simulation import SimulationReport, StepReport
from defilev.pipeline.proving import require_proven
from defilev.protocols import PROTOCOLS
from defilev.protocols.compound_v3.write import bulk
from defilev.units import UINT256_MAX, Wad
from tests.factories import BLOCK, OWNER
from tests.support.cassette import COMET

COMPOUND = PROTOCOLS["compound-v3"]
(BOB,) = COMET.read("cusdcv3", ["bob_weth_healthy"])
USDC, *_ = COMPOUND.tokens(BOB)
WETH = next(token for token in COMPOUND.tokens(BOB) if token.symbol == "WETH")
HELD = 40 * 10**18
BULKER = checksum(COMET.document["bulker"])


def called(signature: str, types: list[str], values: list[object]) -> bytes:
    return keccak(signature.encode())[:4] + encode(types, values)


@pytest.mark.parametrize(
    ("action", "name", "asset", "amount"),
    [
        (Supply(WETH, 7), "supply", WETH, 7),
        (Repay(USDC, 5), "supply", USDC, 5),
        (Repay(USDC, None), "supply", USDC, UINT256_MAX),
        (Borrow(USDC, 9), "withdraw", USDC, 9),
        (Withdraw(WETH, 3), "withdraw", WETH, 3),
        (Withdraw(WETH, None), "withdraw", WETH, HELD),
        (Withdraw(USDC, None), "withdraw", USDC, UINT256_MAX),
    ],
)
def test_each_action_is_one_call_of_the_comet(action: object, name: str, asset: object, amount: int) -> None:
    """Repaying all is the largest integer; all of a collateral is what is held, which the contract asks to be told."""
    made = COMPOUND.transaction(BOB, action)  # type: ignore[arg-type] # each is an action
    expected = called(f"{name}(address,uint256)", ["address", "uint256"], [asset.address, amount])  # type: ignore[attr-defined]

    assert (COMET.document["markets"]["cusdcv3"], expected) == (made.to, made.data)


@pytest.mark.parametrize("write", [each for each in COMET.document["writes"] if each["function"] == "supply"])
def test_repaying_all_is_the_call_that_the_contract_was_sent(write: dict[str, str]) -> None:
    """The recorded `supply` of the largest integer is byte for byte what closes a debt here."""
    (account,) = COMET.read(write["market"], [write["account"]])
    base, *_ = COMPOUND.tokens(account)

    assert write["data"] == "0x" + COMPOUND.transaction(account, Repay(base, None)).data.hex()


def test_the_bulker_does_several_in_one() -> None:
    """Actions are named in left-aligned words, each with the Comet, the owner, the asset and the amount."""
    made = bulk(BOB.state, [Repay(USDC, None), Withdraw(WETH, None)], bulker=BULKER)
    comet = COMET.document["markets"]["cusdcv3"]
    words = ["address", "address", "address", "uint256"]
    data = [encode(words, [comet, BOB.owner, USDC.address, UINT256_MAX])]
    data.append(encode(words, [comet, BOB.owner, WETH.address, HELD]))
    names = [b"ACTION_SUPPLY_ASSET".ljust(32, b"\0"), b"ACTION_WITHDRAW_ASSET".ljust(32, b"\0")]

    assert BULKER == made.to
    assert called("invoke(bytes32[],bytes[])", ["bytes32[]", "bytes[]"], [names, data]) == made.data
    assert "555029a6" == made.data[:4].hex()


def a_plan(protocol: str) -> Plan:
    promise = Promise(Wad(2 * 10**18), Decimal(2), 0, 0, None)
    cost = PlanCost(0, 0, 0, 0, None, 0, 0, Decimal(0))
    return Plan(
        chain_id=1,
        block=BLOCK,
        protocol=protocol,
        market="usdc",
        owner=OWNER,
        goal=Goal("close", None),
        label="",
        health_factor_before=None,
        leverage_before=None,
        floor=Wad(10**18),
        max_slippage=Decimal("0.005"),
        steps=(),
        promise=promise,
        post_conditions=(),
        cost=cost,
        quote_decimals=8,
        expires_at_block=1,
        expires_at=1,
        nonce=0,
        warnings=(),
        hash="ab" * 32,
    )


def a_report(engine: Literal["anvil", "simulate-v1"], *, status: Literal["ok", "reverted"] = "ok") -> SimulationReport:
    step = StepReport(1, status, 1, None, (), None, None)
    return SimulationReport("ab" * 32, engine, BLOCK, (step,), (), None, None, None, 1, 1)


@pytest.mark.parametrize(
    ("report", "allowed"),
    [
        (a_report("anvil"), True),
        (a_report("simulate-v1"), False),
        (a_report("anvil", status="reverted"), False),
        (replace(a_report("anvil"), plan_hash="cd" * 32), False),
    ],
)
def test_a_comet_s_plan_is_signed_only_after_it_held_on_a_fork(report: SimulationReport, *, allowed: bool) -> None:
    """Of Compound v3, whose contracts no test here runs, that very plan must have held on a fork; others need less."""
    require_proven(a_plan("aave-v3"), report)
    if allowed:
        require_proven(a_plan("compound-v3"), report)
        return
    with pytest.raises(PolicyViolation, match="a plan for compound-v3 is signed only once it has held on a fork") as no:
        require_proven(a_plan("compound-v3"), report)
    assert "--engine anvil" in no.value.fix
    assert "--unsigned" in no.value.fix
