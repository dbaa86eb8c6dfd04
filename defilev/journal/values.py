"""What the journal is told and what it tells: frozen values, no storage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from defilev.model.request import Address
from defilev.units import Wad

__all__ = [
    "EVERYTHING",
    "LIVE",
    "TRANSITIONS",
    "Fill",
    "Finding",
    "Held",
    "IntentKind",
    "OpenAttempt",
    "Outcome",
    "ReceiptFacts",
    "Reservation",
    "Reserved",
    "RunStart",
    "SendResult",
    "Settlement",
    "SignedAttempt",
    "Stage",
    "State",
    "Switch",
]

State = Literal[
    "NONCE_RESERVED",
    "SIGNED",
    "BROADCAST",
    "UNKNOWN",
    "MINED",
    "VERIFIED",
    "REVERTED",
    "REVERTED_FINAL",
    "REORGED",
    "FOREIGN",
    "CANCELLED",
    "ABORTED",
    "HALTED",
]
"""Where one intent, one nonce of one account, stands."""

LIVE: tuple[State, ...] = ("NONCE_RESERVED", "SIGNED", "BROADCAST", "UNKNOWN", "FOREIGN")
"""States that keep the account from reserving another nonce; a unique index holds them to one per account.

An intent that was included is not among them, so that the next step may begin. One that a reorganisation takes back is
`REORGED`, not among them either: it may only re-send stored bytes, beside a later live intent."""

_SENT: tuple[State, ...] = (
    "SIGNED",
    "BROADCAST",
    "UNKNOWN",
    "MINED",
    "REVERTED",
    "FOREIGN",
    "HALTED",
    "CANCELLED",
)
TRANSITIONS: Mapping[State, tuple[State, ...]] = {
    "NONCE_RESERVED": ("SIGNED", "ABORTED", "FOREIGN", "HALTED"),
    "SIGNED": (*_SENT, "ABORTED"),
    "BROADCAST": _SENT,
    "UNKNOWN": _SENT,
    "MINED": ("VERIFIED", "REORGED", "HALTED"),
    "VERIFIED": ("REORGED", "HALTED"),
    "REVERTED": ("REVERTED_FINAL", "REORGED", "HALTED"),
    "REVERTED_FINAL": ("REORGED", "HALTED"),
    "REORGED": ("REORGED", "MINED", "REVERTED", "HALTED", "CANCELLED"),
    "FOREIGN": ("HALTED", "REORGED"),
    "CANCELLED": ("REORGED", "HALTED"),
    "ABORTED": ("MINED", "REVERTED", "CANCELLED"),
    "HALTED": ("REORGED",),
}
"""From which state to which. `SIGNED` to `ABORTED` is for a signature that was handed out and never sent by us; whoever
has it may send it yet."""

Stage = Literal["OBSERVED", "PLANNED", "SIMULATED", "ACTING", "SIGNED", "DONE", "STOPPED"]
"""How far a run came. `SIGNED` ends a run that signs only; one that was killed stays where it was."""

IntentKind = Literal["rebalance", "deleverage", "repay", "cancel"]
SendResult = Literal["OK", "KNOWN", "NONCE_LOW", "UNDERPRICED", "UNKNOWN"]
"""What a send call came to. None of them says that the transaction is not there: the chain decides."""
Settlement = Literal["included", "reverted", "replaced", "foreign", "final"]
"""How an attempt ended; `None` in its place means that it may still land. `included` and `reverted` are watched for
reorganisations until they are `final`."""


@dataclass(frozen=True, slots=True)
class RunStart:
    """A run that is about to begin.

    `chain` tells this chain from every other, also from one of the same id (a genesis hash); `config_hash` is the
    sha256 of what the run was told, without secrets.
    """

    kind: Literal["rebalance", "guard"]
    mode: Literal["broadcast", "sign-only"]
    chain: str
    chain_id: int
    account: Address
    protocol: str
    market: str
    config_hash: str
    version: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """A nonce that is about to be signed for.

    `position` names what is acted on (`aave-v3/main/0x…`). `fields` are the unsigned fields of the first attempt, as
    strings. `cap_wei` is the most that the transaction may cost, in wei; `deadline_block` the last block in which it is
    still wanted, `None` without one. `epoch` is the lease's, 0 without a lease. `observed` is the pinned block's number
    and hash.
    """

    run: int
    step: int
    chain: str
    chain_id: int
    account: Address
    position: str
    kind: IntentKind
    nonce: int
    fields: Mapping[str, str]
    cap_wei: int
    observed: tuple[int, str]
    deadline_block: int | None = None
    epoch: int = 0


@dataclass(frozen=True, slots=True)
class SignedAttempt:
    """A signed transaction that has not been sent; fees in wei per gas, `raw` as hex.

    `purpose` tells a self-cancel from the action itself. `verdict`, `summary` and `signer` are the policy's word, what
    a person was shown, and who signed.
    """

    hash: str
    raw: str
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    gas_limit: int
    signer: str
    purpose: Literal["act", "cancel"] = "act"
    verdict: str = "allowed"
    summary: str = ""


@dataclass(frozen=True, slots=True)
class ReceiptFacts:
    """A canonical receipt; `fee_paid` in wei."""

    block_number: int
    block_hash: str
    succeeded: bool
    gas_used: int
    fee_paid: int


@dataclass(frozen=True, slots=True)
class Fill:
    """A swap that was included: the least allowed, the quoted and the received base units of `token`."""

    step: int
    token: Address
    symbol: str
    decimals: int
    minimum: int
    quoted: int
    got: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Promised against got, read at `block_hash`.

    Health factors in wad, `None` when nothing is owed. Debt, collateral and costs in quote base units, scaled by
    `10**quote_decimals`; `cost_got` is against the oracle, fees of the venue included, `None` when an asset has no
    price any more. `fee_paid` is gas, in wei.
    """

    block_number: int
    block_hash: str
    promised_health_factor: Wad | None
    got_health_factor: Wad | None
    promised_debt: int
    got_debt: int
    promised_collateral: int
    got_collateral: int
    cost_expected: int
    cost_worst: int
    cost_got: int | None
    quote_decimals: int
    fee_paid: int
    fills: tuple[Fill, ...] = ()


@dataclass(frozen=True, slots=True)
class OpenAttempt:
    """A signed transaction that may still land, or that landed and is not yet `final`.

    `sent_count` 0 means that it was handed to nobody by us; `sent_first_at` is then `None`. `included_in` is the block
    of the receipt that the journal knows.
    """

    run: int
    intent: str
    step: int
    state: State
    position: str
    chain: str
    chain_id: int
    account: Address
    nonce: int
    number: int
    hash: str
    raw: str
    purpose: Literal["act", "cancel"]
    mode: Literal["broadcast", "sign-only"]
    max_fee_per_gas: int
    max_priority_fee_per_gas: int
    sent_count: int
    sent_first_at: str | None
    last_result: str | None
    deadline_block: int | None
    cap_wei: int
    epoch: int
    observed_block: int
    included_in: tuple[int, str] | None


@dataclass(frozen=True, slots=True)
class Reserved:
    """A nonce that was reserved and that nothing was signed for, as far as is written."""

    run: int
    intent: str
    step: int
    position: str
    chain: str
    chain_id: int
    account: Address
    nonce: int
    fields: Mapping[str, str]
    epoch: int


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that `verify` found: where, and what."""

    where: str
    what: str


EVERYTHING = "*"
"""The name of the switch that holds every account."""


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that this process holds: `account` is who signs, `epoch` rises with every change of hands."""

    chain: str
    account: Address
    epoch: int


@dataclass(frozen=True, slots=True)
class Switch:
    """Something that holds the guard: `name` is an account of the rules, or `EVERYTHING`."""

    name: str
    state: Literal["paused", "halted"]
    why: str
    at: str
