"""Making plans: reads the wallet, then lets the pure planner ask for its quotes, all at the session's block."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import ROUND_DOWN, Decimal

from defilev.errors import UsageError
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal, Plan
from defilev.model.request import Address, Read
from defilev.model.token import TokenBalance, Wallet
from defilev.observe.drive import drive
from defilev.pipeline.chains import block_seconds
from defilev.pipeline.executing import read_atomic, with_grants
from defilev.pipeline.exiting import exit_notices
from defilev.pipeline.exposing import stable_of
from defilev.pipeline.hubs import native_of, read_hubs
from defilev.pipeline.levering import lever_inputs
from defilev.pipeline.market_prices import limits_of
from defilev.pipeline.rearranging import rearrangement
from defilev.pipeline.session import Session
from defilev.pipeline.wallets import read_wallet
from defilev.plan import (
    ANYTHING,
    LOAN_WAYS,
    PERP_WAYS,
    Constraints,
    PerpVia,
    PlanInputs,
    ReduceInputs,
    goes_up,
    plan_atomic,
    plan_deleverage,
    plan_levering,
    plan_margin,
    plan_rearrangement,
    plan_reduction,
    plan_repayment,
)
from defilev.plan.inputs import DEFAULT_FLOOR, MAX_ROUNDS, USUAL_DIVERGENCE, Divergence
from defilev.protocols import PERPS_AS_LOANS, PROTOCOLS, REARRANGING
from defilev.risk.prices import price_notices
from defilev.units import WAD, Wad
from defilev.venues import venue_of

__all__ = ["PlanQuestion", "emergency_floor", "loan_inputs", "make_plan", "make_repayment"]


_LOWEST_FLOOR = Decimal("1.0001")


@dataclass(frozen=True, slots=True)
class PlanQuestion:
    """What a plan is asked for.

    `max_slippage` is a fraction, `floor` a health factor, `window` the seconds until the first signature at the latest;
    `constraints` say what may be used, and how the goal is reached. `meant_for` is the owner, protocol and market that
    the goal was worked out for, `None` when a person named it. `in_hand` is, by token, the collateral that an earlier
    run withdrew and did not come to sell; no more of it counts than the wallet holds. `payer` signs, and repays on the
    owner's behalf, which is then the way. `may_lever` says that a person asks: a goal of more leverage than there is
    may be meant, and where nothing else reaches a goal, what counts as collateral and the e-mode may be changed.
    `divergence` bounds how far the venue's prices may lie from the oracle's, and `rounds` how many a plan may have.
    """

    goal: Goal
    max_slippage: Decimal
    floor: Decimal
    window: int
    meant_for: tuple[str, str, str, str] | None = None
    in_hand: tuple[tuple[Address, int], ...] = ()
    constraints: Constraints = ANYTHING
    payer: Address | None = None
    may_lever: bool = False
    divergence: Divergence = USUAL_DIVERGENCE
    rounds: int = MAX_ROUNDS


def make_plan(session: Session, account: LendingAccount, question: PlanQuestion) -> Plan:
    """Return the plan for `account`, which was read at the session's block.

    Raises:
        Infeasible: no plan reaches the goal.
        UnknownName: a chosen asset is not in the position.
        StalePrice: leverage would be raised on a price that is too old.
        UsageError: the goal was worked out for another position.
        DataError: the wallet or a quote cannot be read.
    """
    if account.protocol in PERPS_AS_LOANS:
        perps = _reduce_inputs(session, account, question, payer=question.payer)
        plan = plan_reduction(perps) if question.payer is None else plan_margin(perps)
    else:
        inputs = loan_inputs(session, account, question)
        plan = drive(_walk(session, inputs, may_lever=question.may_lever), session.fetch)
    session.reader.verify()
    return plan


def loan_inputs(session: Session, account: LendingAccount, question: PlanQuestion) -> PlanInputs:
    """Return what the plan for a loan depends on, with the wallet of whoever pays; raises `UsageError`, `DataError`."""
    _require_loan(account, question)
    inputs = _inputs(session, account, question, payer=question.payer)
    return replace(inputs, rules=REARRANGING.get(account.protocol)) if question.may_lever else inputs


def _walk(session: Session, inputs: PlanInputs, *, may_lever: bool) -> Read[Plan]:
    """Return the planner of a loan's goal."""
    if inputs.goal.rearranges:
        return plan_rearrangement(rearrangement(inputs))
    if inputs.atomic is not None:
        return plan_atomic(inputs)
    if may_lever and (inputs.in_hand or goes_up(inputs.account, inputs.goal)):
        return plan_levering(lever_inputs(session, inputs))
    return plan_deleverage(inputs)


def _require_loan(account: LendingAccount, question: PlanQuestion) -> None:
    """Refuse what only perpetuals have, and what does not go together."""
    via = question.constraints.via
    if question.goal.kind == "margin-ratio":
        raise UsageError("a loan has no margin ratio", fix="give --to-health-factor")
    if via is not None and via not in LOAN_WAYS:
        raise UsageError(f"--via {via} is for perpetuals", fix=f"give one of {', '.join(LOAN_WAYS)}")
    if question.goal.kind == "close" and via not in (None, "mixed", "atomic"):
        raise UsageError(f"--via {via} closes nothing", fix="leave it out: --close uses the wallet, then sells")
    if question.goal.rearranges and via == "atomic":
        raise UsageError("--via atomic takes a debt down, and nothing else", fix="leave it out")
    _require_payer(account, question)


def _require_payer(account: LendingAccount, question: PlanQuestion) -> None:
    """Refuse a payer that is the owner, or is missing, or has nothing to do."""
    if (question.constraints.via == "payer") != (question.payer is not None):
        raise UsageError("--via payer and --payer go together", fix="give --payer ADDRESS, and no other --via")
    if question.payer == account.owner:
        raise UsageError("--payer is the owner", fix="leave it out: the owner's wallet pays by itself")


def _perp_via(question: PlanQuestion) -> PerpVia:
    """Return how perpetuals reach the goal; refuses what only loans have."""
    wanted = question.constraints
    if question.goal.rearranges:
        raise UsageError(f"perpetuals have no {question.goal.kind}", fix="give --to-margin-ratio, or --close")
    if wanted.keep:
        raise UsageError("--keep is for loans", fix="leave it out")
    if len(wanted.sell) + len(wanted.repay) > 1:
        raise UsageError("several positions are named", fix="name the one to begin with, by --sell or --repay")
    match wanted.via:
        case None | "reduce":
            return "reduce"
        case "margin" | "payer":
            return "margin"
        case other:
            raise UsageError(f"--via {other} is for loans", fix=f"give one of {', '.join((*PERP_WAYS, 'payer'))}")


def _reduce_inputs(
    session: Session, account: LendingAccount, question: PlanQuestion, *, payer: Address | None = None
) -> ReduceInputs:
    _require_meant(account, question)
    _require_payer(account, question)
    protocol = PERPS_AS_LOANS[account.protocol]
    wallet = read_wallet(
        session, payer or account.owner, tokens=(protocol.settlement(account),), spenders=[protocol.spender(account)]
    )
    return ReduceInputs(
        protocol=protocol,
        account=account,
        wallet=wallet,
        goal=question.goal,
        via=_perp_via(question),
        max_slippage=question.max_slippage,
        window=question.window,
        block_seconds=block_seconds(session.chain_id),
        gas_price=_gas_price(session),
        native=native_of(protocol.tokens(account), read_hubs(session)),
        market=next(iter((*question.constraints.sell, *question.constraints.repay)), None),
        payer=payer,
    )


def make_repayment(
    session: Session,
    account: LendingAccount,
    question: PlanQuestion,
    *,
    payer: Address | None,
    most: Decimal | None = None,
) -> Plan:
    """Return the plan that repays, or adds margin, on the owner's behalf from the payer's wallet.

    See `plan.plan_repayment`, and for perpetuals `plan.plan_margin`.

    Args:
        session: at the block that the account was read at.
        account: whose debt is repaid, or who is given margin.
        question: its goal; what it says of swaps does not matter.
        payer: who signs; the owner when left out.
        most: value in quote units that is repaid at most.

    Raises:
        Infeasible: the payer holds none of what is to be paid, or too little to matter.
        DataError: the wallet cannot be read.
    """
    if account.protocol in PERPS_AS_LOANS:
        plan = plan_margin(_reduce_inputs(session, account, question, payer=payer), most=most)
    else:
        plan = plan_repayment(_inputs(session, account, question, payer=payer), most=most)
    session.reader.verify()
    return plan


def emergency_floor(health: Decimal, *, over: Decimal = Decimal(1)) -> Decimal:
    """Return the usual floor, or `over` when it is higher; halfway from `health` to liquidation when that is lower."""
    usual = max(Decimal(DEFAULT_FLOOR) / WAD, over)
    return min(usual, max(1 + (health - 1) / 2, _LOWEST_FLOOR)).quantize(_LOWEST_FLOOR, ROUND_DOWN)


def _inputs(
    session: Session, account: LendingAccount, question: PlanQuestion, *, payer: Address | None = None
) -> PlanInputs:
    _require_meant(account, question)
    protocol = PROTOCOLS[account.protocol]
    venue = venue_of(session.book)
    tokens, hubs = protocol.tokens(account), read_hubs(session)
    atomic = read_atomic(session, account) if question.constraints.via == "atomic" else None
    spenders = [protocol.spender(account), *([venue.spender] if venue else [])]
    wallet = read_wallet(session, payer or account.owner, tokens=tokens, spenders=spenders)
    if atomic is not None:
        wallet = with_grants(session, wallet, atomic)
    exits = exit_notices(session.settings, account, wallet.balances, slippage=question.max_slippage)
    return PlanInputs(
        protocol=protocol,
        account=replace(
            account, warnings=(*account.warnings, *price_notices(account, limits=limits_of(session)), *exits)
        ),
        wallet=wallet,
        venue=venue,
        goal=question.goal,
        max_slippage=question.max_slippage,
        floor=Wad(int(question.floor * WAD)),
        window=question.window,
        block_seconds=block_seconds(session.chain_id),
        gas_price=_gas_price(session),
        native=native_of(tokens, hubs),
        constraints=question.constraints,
        in_hand=_in_hand(wallet, question),
        intermediates=hubs,
        payer=payer,
        divergence=question.divergence,
        rounds=question.rounds,
        atomic=atomic,
        stable=stable_of(account, settings=session.settings),
    )


def _in_hand(wallet: Wallet, question: PlanQuestion) -> tuple[TokenBalance, ...]:
    left = dict(question.in_hand)
    found = (TokenBalance(held.token, min(held.amount, left.get(held.token.address, 0))) for held in wallet.balances)
    return tuple(held for held in found if held.amount > 0)


def _require_meant(account: LendingAccount, question: PlanQuestion) -> None:
    position = (f"chain {account.chain_id}", account.owner, account.protocol, account.market)
    if question.meant_for is not None and question.meant_for != position:
        raise UsageError(
            "the target was worked out for another position",
            fix="work it out again with `defilev target`",
            target=" ".join(question.meant_for),
            position=" ".join(position),
        )


def _gas_price(session: Session) -> int:
    """Return wei per gas: the block's own base fee, so that the same block gives the same plan."""
    return session.node.gas_price() if session.block.base_fee is None else session.block.base_fee
