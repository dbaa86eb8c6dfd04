"""Perp v2 positions that are liquidated while they are reduced: before the signature, in the pool, and just before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.config.settings import Settings
from defilev.errors import Refused, SimulationFailed
from defilev.execute.password import read_password_file
from defilev.execute.sending import Boundary, Sending
from defilev.execute.signer import KeystoreSigner
from defilev.model.execution import Remark
from defilev.model.plan import Goal, Plan
from defilev.pipeline.acting import Outcome, Retried, broadcast, desk_for, is_still_wanted, require_promise, try_again
from defilev.pipeline.session import Session, connect
from defilev.protocols.perp_curie import PERP_CURIE_LOANS
from tests.support.curie import Curie
from tests.support.desk import ListLedger, quick
from tests.support.world import World

pytestmark = pytest.mark.world

WHO = "perp-near"
TO = Goal("margin-ratio", Decimal(2))


@pytest.fixture
def curie(world: World) -> Curie:
    """Lend the deployment of the local chain."""
    return Curie(world)


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """A connection to the local chain."""
    settings = Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,))
    with closing(connect(settings)) as opened:
        yield opened


@pytest.fixture(scope="module")
def signer(world_session: World) -> KeystoreSigner:
    """The opened keystore of the account."""
    keystore, password_file = world_session.credentials(WHO)
    return KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=world_session.account(WHO))


def size(curie: Curie) -> int:
    """Return the size that the account has, below zero for a short."""
    ((_, found),) = PERP_CURIE_LOANS.positions(PERP_CURIE_LOANS.loan(curie.account(WHO)))
    return found


def liquidate(curie: Curie) -> None:
    """Let a fall of the price make the account liquidatable, and somebody take as much of it as the contract lets."""
    curie.trade(curie.owners()["owner"], "vETH", -150 * 10**18)
    curie.world.advance(60)
    curie.set_index("vETH", 2_970 * 10**8)

    assert curie.liquidate(curie.owners()["lender"], WHO, "vETH")


def at(boundary: Boundary, act: Callable[[], None]) -> Sending:
    """Return a schedule in which something happens once, when a boundary is passed."""
    left = [act]

    def hear(passed: Boundary) -> None:
        if passed == boundary and left:
            left.pop()()

    return replace(quick(), at=hear)


def planned(curie: Curie, session: Session) -> tuple[Plan, Retried]:
    """Return a plan that sells more than a liquidation leaves, tried on the newest block."""
    plan = replace(curie.plan(WHO, TO, slippage="0.03"), nonce=curie.world.node.nonce(curie.owners()[WHO]))
    return plan, try_again(session, plan)


def sent(
    plan: Plan, retried: Retried, signer: KeystoreSigner, sending: Sending, remarks: list[Remark] | None = None
) -> Outcome:
    """Sign and send, with everything written down in memory."""

    def tell(_: object, event: object) -> None:
        if isinstance(event, Remark) and remarks is not None:
            remarks.append(event)

    ledger = ListLedger(lambda _: None, [])
    desk = desk_for(retried.session, retried.account, plan, signer, ledger=ledger, tell=tell, sending=sending)
    return broadcast(retried, plan, desk)


def test_what_is_liquidated_before_the_signature_is_not_signed(
    curie: Curie, session: Session, signer: KeystoreSigner
) -> None:
    """Between the trial and the signature the position is looked at once more: a trade larger than it is refused."""
    plan, retried = planned(curie, session)
    nonce = curie.world.node.nonce(curie.owners()[WHO])
    liquidate(curie)

    with pytest.raises(Refused, match="smaller than what the trade closes"):
        sent(plan, retried, signer, quick())
    assert nonce == curie.world.node.nonce(curie.owners()[WHO])


def test_a_trial_after_a_liquidation_does_not_keep_its_promise(curie: Curie, session: Session) -> None:
    """On a fork of the block after it the plan fails: nothing is signed, and what waits in the pool is cancelled."""
    plan, _ = planned(curie, session)
    liquidate(curie)

    assert not is_still_wanted(session, plan, plan.steps[0])
    with pytest.raises(SimulationFailed):
        try_again(session, plan)


def test_a_position_that_was_turned_around_is_noticed(curie: Curie, session: Session, signer: KeystoreSigner) -> None:
    """Liquidated between signature and inclusion, the trade opens a short: the outcome says so and is not kept."""
    plan, retried = planned(curie, session)
    before = size(curie)
    outcome = sent(plan, retried, signer, at("signed", lambda: liquidate(curie)))

    assert 0 < before
    assert size(curie) < 0
    assert (("vETH",), False) == (outcome.turned, outcome.is_kept)
    with pytest.raises(SimulationFailed, match="vETH was turned around"):
        require_promise(outcome)
