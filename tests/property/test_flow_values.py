"""Every value that passes between the rooms survives its JSON, to the last digit and bit."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from defilev.abi import checksum
from defilev.errors import PlanTampered, UsageError
from defilev.library.documents import KINDS, from_json
from defilev.model.account import LendingAccount
from defilev.model.execution import Execution, SignedStep
from defilev.model.exposure import Exposure
from defilev.model.flow import FlowValue
from defilev.model.perp import PerpAccount
from defilev.model.plan import Goal, Plan, PostCondition, Promise, Step
from defilev.model.plan_hash import with_hash
from defilev.model.request import Address
from defilev.model.simulation import SimulationReport
from defilev.model.target import Target
from defilev.model.token import Token
from defilev.units import Wad
from tests.factories import BLOCK, DAI, USDC, WBTC, WETH, WSTETH
from tests.support.markets import an_aave_account, inputs_for, plan_for

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: checksum("0x" + raw.hex()))
integers = st.integers(0, 2**256 - 1) | st.integers(0, 100)
signed = integers.map(int) | integers.map(lambda value: -value)
decimals = st.decimals(allow_nan=False, allow_infinity=False, places=18, min_value=-(10**20), max_value=10**20)
texts = st.text(max_size=12)
tokens = st.builds(Token, addresses, texts, st.integers(0, 255))

st.register_type_strategy(Address, addresses)
st.register_type_strategy(int, signed)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(Decimal, decimals)
st.register_type_strategy(str, texts)
st.register_type_strategy(Token, tokens)


spoken = st.sampled_from(("health-factor-at-least", "no-debt", "allowance-zero", "balance-at-least"))
conditions = st.builds(PostCondition, spoken, integers, tokens, addresses)
st.register_type_strategy(PostCondition, conditions)


@st.composite
def accounts(draw: st.DrawFn) -> LendingAccount:
    """Accounts of a hand-made market, states included."""
    held = st.dictionaries(st.sampled_from((WETH, WSTETH, WBTC, USDC, DAI)), st.integers(1, 10**24), max_size=4)
    regime = draw(st.sampled_from(("3.0", "3.3", "3.4", "3.6", "3.7")))
    return an_aave_account(draw(held), draw(held), regime=regime)


PLAN = plan_for(
    inputs_for(an_aave_account({WSTETH: 50 * 10**18}, {USDC: 60_000 * 10**6}), Goal("health-factor", Decimal(3)))
)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Plans of any amounts, words and steps, with the hash that belongs to them."""
    steps = draw(st.lists(st.builds(Step, data=st.binary(max_size=40).map(lambda data: "0x" + data.hex())), min_size=1))
    return with_hash(
        replace(
            PLAN,
            steps=tuple(steps),
            owner=draw(addresses),
            floor=Wad(draw(integers)),
            max_slippage=draw(decimals),
            nonce=draw(integers),
            label=draw(texts),
            promise=draw(st.from_type(Promise)),
            post_conditions=tuple(draw(st.lists(conditions, max_size=3))),
        )
    )


VALUES: dict[type[FlowValue], st.SearchStrategy[FlowValue]] = {
    LendingAccount: accounts(),
    PerpAccount: st.builds(PerpAccount, state=st.none()),
    Exposure: st.from_type(Exposure),
    Target: st.from_type(Target),
    Plan: plans(),
    SimulationReport: st.from_type(SimulationReport),
    SignedStep: st.from_type(SignedStep),
    Execution: st.from_type(Execution),
}


MOST: dict[type[FlowValue], int] = {Target: 20}
"""Examples of what is large."""


def _numbers(document: Any) -> Iterator[object]:
    if isinstance(document, dict | list):
        for item in document.values() if isinstance(document, dict) else document:
            yield from _numbers(item)
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield document


@pytest.mark.parametrize("kind", VALUES, ids=lambda kind: kind.__name__)
def test_a_value_survives_its_json(kind: type[FlowValue]) -> None:
    """Read back it is equal, written again it is the same text, and no integer was a JSON number on the way."""

    @settings(max_examples=MOST.get(kind, settings.default.max_examples if settings.default else 100))
    @given(VALUES[kind])
    def survives(value: FlowValue) -> None:
        text = value.to_json()
        again = from_json(text)

        assert value == again
        assert type(value) is type(again)
        assert text == again.to_json()
        assert [] == [number for number in _numbers(json.loads(text)) if isinstance(number, int)]

    survives()


def test_every_kind_of_value_is_read() -> None:
    """`from_json` knows exactly the kinds that survive here."""
    assert set(VALUES) == set(KINDS.values())


def test_an_account_without_its_protocol_s_state_keeps_its_figures() -> None:
    """Read by its class alone, an account is equal but for the state, and is written as the same text."""
    account = an_aave_account({WETH: 10**18}, {USDC: 10**9})
    plain = LendingAccount.from_json(account.to_json())

    assert account == replace(plain, state=account.state)
    assert account.to_json() == plain.to_json()


def _changed(value: FlowValue, **changes: Any) -> str:
    return json.dumps({**value.to_document(), **changes})


ACCOUNT = an_aave_account({WETH: 10**18}, {USDC: 10**9})
BAD = {
    "no JSON": ("{", "is not JSON"),
    "no document": ("[1]", "no document of the schema None"),
    "no schema": ("{}", "no document of the schema None"),
    "another schema": ('{"schema": "defilev/health@1"}', "no document of the schema 'defilev/health@1'"),
    "a later schema": ('{"schema": "defilev/account@2"}', "no document of the schema 'defilev/account@2'"),
    "a field that is missing": ('{"schema": "defilev/account@1"}', "not a LendingAccount: chain_id"),
    "a field of another kind": (_changed(ACCOUNT, legs="all"), "not a LendingAccount: legs"),
    "an address that is none": (_changed(ACCOUNT, owner="0x12"), "owner: it is not an address"),
    "a state that is none": (_changed(ACCOUNT, state={}), "not a AaveState"),
}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_value_is_refused_with_the_reason(kind: str) -> None:
    """A usage error names the field, or the schema, and never ends as a defect."""
    text, said = BAD[kind]
    with pytest.raises(UsageError) as caught:
        from_json(text)

    assert said in caught.value.fact
    assert caught.value.fix


def test_a_plan_that_was_changed_is_refused() -> None:
    """A plan is read only with the hash of its content."""
    with pytest.raises(PlanTampered):
        from_json(_changed(PLAN, nonce=str(PLAN.nonce + 1)))


def test_a_report_says_of_success_what_its_steps_say() -> None:
    """A simulation's verdict cannot be edited by itself."""
    report = SimulationReport("00", "anvil", BLOCK, (), (), None, None, None, 0, 0)

    assert report == from_json(report.to_json())
    with pytest.raises(UsageError, match="does not say what its steps say"):
        from_json(_changed(report, succeeded=False))
