"""Where a price is old, the market is asked; where it is fresh, the oracle's word stands."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.pipeline.look import read_account
from defilev.pipeline.market_prices import market_health
from defilev.pipeline.session import Session
from tests.support.world import World

pytestmark = pytest.mark.world

HOURS = 3600
PRICE = 3000 * 10**8


def healths(session: Session, world: World, who: str = "comfortable") -> tuple[Decimal, Decimal | None]:
    """Return the contract's health factor and the market's, at the newest block."""
    newest = session.at("latest")
    account = read_account(newest, world.account(who), protocol="aave-v3", market="main")
    assert account.health_factor is not None
    return Decimal(account.health_factor).scaleb(-18), market_health(newest, account)


def test_a_fresh_price_is_not_doubted(world: World, session: Session) -> None:
    """Nobody asks the market about a price that was just updated, whatever it says."""
    world.set_price("WETH", PRICE * 2)

    assert healths(session, world)[1] is None


def test_a_stale_price_is_no_better_than_the_market(world: World, session: Session) -> None:
    """A price a tenth above the pools' counts for a tenth less; one below them counts as it is."""
    old = world.head().timestamp - 30 * HOURS
    world.set_price("WETH", PRICE * 10 // 9, updated_at=old)
    high, judged = healths(session, world)
    world.set_price("WETH", PRICE * 9 // 10, updated_at=old)
    low, as_low = healths(session, world)

    assert judged is not None
    assert as_low is not None
    assert high * Decimal("0.899") < judged < high * Decimal("0.901")
    assert low == pytest.approx(as_low)


def test_a_stale_debt_counts_as_well(world: World, session: Session) -> None:
    """What is owed may be dearer than its old price says: the sale that pays for it is asked about."""
    world.set_price("USDC", 10**8 * 9 // 10, updated_at=world.head().timestamp - 30 * HOURS)
    oracle, judged = healths(session, world)

    assert judged is not None
    assert oracle * Decimal("0.899") < judged < oracle * Decimal("0.901")


def test_an_incomplete_round_is_stale(world: World, session: Session) -> None:
    """A round that has no time yet is no fresh one."""
    world.set_price("WETH", PRICE, updated_at=0)
    oracle, judged = healths(session, world)

    assert judged is not None
    assert oracle * Decimal("0.998") < judged < oracle
