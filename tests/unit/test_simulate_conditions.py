"""Post-conditions and wallet changes: what a simulation's figures are held against."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies as st

from defilev.abi import keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.chain.values import Log
from defilev.model.plan import PostCondition
from defilev.model.probe import Observed, ProbeCalls
from defilev.model.request import Address
from defilev.model.token import Allowance, TokenBalance
from defilev.simulate.conditions import check_condition, unchecked
from defilev.simulate.movements import movements, wallet_changes
from defilev.units import Wad
from tests.factories import DAI, OWNER, USDC, WETH

SPENDER = Address("0x" + "11" * 20)
STRANGER = Address("0x" + "22" * 20)
A_TOKEN = Address("0x" + "33" * 20)

OBSERVED = Observed(
    health_factor=Wad(1500),
    collateral_value=9000,
    debt_value=5000,
    supplied=(TokenBalance(WETH, 70),),
    owed=(TokenBalance(USDC, 40), TokenBalance(DAI, 0)),
    wallet=(TokenBalance(WETH, 3), TokenBalance(USDC, 0)),
    allowances=(Allowance(USDC, SPENDER, 0), Allowance(WETH, SPENDER, 8)),
)
NOTHING = Observed(None, 0, 0, (TokenBalance(WETH, 0),), (TokenBalance(USDC, 0),), (), ())
DUST = Observed(None, 0, 0, (TokenBalance(WETH, 1),), (TokenBalance(USDC, 1),), (), ())


@pytest.mark.parametrize(
    ("condition", "holds", "found"),
    [
        (PostCondition("health-factor-at-least", limit=1500), True, 1500),
        (PostCondition("health-factor-at-least", limit=1501), False, 1500),
        (PostCondition("debt-at-most", limit=40, token=USDC), True, 40),
        (PostCondition("debt-at-most", limit=39, token=USDC), False, 40),
        (PostCondition("debt-at-most", limit=0, token=DAI), True, 0),
        (PostCondition("collateral-at-least", limit=70, token=WETH), True, 70),
        (PostCondition("collateral-at-least", limit=71, token=WETH), False, 70),
        (PostCondition("balance-at-least", limit=3, token=WETH), True, 3),
        (PostCondition("balance-at-least", limit=1, token=USDC), False, 0),
        (PostCondition("allowance-zero", token=USDC, spender=SPENDER), True, 0),
        (PostCondition("allowance-zero", token=WETH, spender=SPENDER), False, 8),
        (PostCondition("no-debt"), False, 5000),
        (PostCondition("no-collateral"), False, 9000),
    ],
    ids=lambda value: f"{value.kind}-{value.limit}" if isinstance(value, PostCondition) else None,
)
def test_each_condition_is_held_against_its_figure(condition: PostCondition, holds: bool, found: int) -> None:  # noqa: FBT001 - a case's outcome
    """Every kind of condition looks at its own figure, and its limit itself is good enough."""
    checked = check_condition(condition, OBSERVED)
    assert (condition, holds, found) == (checked.condition, checked.holds, checked.found)


def test_nothing_owed_meets_any_health_factor() -> None:
    """An account that owes nothing has no health factor and is as safe as any asked for."""
    checked = check_condition(PostCondition("health-factor-at-least", limit=10**30), NOTHING)
    assert (True, None) == (checked.holds, checked.found)


def test_dust_is_not_nothing() -> None:
    """A single base unit left breaks `no-debt` and `no-collateral`, even when it rounds to no value."""
    for kind in ("no-debt", "no-collateral"):
        assert check_condition(PostCondition(kind), NOTHING).holds
        assert not check_condition(PostCondition(kind), DUST).holds


def test_what_was_not_observed_is_an_error() -> None:
    """A condition on a token that nobody asked about is a defect, not a figure of zero."""
    for condition in (
        PostCondition("debt-at-most", limit=1, token=WETH),
        PostCondition("balance-at-least", limit=1, token=DAI),
        PostCondition("allowance-zero", token=DAI, spender=SPENDER),
    ):
        with pytest.raises(KeyError):
            check_condition(condition, OBSERVED)


def test_a_condition_has_what_it_speaks_of() -> None:
    """A condition without the limit or token of its kind cannot be made."""
    with pytest.raises(ValueError, match="debt-at-most needs limit"):
        PostCondition("debt-at-most", token=USDC)
    with pytest.raises(ValueError, match="allowance-zero needs token and spender"):
        PostCondition("allowance-zero")


def test_an_unfinished_plan_holds_nothing() -> None:
    """A condition of a plan that did not run to its end does not hold, and has no figure."""
    checked = unchecked(PostCondition("no-debt"))
    assert (False, None) == (checked.holds, checked.found)


def topic(address: Address) -> str:
    """Return an address as an event's topic."""
    return "0x" + "0" * 24 + address[2:].lower()


TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()


def transfer(token: Address, sender: Address, recipient: Address, amount: int) -> Log:
    """Return a Transfer event."""
    return Log(token, (TRANSFER, topic(sender), topic(recipient)), amount.to_bytes(32, "big"))


def a_probe(**changes: Any) -> ProbeCalls:
    """Return a probe that knows the tokens and nothing else."""
    fields: dict[str, Any] = {
        "health_calls": (),
        "decode_health": lambda _: None,
        "calls": (),
        "decode": lambda _: NOTHING,
        "tokens": (WETH, USDC),
        "position_tokens": frozenset({A_TOKEN}),
    }
    return ProbeCalls(**(fields | changes))


def test_transfers_are_named_where_the_token_is_known() -> None:
    """A known token has its symbol and decimals, another one has none, and other events are no transfers."""
    logs = [
        transfer(USDC.address, STRANGER, OWNER, 5),
        transfer(STRANGER, OWNER, SPENDER, 6),
        Log(USDC.address, (TRANSFER, topic(OWNER), topic(SPENDER), "0x" + "0" * 64), b""),
        Log(USDC.address, ("0x" + "ab" * 32,), b"\x00" * 32),
    ]
    moved = movements(logs, (USDC,))
    assert [("USDC", 6, 5), (None, None, 6)] == [(move.symbol, move.decimals, move.amount) for move in moved]
    assert (STRANGER, OWNER) == (moved[0].sender, moved[0].recipient)


amounts = st.integers(0, 2**200)
parties = st.sampled_from([OWNER, SPENDER, STRANGER])
transfers = st.lists(
    st.builds(transfer, st.sampled_from([WETH.address, USDC.address, A_TOKEN]), parties, parties, amounts)
)


@given(transfers)
def test_wallet_changes_are_the_sums_of_the_transfers(logs: list[Log]) -> None:
    """What the owner gained less what it lost is each token's one change, without the position's own tokens."""
    moved = movements(logs, (WETH, USDC))
    changes = {change.token: change for change in wallet_changes(moved, owner=OWNER, probe=a_probe())}
    for token in (WETH.address, USDC.address):
        came = sum(move.amount for move in moved if move.token == token and move.recipient == OWNER)
        went = sum(move.amount for move in moved if move.token == token and move.sender == OWNER)
        if came == went:
            assert token not in changes
        else:
            assert abs(came - went) == changes[token].amount
            expected = (ZERO_ADDRESS, OWNER) if came > went else (OWNER, ZERO_ADDRESS)
            assert expected == (changes[token].sender, changes[token].recipient)
    assert A_TOKEN not in changes
