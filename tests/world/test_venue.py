from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.abi import interface
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Hop, Plan, Swap
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from defilev.pipeline.trying import require_kept, try_plan
from defilev.plan import Divergence
from defilev.venues import Order, Route
from tests.support.plans import token_of, venue_of
from tests.support.positions import give
from tests.support.world import World

pytestmark = pytest.mark.world

RAISED = Decimal("1.2")
HALF_A_PER_CENT = Decimal("0.005")


def routes_of(world: World, sold: Token, bought: Token, *through: Token) -> tuple[Route, ...]:
    """Return the venue's routes on the chain as it is now."""
    read = venue_of(world).routes([(sold, bought)], intermediates=through)
    return drive(read, world.reader(world.head()).fetch)[0]


def test_routes_are_the_pools_of_the_factory(world: World) -> None:
    """Both WETH/USDC pools and the ways through DAI are found, at the addresses where they are."""
    (account,) = world.read("main", [world.account("comfortable")])
    weth, usdc, dai = (token_of(account, symbol) for symbol in ("WETH", "USDC", "DAI"))

    routes = routes_of(world, weth, usdc, dai)

    pools = {tuple(hop.pool for hop in route) for route in routes}
    described = world.description["pools"]
    address = {name: Address(described[name]["address"]) for name in described}
    assert {
        (address["WETH/USDC 0.05%"],),
        (address["WETH/USDC 0.3%"],),
        (address["WETH/DAI 0.3%"], address["DAI/USDC 0.01%"]),
    } == pools


@pytest.mark.parametrize(("symbol", "amount"), [("wstETH", 5 * 10**18), ("WETH", 20 * 10**18), ("WBTC", 10**8)])
def test_a_quote_is_what_the_swap_brings(world: World, symbol: str, amount: int) -> None:
    """Every route's quote equals, to the last unit, what the swap router then pays."""
    (account,) = world.read("main", [world.account("comfortable")])
    owner = Address(world.description["operators"][0]["address"])
    sold, usdc = token_of(account, symbol), token_of(account, "USDC")
    venue = venue_of(world)
    for route in routes_of(world, sold, usdc, token_of(account, "WETH")):
        snapshot = world.rpc("evm_snapshot")
        (quote,) = drive(venue.quotes([Order(route, amount)]), world.reader(world.head()).fetch)
        assert quote is not None
        transaction = venue.transaction(Swap(route, amount, quote.amount_out, quote.amount_out), owner=owner)
        approval = interface("erc20")["approve"].encode(venue.spender, amount)
        assert world.send(owner, sold.address, approval)["status"] == "0x1"
        before = world.balance("USDC", owner)

        receipt = world.send(owner, transaction.to, transaction.data)

        assert receipt["status"] == "0x1"
        assert quote.amount_out == world.balance("USDC", owner) - before
        assert int(receipt["gasUsed"], 16) <= venue.gas(Swap(route, amount, 1, 1))
        world.rpc("evm_revert", snapshot)


def test_more_than_the_pools_hold_has_no_quote(world: World) -> None:
    """An amount that no pool can take is not filled at a worse price: there is no quote."""
    (account,) = world.read("main", [world.account("comfortable")])
    weth, usdc = token_of(account, "WETH"), token_of(account, "USDC")
    hop = Hop(weth, usdc, 10_000, Address("0x" + "0" * 39 + "1"))

    assert (None,) == drive(venue_of(world).quotes([Order((hop,), 10**18)]), world.reader(world.head()).fetch)


def test_a_pool_away_from_the_oracle_is_gone_around_or_sold_to_in_part(world: World, session: Session) -> None:
    """One pool that fell is gone around; when both did, a part is sold, and more slippage reaches the goal."""
    owner = world.account("comfortable")
    push(world, "WETH/USDC 0.05%", sold="WETH", bought="USDC", amount=10_000 * 10**18)
    one = session.at("latest")
    around = raised(one, read_account(one, owner, protocol="aave-v3", market="main"), HALF_A_PER_CENT)
    push(world, "WETH/DAI 0.3%", sold="WETH", bought="DAI", amount=1_000 * 10**18)
    pushed = session.at("latest")
    account = read_account(pushed, owner, protocol="aave-v3", market="main")

    part = raised(pushed, account, HALF_A_PER_CENT)
    plan = raised(pushed, account, Decimal("0.12"), apart=Decimal("0.5"))

    (swap,) = [step.action for step in around.steps if isinstance(step.action, Swap)]
    assert ["WETH", "DAI"] == [hop.token_in.symbol for hop in swap.route]
    assert part.label.startswith("PARTIAL: ")
    assert "uniswap-v3 gives too little: WETH for USDC" in part.label
    assert "" == plan.label
    for each in (part, plan):
        require_kept(each, try_plan(pushed, each))


def raised(session: Session, account: LendingAccount, slippage: Decimal, *, apart: Decimal | None = None) -> Plan:
    """Return a plan for a fifth more health."""
    assert account.health_factor is not None
    target = round(Decimal(account.health_factor).scaleb(-18) * RAISED, 3)
    goal, divergence = Goal("health-factor", target), Divergence.within(apart)
    question = PlanQuestion(goal, slippage, Decimal("1.02"), 600, divergence=divergence)
    return make_plan(session, account, question)


def push(world: World, pool: str, *, sold: str, bought: str, amount: int) -> None:
    """Sell into one pool, which moves its price away from the oracle."""
    owner = Address(world.description["operators"][0]["address"])
    (account,) = world.read("main", [world.account("comfortable")])
    token_in, token_out = token_of(account, sold), token_of(account, bought)
    described = world.description["pools"][pool]
    route = (Hop(token_in, token_out, int(described["fee"]), Address(described["address"])),)
    venue = venue_of(world)
    give(world, sold, owner, amount)
    approval = interface("erc20")["approve"].encode(venue.spender, amount)
    assert world.send(owner, token_in.address, approval)["status"] == "0x1"
    transaction = venue.transaction(Swap(route, amount, 1, 1), owner=owner)
    assert world.send(owner, transaction.to, transaction.data)["status"] == "0x1"
