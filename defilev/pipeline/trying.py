"""Trying a plan on the chain that it is meant for, before anyone is asked for a key."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from defilev.abi import interface, revert_reason
from defilev.errors import AnvilFailed, BlockUnavailable, PlanExpired, PlanForAnotherChain, SimulationFailed
from defilev.model.account import LendingAccount
from defilev.model.plan import Plan
from defilev.model.request import Address, Call
from defilev.model.simulation import SimulationReport
from defilev.pipeline.loans import read_loan
from defilev.pipeline.session import Session
from defilev.protocols import ACTING
from defilev.simulate import EngineChoice, ForkSource, require_moved, simulate
from defilev.units import WAD, Wad
from defilev.venues.uniswap_v3.reasons import CODES as VENUE_CODES

__all__ = [
    "TOLERANCE",
    "account_of",
    "require_chain",
    "require_kept",
    "require_own_block",
    "require_unexpired",
    "try_plan",
]

TOLERANCE = WAD // 1000
"""How far below its promise a health factor may be found before the promise counts as broken: interest of the wait."""

VENUE_INTERFACES = ("erc20", "uniswap_v3_swap_router_02", "leverage_executor")


def require_chain(session: Session, plan: Plan) -> None:
    """Raise `PlanForAnotherChain` when the session's chain is not the plan's."""
    if plan.chain_id != session.chain_id:
        raise PlanForAnotherChain(
            f"the plan is for chain {plan.chain_id}, and the node is of chain {session.chain_id}",
            plan=plan.chain_id,
            node=session.chain_id,
        )


def account_of(session: Session, plan: Plan, *, or_nothing: bool = False) -> LendingAccount:
    """Return the account that a plan is about, at the session's block; raises as `read_loan`, `PlanForAnotherChain`."""
    require_chain(session, plan)
    return read_loan(session, plan.owner, protocol=plan.protocol, market=plan.market, or_nothing=or_nothing)


def try_plan(
    session: Session,
    plan: Plan,
    *,
    engine: EngineChoice = "auto",
    account: LendingAccount | None = None,
    prepared: Sequence[tuple[Address, Call]] = (),
) -> SimulationReport:
    """Run every step of `plan` on a fork at the session's block, and check its post-conditions.

    Where there are several nodes, a fork that one cannot feed is made from the next.

    Args:
        account: the plan's, at that block; read when left out.
        prepared: calls that others make on the fork before it.

    Raises:
        PlanForAnotherChain: the node is of another chain.
        AnvilMissing, AnvilFailed, DataError: it could not be tried.
    """
    protocol = ACTING[plan.protocol]
    interfaces = [*protocol.interfaces(), *(interface(name) for name in VENUE_INTERFACES)]
    probe = protocol.probe(account or account_of(session, plan), plan)
    *others, last = [_source(session, endpoint.url) for endpoint in session.endpoints.ranked()]

    def tried(source: ForkSource) -> SimulationReport:
        return simulate(
            plan,
            source=source,
            probe=probe,
            explain=lambda data: revert_reason(data, interfaces, {**VENUE_CODES, **protocol.error_codes()}),
            engine=engine,
            prepared=prepared,
        )

    for source in others:
        with suppress(AnvilFailed):
            return tried(source)
    return tried(last)


def _source(session: Session, url: str) -> ForkSource:
    anvil = session.settings.anvil
    return ForkSource(
        node=session.node,
        url=url,
        multicall3=session.book.multicall3,
        block=session.block,
        anvil=str(anvil) if anvil else None,
    )


def require_own_block(session: Session, plan: Plan) -> None:
    """Raise `BlockUnavailable` when the session's block is not the one that the plan was made at."""
    if session.block.hash != plan.block.hash:
        raise BlockUnavailable(
            f"the node has another block {session.block.number} than the one that the plan was made at",
            fix="try the plan on the newest block with --block latest, or make a new one",
            plan=plan.block.hash,
            node=session.block.hash,
        )


def require_unexpired(session: Session, plan: Plan) -> None:
    """Raise `PlanExpired` when the session's block is past the plan's expiry."""
    if session.block.number > plan.expires_at_block or session.block.timestamp > plan.expires_at:
        raise PlanExpired(
            f"the plan expired at block {plan.expires_at_block}; the newest is {session.block.number}", hash=plan.hash
        )


def require_kept(plan: Plan, report: SimulationReport, *, before: Wad | None = None) -> None:
    """Let a plan go on that did what it says; its own list of conditions is not the only thing it is held against.

    Args:
        plan: the plan that was tried.
        report: what came of it.
        before: the account's health factor at the report's block, which a plan that does not lever up never ends below;
            `None` when nothing is owed, or when it is not known.

    Raises:
        TokenMisbehaves: a token moved another amount than a step asked it to.
        SimulationFailed: a step reverted, a post-condition does not hold, the health factor ends below the promised one
            or below `before`, or a step goes below the plan's floor.
    """
    require_moved(plan, report)
    for step in report.steps:
        if step.status == "reverted":
            raise SimulationFailed(
                f"step {step.index} reverts on a fork of block {report.block.number}: {step.revert_reason}",
                plan=report.plan_hash,
            )
    broken = [check for check in report.conditions if not check.holds]
    if broken:
        first = broken[0]
        token = f" {first.condition.token.symbol}" if first.condition.token else ""
        raise _broken(report, f"{first.condition.kind}{token}", first.condition.limit, first.found)
    if report.health_factor is not None:
        promised = plan.promise.health_factor
        if promised is None or report.health_factor < promised - TOLERANCE:
            raise _broken(report, "health factor", promised, report.health_factor)
        if before is not None and not plan.may_lower_health and report.health_factor < before - TOLERANCE:
            raise _broken(report, "a deleverage raises the health factor", before, report.health_factor)
    _require_floor(plan, report, before)


def _require_floor(plan: Plan, report: SimulationReport, before: Wad | None) -> None:
    floor = max(plan.floor, WAD)
    if before is not None and not plan.may_lower_health:
        floor = min(floor, before)
    lowest = min((step.health_factor for step in report.steps if step.health_factor is not None), default=None)
    is_held = plan.may_lower_health or before is not None
    if lowest is not None and is_held and lowest < floor - TOLERANCE:
        raise _broken(report, "lowest health factor on the way", floor, lowest)


def _broken(report: SimulationReport, what: str, promised: int | None, found: int | None) -> SimulationFailed:
    return SimulationFailed(
        f"the plan does not keep its promise on a fork of block {report.block.number}: {what}",
        promised=promised,
        found=found,
    )
