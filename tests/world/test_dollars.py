"""What is believed of isolated markets when a whole book is added up: anybody can make one, and supply for others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal

import pytest

from defilev.config.settings import Settings
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.pipeline.dollars import dollars_of, is_in_dollars
from defilev.pipeline.look import read_accounts
from defilev.pipeline.session import Session, connect
from defilev.units import BPS
from tests.support.isolated_positions import params_of
from tests.support.positions import Recipe, open_position
from tests.support.world import World

pytestmark = pytest.mark.world

SOMEBODY = Address("0x1111111111111111111111111111111111111111")
RICH = "0x74" + "01" + "00" * 20 + "5f5260205ff3"
"""Answers every call with two to the 160th, a price beyond any."""


@pytest.fixture
def session(world: World) -> Iterator[Session]:
    """Connect to the local chain, on which somebody has collateral in an isolated market, and no debt."""
    open_position(
        world,
        "WBTC/USDC",
        Recipe(
            owner=SOMEBODY, supplies={"WBTC": 100_000}, disabled=frozenset(), borrows={}, e_mode=False, elapsed=12,
            price=BPS,
        ),
    )  # fmt: skip
    opened = connect(Settings(rpc_url=(world.rpc_url,), address_book=(world.address_book,)))
    yield opened
    opened.close()


def _read(session: Session) -> tuple[LendingAccount, list[LendingAccount]]:
    """Return the isolated account, and all that was read."""
    accounts = read_accounts(session, [SOMEBODY])
    (held,) = (account for account in accounts if not account.is_empty)
    return held, accounts


def test_what_markets_in_dollars_list_is_believed(session: Session) -> None:
    """Collateral without debt counts at the dollars of the loan token."""
    held, accounts = _read(session)

    assert Decimal("0.9") < (dollars_of(held, accounts) or 0) < Decimal("1.1")


def test_an_oracle_of_anybody_s_making_adds_nothing(world: World, session: Session) -> None:
    """A price beyond twice what others say is not believed of who owes nothing, unless the address book names it."""
    world.rpc("anvil_setCode", params_of(world, "WBTC/USDC").oracle, RICH)
    held, accounts = _read(session.at("latest"))

    assert held.collateral_value > 10**18
    assert dollars_of(held, accounts) is None
    assert dollars_of(held, accounts, named=[held.market]) is not None
    assert dollars_of(replace(held, debt_value=1), accounts) is not None


def test_a_token_that_calls_itself_the_dollar_is_none(session: Session) -> None:
    """Neither as a currency, nor as a market that tells what other tokens are worth."""
    held, accounts = _read(session)
    claimed = replace(held, quote="USD")
    others = [account for account in accounts if account.deployment]

    assert not is_in_dollars(claimed)
    assert dollars_of(claimed, accounts) is None
    assert dollars_of(held, [claimed, *others]) is None
