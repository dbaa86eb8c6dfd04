"""What to do next about a nonce, which fees follow which, and what a node's words mean."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, strategies as st

from defilev.chain.endpoint import Endpoint
from defilev.execute.fees import Fees, capped_fees, fee_cap, raised_fees
from defilev.execute.flight import Attempt, Flight, Seen, next_move
from defilev.execute.handing_over import Handed, hand_over
from defilev.execute.sending import Sending
from defilev.execute.transaction import TransactionFields
from defilev.model.execution import SignedStep
from defilev.model.plan import Approve, Step
from defilev.model.request import Address
from defilev.model.token import Token

WHO = Address("0x" + "11" * 20)
STEP = Step(1, Approve(Token(WHO, "T", 18), WHO, "pool", 1), WHO, "T", 0, "0x", "approve", (), None, 0, 90_000)
FIELDS = TransactionFields(31337, 5, 10, 100, 90_000, WHO, 0, b"")
SIGNED = SignedStep(1, 5, 90_000, 100, 10, "0xaa", "0x02")
SENDING = Sending(timeout=100, refused_timeout=50, first_raise=24, next_raise=12, rebroadcast_after=12)
IN_POOL = Seen(head=10, nonce=5, in_pool=True)
UNSEEN = Seen(head=10, nonce=5, in_pool=False)


def a_flight(*, attempts: int = 1, head: int = 10, results: tuple[str, ...] = ("OK",), **state: object) -> Flight:
    """Return a nonce that was signed for at second 0, at block `head`, with the answers of the nodes."""
    flight = Flight(STEP, 5, began=0, handed_at=0)
    for _ in range(attempts):
        handed = [Handed("node", result) for result in results]  # type: ignore[arg-type]
        flight.attempts.append(Attempt(SIGNED, FIELDS, "act", head=head, at=0, handed=handed))
    flight.is_taken = "OK" in results or "KNOWN" in results
    for name, value in state.items():
        setattr(flight, name, value)
    return flight


@pytest.mark.parametrize(
    ("flight", "seen", "now", "move"),
    [
        (a_flight(), IN_POOL, 1, "wait"),
        (a_flight(), UNSEEN, 1, "wait"),
        (a_flight(), UNSEEN, 12, "resend"),
        (a_flight(), IN_POOL, 12, "wait"),
        (a_flight(is_unwanted=True), UNSEEN, 12, "wait"),
        (a_flight(head=9), IN_POOL, 24, "raise"),
        (a_flight(head=10), IN_POOL, 24, "wait"),
        (a_flight(head=9, attempts=2), IN_POOL, 12, "raise"),
        (a_flight(head=9, attempts=8), IN_POOL, 24, "wait"),
        (a_flight(head=9, is_capped=True), IN_POOL, 24, "wait"),
        (a_flight(head=9, was_included=True), IN_POOL, 24, "wait"),
        (a_flight(results=("UNDERPRICED",)), UNSEEN, 0, "raise"),
        (a_flight(results=("OK", "UNDERPRICED")), IN_POOL, 0, "wait"),
        (a_flight(results=("UNKNOWN",)), UNSEEN, 49, "resend"),
        (a_flight(results=("UNKNOWN",)), UNSEEN, 50, "give-up"),
        (a_flight(), UNSEEN, 100, "give-up"),
        (a_flight(), Seen(10, 6, in_pool=False), 99, "wait"),
        (a_flight(spent_since=75.0), Seen(10, 6, in_pool=False), 98, "wait"),
        (a_flight(spent_since=75.0), Seen(10, 6, in_pool=False), 99, "foreign"),
        (a_flight(head=9, results=("UNDERPRICED",)), Seen(10, 6, in_pool=False), 1, "wait"),
    ],
)
def test_the_next_move(flight: Flight, seen: Seen, now: float, move: str) -> None:
    """A spent nonce is never signed for; fees rise while blocks pass; unseen bytes go out again; time ends it."""
    assert move == next_move(flight, seen, replace(SENDING), now=now)


@given(
    fee=st.integers(1, 10**13),
    tip=st.integers(0, 10**12),
    base_fee=st.integers(0, 10**13),
    cap=st.integers(1, 10**14),
    is_urgent=st.booleans(),
)
def test_raised_fees_replace_and_never_exceed_their_cap(
    fee: int, tip: int, base_fee: int, cap: int, *, is_urgent: bool
) -> None:
    """Both fields rise by an eighth at least, and the maximum pays the tip, or nothing is raised."""
    before = Fees(max(fee, tip), tip)

    after = raised_fees(before, base_fee=base_fee, cap=cap, is_urgent=is_urgent)

    if after is None:
        assert cap < max(9 * before.max_fee_per_gas // 8 + 1, 2 * tip + 1)
    else:
        assert 8 * after.max_fee_per_gas >= 9 * before.max_fee_per_gas
        assert 8 * after.max_priority_fee_per_gas >= 9 * tip
        assert after.max_priority_fee_per_gas <= after.max_fee_per_gas <= cap
        assert after.max_fee_per_gas >= min(2 * base_fee + after.max_priority_fee_per_gas, cap)


@given(st.integers(0, 10**13), st.integers(0, 10**12), st.integers(0, 10**13), st.integers(1, 10**14))
def test_the_first_fees_keep_to_the_cap_while_the_next_block_takes_them(
    most: int, tip: int, base_fee: int, cap: int
) -> None:
    """Whatever is offered beyond the cap is no more than what inclusion in the next block takes."""
    before = Fees(most + tip, tip)
    after = capped_fees(before, base_fee=base_fee, cap=cap)

    assert tip == after.max_priority_fee_per_gas
    assert after.max_fee_per_gas <= before.max_fee_per_gas
    assert after.max_fee_per_gas <= max(cap, -(-9 * base_fee // 8) + tip)
    assert after == before or after.max_fee_per_gas >= -(-9 * base_fee // 8) + tip


def test_raised_fees_meet_a_spike_at_once() -> None:
    """The maximum follows the base fee and not the fees before; an urgent tip doubles."""
    before = Fees(max_fee_per_gas=30, max_priority_fee_per_gas=4)

    assert Fees(1005, 5) == raised_fees(before, base_fee=500, cap=10_000)
    assert Fees(1008, 8) == raised_fees(before, base_fee=500, cap=10_000, is_urgent=True)
    assert Fees(34, 5) == raised_fees(before, base_fee=1, cap=34)
    assert raised_fees(before, base_fee=1, cap=33) is None


def test_what_gas_may_cost_follows_what_is_at_stake() -> None:
    """Calm: a hundredth of what is moved, 100 gwei at most. Urgent: a fifth of the loss, as far as the policy goes."""
    gwei, most = 10**9, 2000 * 10**9
    calm = {"gas": 10**6, "at_risk": None, "most": most}
    urgent = {"gas": 10**6, "moved": None, "most": most}

    assert 10 * gwei == fee_cap(moved=Fraction(10**18), **calm)  # type: ignore[arg-type]
    assert 100 * gwei == fee_cap(moved=Fraction(10**21), **calm)  # type: ignore[arg-type]
    assert 100 * gwei == fee_cap(moved=None, **calm)  # type: ignore[arg-type]
    assert 200 * gwei == fee_cap(at_risk=Fraction(10**18), **urgent)  # type: ignore[arg-type]
    assert 2000 * gwei == fee_cap(at_risk=Fraction(10**21), **urgent)  # type: ignore[arg-type]
    assert 100 * gwei == fee_cap(at_risk=Fraction(1), **urgent)  # type: ignore[arg-type]
    assert 50 * gwei == fee_cap(gas=10**6, moved=None, at_risk=Fraction(1), most=50 * gwei)


class Saying:
    """A transport that answers every request with one error."""

    def __init__(self, code: int, message: str) -> None:
        self.error = {"code": code, "message": message}

    def send(self, payload: bytes) -> bytes:
        """Answer."""
        return json.dumps({"jsonrpc": "2.0", "id": json.loads(payload)["id"], "error": self.error}).encode()

    def close(self) -> None:
        """Nothing to close."""


@pytest.mark.parametrize(
    ("code", "message", "result", "is_refused"),
    [
        (-32000, "already known", "KNOWN", False),
        (-32003, "transaction already imported", "KNOWN", False),
        (-32010, "AlreadyKnown", "KNOWN", False),
        (-32000, "nonce too low: next nonce 5, tx nonce 4", "NONCE_LOW", False),
        (-32003, "nonce too low", "NONCE_LOW", False),
        (-32000, "replacement transaction underpriced", "UNDERPRICED", False),
        (-32003, "max fee per gas less than block base fee", "UNDERPRICED", False),
        (-32000, "insufficient funds for gas * price + value", "UNKNOWN", True),
        (429, "too many requests", "UNKNOWN", False),
    ],
)
def test_what_nodes_say_is_sorted_and_not_believed(code: int, message: str, result: str, *, is_refused: bool) -> None:
    """Each client's words for the same thing have one name; none of them says that a transaction is not there."""
    endpoint = Endpoint.over(Saying(code, message), name="node", sleep=lambda seconds: None)

    handed = hand_over(endpoint, b"\x02")

    assert (result, is_refused) == (handed.result, handed.is_refused)
    assert message in handed.said
