"""A rehearsal: on a fork prices fall, pools follow and thin out, and the emergency plan is made and run there.

Everything after the shock is the path that a real emergency takes, over a node that happens to be a fork: the account
is read and checked, the plan is made and tried as on any chain. Nothing is signed, and nothing reaches the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal
from fractions import Fraction

from defilev.chain.anvil import Anvil, find_anvil
from defilev.errors import FeedUnmovable, Infeasible, PoolUnmovable
from defilev.model.account import LendingAccount, Price
from defilev.model.plan import Goal, Hop, Plan
from defilev.model.rehearsal import AssetMove, PoolMove, Rehearsal, Shock
from defilev.model.simulation import SimulationReport
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.hubs import native_of, read_hubs
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, emergency_floor, make_plan
from defilev.pipeline.session import Session, connect
from defilev.pipeline.shocked_feeds import driver_change, feeds_of, own_feed
from defilev.pipeline.surroundings import INTERMEDIATES
from defilev.pipeline.trying import try_plan
from defilev.plan.inputs import USUAL_DIVERGENCE, Divergence
from defilev.plan.refusals import SMALLEST_RISE
from defilev.protocols import PROTOCOLS
from defilev.simulate.shock import move_feed, move_pool, thin_pool
from defilev.units import WAD, to_decimal
from defilev.venues import venue_of

__all__ = ["RehearsalQuestion", "rehearse"]

_WHOLE = 10**30
"""Base units that a price is taken of, so that rounding does not show."""

DOLLAR = "USD"
"""The currency in which a feed's move always shows; in that of a token it may move both sides alike."""

_NEAR = Fraction(1, 1000)
"""A smaller move of a price is interest, and none of a feed."""


@dataclass(frozen=True, slots=True)
class RehearsalQuestion:
    """The shock, and what the emergency plan is to reach.

    `goal` is `None` for the health factor of before, at most `most`; `floor` is `None` for the usual one, or halfway to
    liquidation when that is lower. `max_slippage` is a fraction and `window` in seconds.
    """

    shock: Shock
    goal: Goal | None
    most: Decimal
    max_slippage: Decimal
    window: int
    floor: Decimal | None = None
    divergence: Divergence = USUAL_DIVERGENCE


def rehearse(session: Session, account: LendingAccount, question: RehearsalQuestion) -> Rehearsal:
    """Return what came of an emergency on a fork of the session's chain at its block, where `account` was read.

    Raises:
        UnknownName: a shock of an asset that the position does not have.
        UsageError: two shocks of one feed.
        Infeasible: there is no position, or nothing is owed.
        FeedUnmovable, PoolUnmovable: the fork cannot be brought into the state asked for.
        AnvilMissing, AnvilFailed, DataError: see `Anvil` and `connect`.
    """
    _require_debt(account)
    settings = session.settings
    with Anvil(find_anvil(str(settings.anvil) if settings.anvil else None)) as anvil:
        anvil.fork(session.endpoints.ranked()[0].url, block=session.block, chain_id=session.chain_id)
        _move_feeds(anvil, session, account, question.shock)
        anvil.mine()
        shocked = _read_on(anvil, session, account)
        moves = _moves(account, shocked)
        if account.quote == DOLLAR:
            _require_followed(account, moves, question.shock)
        pools = _move_pools(anvil, session, (account, shocked), question.shock)
        base_fee = question.shock.gas_price or session.block.base_fee
        if base_fee is not None:
            anvil.mine_at(base_fee)
        return _acted(anvil, session, account, question, (moves, pools))


def _require_debt(account: LendingAccount) -> None:
    if account.health_factor is None:
        raise Infeasible(
            f"{account.owner} owes nothing on {account.protocol} {account.market_name}: nothing can be liquidated",
            fix="check WHO and --market",
        )


def _move_feeds(anvil: Anvil, session: Session, account: LendingAccount, shock: Shock) -> None:
    exposure = exposure_of(account, settings=session.settings)
    for feed, name, change in feeds_of(account, exposure, shock.prices):
        move_feed(anvil, feed, 1 + Fraction(change), name=name)
    for name, change in shock.depegs:
        move_feed(anvil, own_feed(account, name), 1 + Fraction(change), name=name)


def _read_on(anvil: Anvil, session: Session, account: LendingAccount) -> LendingAccount:
    fork = _session_on(anvil, session)
    try:
        return read_account(fork, account.owner, protocol=account.protocol, market=account.market)
    finally:
        fork.close()


def _session_on(anvil: Anvil, session: Session) -> Session:
    """Connect to the fork as to a chain of its own; there is no relay to send anything to."""
    changed = {"rpc_url": (anvil.url,), "block": "latest", "private_rpc_url": None}
    return connect(session.settings.model_copy(update=changed))


def _moves(before: LendingAccount, after: LendingAccount) -> tuple[AssetMove, ...]:
    """Return what the oracle says of each asset before and after."""
    found = {leg.asset.address: leg for leg in before.legs}
    prices = {leg.asset.address: leg.price for leg in after.legs}
    return tuple(
        AssetMove(leg.asset, _price(leg.price), _price(prices[asset]))
        for asset, leg in found.items()
        if asset in prices
    )


def _require_followed(account: LendingAccount, moves: Sequence[AssetMove], shock: Shock) -> None:
    """Raise `FeedUnmovable` when the oracle says what it said before, of everything."""
    if all(abs(Fraction(move.after) / Fraction(move.before) - 1) < _NEAR for move in moves):
        names = ", ".join(name for name, _ in (*shock.prices, *shock.depegs))
        raise FeedUnmovable(f"the oracle of {account.protocol} {account.market_name} does not follow {names}")


def _price(price: Price) -> Decimal:
    return to_decimal(price.value, price.decimals)


def _move_pools(
    anvil: Anvil, session: Session, accounts: tuple[LendingAccount, LendingAccount], shock: Shock
) -> tuple[PoolMove, ...]:
    """Move every pool that a sale could go through by as much as the oracle's prices moved, then thin it out.

    Raises:
        PoolUnmovable: there is no pool to sell in, or one cannot be moved.
    """
    venue = venue_of(session.book)
    found: list[PoolMove] = []
    for hop in _hops(session, accounts[0]):
        factor = _factor(session, accounts, hop.token_in, shock) / _factor(session, accounts, hop.token_out, shock)
        if factor != 1 and venue is not None:
            move_pool(anvil, venue.spender, hop, factor)
        if shock.liquidity is not None:
            thin_pool(anvil, hop, 1 + Fraction(shock.liquidity))
        found.append(PoolMove(hop, Decimal(factor.numerator) / factor.denominator))
    return tuple(found)


def _hops(session: Session, account: LendingAccount) -> list[Hop]:
    """Return every pool between what is supplied and what is owed, direct or through another token, each once."""
    venue = venue_of(session.book)
    held = [leg.asset for leg in account.legs if leg.side == "supply"]
    owed = [leg.asset for leg in account.legs if leg.side == "borrow"]
    pairs = [(sold, bought) for sold in held for bought in owed if sold != bought]
    if venue is None or not pairs:
        return []
    tokens = dict.fromkeys((*PROTOCOLS[account.protocol].tokens(account), *read_hubs(session)))
    between = [token for token in tokens if token.symbol in INTERMEDIATES]
    routes = drive(venue.routes(pairs, intermediates=between), session.fetch)
    hops = {hop.pool: hop for of_pair in routes for route in of_pair for hop in route}
    if not hops:
        raise PoolUnmovable(
            f"there is no pool of {venue.name} between what is supplied and what is owed", pairs=_pair_names(pairs)
        )
    return list(hops.values())


def _pair_names(pairs: Sequence[tuple[Token, Token]]) -> str:
    return ", ".join(f"{sold.symbol}/{bought.symbol}" for sold, bought in pairs)


def _factor(session: Session, accounts: tuple[LendingAccount, LendingAccount], token: Token, shock: Shock) -> Fraction:
    """Return by what the price of `token` was multiplied, by the market's oracle where it has a price for it.

    A token outside the market moves as the shock says of its name, or of the driver that is called as it is.
    """
    protocol = PROTOCOLS[accounts[0].protocol]
    if token in protocol.tokens(accounts[0]):
        before, after = (protocol.value_down(account, token.address, _WHOLE) for account in accounts)
        return Fraction(after, before) if before and after else Fraction(1)
    exposure = exposure_of(accounts[0], settings=session.settings)
    return 1 + Fraction(driver_change(accounts[0], exposure, shock.prices, token.symbol))


def _acted(
    anvil: Anvil,
    session: Session,
    account: LendingAccount,
    question: RehearsalQuestion,
    moved: tuple[tuple[AssetMove, ...], tuple[PoolMove, ...]],
) -> Rehearsal:
    fork = _session_on(anvil, session)
    try:
        shocked = read_account(fork, account.owner, protocol=account.protocol, market=account.market)
        rehearsal = Rehearsal(
            shock=question.shock,
            goal=_goal(account, question),
            before=account,
            shocked=shocked,
            moves=moved[0],
            pools=moved[1],
            base_fee=fork.block.base_fee,
        )
        if shocked.health_factor is None or shocked.health_factor < WAD:
            return replace(rehearsal, outcome="too-late")
        if _is_met(shocked, rehearsal.goal):
            return replace(rehearsal, outcome="not-needed")
        try:
            plan = make_plan(fork, shocked, _plan_question(shocked, rehearsal.goal, question))
        except Infeasible as refusal:
            return replace(rehearsal, outcome="no-plan", refusal=refusal.fact, advice=refusal.fix)
        report = try_plan(fork, plan, engine="anvil", account=shocked)
        return _judged(rehearsal, fork, plan, report)
    finally:
        fork.close()


def _is_met(shocked: LendingAccount, goal: Goal) -> bool:
    """Return whether the health factor is the goal already, or misses it by no more than a plan is worth."""
    if goal.kind != "health-factor" or goal.value is None:
        return False
    return (shocked.health_factor or 0) + SMALLEST_RISE >= goal.value * WAD


def _goal(account: LendingAccount, question: RehearsalQuestion) -> Goal:
    if question.goal is not None:
        return question.goal
    health = (Decimal(account.health_factor or 0) / WAD).quantize(Decimal("0.0001"), ROUND_DOWN)
    return Goal("health-factor", min(health, question.most))


def _plan_question(shocked: LendingAccount, goal: Goal, question: RehearsalQuestion) -> PlanQuestion:
    return PlanQuestion(
        goal=goal,
        max_slippage=question.max_slippage,
        floor=emergency_floor(Decimal(shocked.health_factor or 0) / WAD) if question.floor is None else question.floor,
        window=question.window,
        divergence=question.divergence,
    )


def _judged(rehearsal: Rehearsal, fork: Session, plan: Plan, report: SimulationReport) -> Rehearsal:
    if not report.succeeded:
        return replace(rehearsal, outcome="failed", plan=plan, report=report)
    return replace(
        rehearsal,
        outcome="partial" if plan.label else "worked",
        plan=plan,
        report=report,
        cost=_cost(rehearsal.shocked, report),
        gas_value=_gas_value(fork, rehearsal.shocked, report),
    )


def _cost(shocked: LendingAccount, report: SimulationReport) -> int:
    """Return what is missing afterwards in quote base units at the oracle's prices, without gas; below zero for a gain.

    The position's equity and what came into the wallet, against the equity before the plan.
    """
    left = (report.collateral_value or 0) - (report.debt_value or 0)
    return shocked.equity_value - left - sum(_gained(shocked, report))


def _gained(shocked: LendingAccount, report: SimulationReport) -> Iterator[int]:
    protocol = PROTOCOLS[shocked.protocol]
    for change in report.wallet_changes:
        value = protocol.value_down(shocked, change.token, change.amount)
        yield value if change.recipient == shocked.owner else -value


def _gas_value(fork: Session, shocked: LendingAccount, report: SimulationReport) -> int | None:
    protocol = PROTOCOLS[shocked.protocol]
    native = native_of(protocol.tokens(shocked), read_hubs(fork))
    return None if native is None else protocol.value_down(shocked, native.address, report.gas_used * report.gas_price)
