"""What the guard saw, decided and did: frozen values, told to sinks, journals, metrics and reports alike."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.model.plan import Goal
from defilev.model.request import Address, Block
from defilev.units import Wad

__all__ = [
    "Acted",
    "Alert",
    "Authority",
    "Decision",
    "Fired",
    "Severity",
    "TickReport",
    "Tier",
    "TriggerKind",
    "Verdict",
]

Severity = Literal["info", "warning", "critical"]
"""How soon a person must look: when there is time, today, now."""

Authority = Literal["alert-only", "reserve", "safe", "owner"]
"""What the guard may do for an account: tell; repay from a key of its own; write a bundle that a Safe's owners sign;
act with the owner's key."""

Tier = Literal["normal", "urgent", "emergency"]

TriggerKind = Literal[
    "health",
    "margin-ratio",
    "liquidation-probability",
    "leverage",
    "no-trade-band",
    "price",
    "stop-loss",
    "trailing-stop",
    "borrow-rate",
    "withdrawable",
    "utilisation",
    "parameter-change",
]

Verdict = Literal["nothing", "alert", "act", "wait", "held"]
"""`nothing`: no trigger fired. `alert`: one fired, and acting is not the answer or not allowed. `act`: the account is
to be brought to its goal. `wait`: it would be, and a cool-down, a budget or a pause of the protocol is in the way.
`held`: it would be, and the guard is paused or halted."""


@dataclass(frozen=True, slots=True)
class Alert:
    """Something to tell people.

    `kind` is stable and names the class of thing (`trigger-fired`, `reserve-short`, `tick-missed`), so that sinks can
    count, quieten and escalate by it. `account` is the name in the rules, `None` when the guard itself is meant.
    `facts` are the numbers behind the text, as text, in the order in which they are shown; no secrets.
    """

    severity: Severity
    kind: str
    account: str | None
    text: str
    facts: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Fired:
    """A trigger that fired: the `figure` that was seen and the `limit` that it crossed, as decimal text.

    `subject` is the asset that it is about, by symbol, `None` when it is the account as a whole as it is now.
    """

    kind: TriggerKind
    figure: str
    limit: str
    subject: str | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """What one tick saw of one account, which triggers fired, what was decided and why.

    `account` is the name in the rules. Values are in quote base units, scaled by `10**quote_decimals`; `health_factor`
    is `None` when nothing is owed. `liquidation_probability` is the calibrated one within the trigger's time, `None`
    when no trigger asks for it. `tier` and `goal` are `None` unless something is to be done. `is_armed` says whether
    the account may set off an action again after the last one. `next_check` is the Unix time, by the chain's clock, at
    which it is looked at again at the latest. `run` is the journal's number of what was done, `None` when nothing was.
    """

    account: str
    owner: Address
    protocol: str
    market: str
    block: Block
    authority: Authority
    health_factor: Wad | None
    collateral_value: int
    debt_value: int
    quote_decimals: int
    fired: tuple[Fired, ...]
    verdict: Verdict
    reason: str
    next_check: int
    tier: Tier | None = None
    goal: Goal | None = None
    liquidation_probability: float | None = None
    is_armed: bool = True
    run: int | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """When an account was looked at last, and what was left of its budgets then.

    `block` and `at` are of the chain; `next_check` is the Unix time, by the chain's clock, of the next look at the
    latest, `None` when it is not known. `runs`, `value` in quote units and `gas` in wei are what the 24 hours before
    had seen. `written_at` is the time of the host. A look of a dry run is not one of a guard that may sign.
    """

    account: str
    is_broadcasting: bool
    block: int
    at: int
    next_check: int | None
    runs: int
    value: Decimal
    gas: int
    written_at: str


@dataclass(frozen=True, slots=True)
class Acted:
    """What came of a decision to act.

    `outcome`: `dry-run` (planned and tried, nothing signed), `done` (included, and the promise kept), `partial` (less
    than the goal), `bundled` (written for the owners of a Safe; nothing was sent), `refused` or `failed` (nothing was
    sent), `unconfirmed` (something was sent and is followed on the next tick). `way` is the rung of the ladder that was
    taken (`reserve`, `wallet-and-sale`), `None` when none was. Health factors in wad, `None` when nothing is owed or
    nothing was reached; `fee_paid` in wei. `goes_on` says that it was a slice: the next follows until the goal.
    """

    account: str
    outcome: Literal["dry-run", "done", "partial", "bundled", "refused", "failed", "unconfirmed"]
    text: str
    way: str | None = None
    run: int | None = None
    plan_hash: str | None = None
    promised: Wad | None = None
    got: Wad | None = None
    transactions: tuple[str, ...] = ()
    fee_paid: int = 0
    goes_on: bool = False


@dataclass(frozen=True, slots=True)
class TickReport:
    """One tick of the guard.

    `number` counts from one within a process. `block` is the one that everything was read at, `None` when the chain
    could not be read. `is_leader` says whether this process held every lease that it asked for; a standby decides
    nothing. `decisions` are in the order of health, the lowest first. `missed` counts ticks that should have come since
    the last one, by the chain's time. `rpc_calls` and `milliseconds` are what the tick took. `next_at` is the Unix
    time, by the chain's clock, of the next tick, `None` after the last. `in_flight` are the accounts for which an
    action goes on after the tick; what came of it is in a later one's `acted`.
    """

    number: int
    block: Block | None
    is_leader: bool
    is_broadcasting: bool
    decisions: tuple[Decision, ...]
    acted: tuple[Acted, ...]
    alerts: tuple[Alert, ...]
    missed: int
    rpc_calls: int
    milliseconds: int
    next_at: int | None
    in_flight: tuple[str, ...] = ()
