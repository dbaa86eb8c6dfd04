from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from defilev_signer.errors import Denied, Unusable
from defilev_signer.ledger import Ledger
from defilev_signer.policy import Policy
from defilev_signer.policy_file import parse_policy
from defilev_signer.rules import judge
from defilev_signer.transaction import read_transaction
from tests.factories import USDC, WETH
from tests.support.trial_legal import OWNER, PROTECTED, Draft, trial_policy
from tests.unit.policy_cases import Markets

DAY = 24 * 3600


@dataclass
class Clock:
    """A clock that tests set."""

    now: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Book:
    """A ledger with its policy and clock."""

    ledger: Ledger
    policy: Policy
    clock: Clock

    def sign(self, draft: Draft) -> None:
        """Write a transaction down as if it were signed."""
        self.ledger.admit(judge(read_transaction(draft.payload()), [], self.policy), self.policy.limits)


@pytest.fixture
def open_book(tmp_path: Path) -> Iterator[Callable[..., Book]]:
    """Opens the one ledger of the test, again and again if need be."""
    opened: list[Ledger] = []
    clock = Clock()
    tmp_path.chmod(0o700)

    def make(*, new: bool = True, **changes: Any) -> Book:
        for ledger in opened:
            ledger.close()
        opened.clear()
        policy = parse_policy(trial_policy(**changes).encode())
        opened.append(Ledger(tmp_path, policy, new=new, clock=clock))
        return Book(opened[0], policy, clock)

    yield make
    for ledger in opened:
        ledger.close()


def withdraw(nonce: int, *, value: int = 3000, fee: int = 10**10) -> Draft:
    """Withdraw WETH of that value."""
    _, call = Markets(owner=OWNER).withdraw(WETH, value * 10**18 // 3000)
    return Draft("withdraw", nonce, call.to, call.data, fee=fee)


def cancel(nonce: int, *, fee: int = 2 * 10**10) -> Draft:
    """Use up a nonce for nothing."""
    return Draft("cancel", nonce, OWNER, b"", fee=fee, tip=2 * 10**8, gas=21_000)


def test_a_nonce_is_signed_with_one_content(open_book: Callable[..., Book]) -> None:
    """The same content again and with higher fees is allowed; other content never, not even after a restart."""
    book = open_book()
    book.sign(withdraw(7))
    book.sign(withdraw(7))
    book.sign(withdraw(7, fee=2 * 10**10))

    for again in (lambda: book, lambda: open_book(new=False)):
        with pytest.raises(Denied, match="signed with other content"):
            again().sign(withdraw(7, value=3001, fee=5 * 10**10))


def test_a_nonce_may_be_cancelled_and_then_stays_so(open_book: Callable[..., Book]) -> None:
    """A transaction of nothing to the owner replaces whatever was signed; what it replaced may not undercut it."""
    book = open_book()
    book.sign(withdraw(7))
    book.sign(cancel(7))

    with pytest.raises(Denied, match="fees of a replacement"):
        book.sign(withdraw(7))


@pytest.mark.parametrize("change", [{"fee": 10**10 - 1}, {"tip": 10**8 - 1}])
def test_a_replacement_never_pays_less(open_book: Callable[..., Book], change: dict[str, int]) -> None:
    """Lower fees for a nonce that was signed are denied."""
    book = open_book()
    book.sign(withdraw(7))

    with pytest.raises(Denied, match="fees of a replacement"):
        book.sign(replace(withdraw(7), **change))  # type: ignore[arg-type]


def test_nonces_go_forward(open_book: Callable[..., Book]) -> None:
    """A little ahead is allowed: the owner acts elsewhere too. Far ahead and back are not, but for a cancellation."""
    book = open_book()
    book.sign(withdraw(50))
    book.sign(withdraw(150))

    for nonce in (49, 149, 251):
        with pytest.raises(Denied, match="nonce"):
            book.sign(withdraw(nonce))
    book.sign(cancel(149))


def test_a_nonce_is_signed_twenty_times_at_most(open_book: Callable[..., Book]) -> None:
    """Replacing without end is denied."""
    book = open_book()
    for raised in range(20):
        book.sign(withdraw(7, fee=10**10 + raised))

    with pytest.raises(Denied, match="signatures for a nonce"):
        book.sign(withdraw(7, fee=2 * 10**10))


@pytest.mark.parametrize(
    ("limits", "rule"),
    [
        ({"value_per_day": "9000"}, "withdrawn within 24 hours"),
        ({"transactions_per_day": 3}, "transactions within 24 hours"),
        ({"gas_cost_per_day_eth": "0.012"}, "gas within 24 hours"),
    ],
)
def test_a_day_has_limits(open_book: Callable[..., Book], limits: dict[str, Any], rule: str) -> None:
    """The fourth transaction is denied, a restart does not help, and a day later it is allowed."""
    book = open_book(limits=limits)
    for nonce in range(3):
        book.sign(withdraw(nonce))

    with pytest.raises(Denied, match=rule):
        book.sign(withdraw(3))
    book = open_book(new=False, limits=limits)
    with pytest.raises(Denied, match=rule):
        book.sign(withdraw(3))
    book.clock.now += DAY + 1
    book.sign(withdraw(3))


def test_setting_the_clock_back_forgets_nothing(open_book: Callable[..., Book]) -> None:
    """What was signed later than the clock says still counts."""
    book = open_book(limits={"value_per_day": "3000"})
    book.sign(withdraw(0))
    book.clock.now -= 10 * DAY

    with pytest.raises(Denied, match="withdrawn"):
        book.sign(withdraw(1))


def test_repeating_a_signature_counts_once(open_book: Callable[..., Book]) -> None:
    """Only the dearest of the transactions with one nonce can be included, so gas counts once; so does the value."""
    book = open_book(limits={"value_per_day": "3000", "transactions_per_day": 1, "gas_cost_per_day_eth": "0.008"})
    book.sign(withdraw(0))
    book.sign(withdraw(0, fee=2 * 10**10))

    assert {"transactions": 1, "gas": 8 * 10**15, "withdrawn": 3000, "approved": 0, "swapped": 0} == book.ledger.spent()


def test_repaying_is_not_limited_by_value(open_book: Callable[..., Book]) -> None:
    """Paying back debt takes nothing from anybody."""
    book = open_book(limits={"value_per_day": "1", "value_per_transaction": "1"})
    _, call = Markets(owner=OWNER).repay(USDC, 10**12)

    book.sign(Draft("repay", 0, call.to, call.data))


def test_a_lost_ledger_is_not_made_anew_by_itself(open_book: Callable[..., Book], tmp_path: Path) -> None:
    """Without the file the signer does not start, and with it --new-state is refused."""
    with pytest.raises(Unusable, match="would be forgotten"):
        open_book(new=False)
    open_book()
    with pytest.raises(Unusable, match="exists already"):
        open_book()


def test_a_ledger_is_for_one_account(open_book: Callable[..., Book]) -> None:
    """A policy that names another chain, owner or protected account is refused with the old ledger."""
    open_book()
    changes: list[dict[str, Any]] = [{"chain_id": 10}, {"owner": PROTECTED, "chain_id": 31337}, {"protected": []}]
    for change in changes:
        with pytest.raises(Unusable, match="this ledger was made for"):
            open_book(new=False, **change)


def test_a_damaged_ledger_stops_the_signer(open_book: Callable[..., Book], tmp_path: Path) -> None:
    """A file that is no database, or was cut, is refused."""
    open_book()
    path = tmp_path / "signed.sqlite"
    path.write_bytes(path.read_bytes()[:5000] + b"\xff" * 3000)

    with pytest.raises(Unusable, match="cannot be used"):
        open_book(new=False)
