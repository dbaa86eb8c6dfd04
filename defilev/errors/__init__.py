"""The exceptions of defilev, grouped by what the caller must do next.

DefilevError                        1   a defect of ours
├── UsageError                      2   change the command
│   ├── InvalidAddress, InvalidNumber, UnknownName, ConfigurationError, PlanUnreadable, ExtraMissing,
│   │   RulesInvalid, BundleUnreadable
├── Declined                        3   the user said no
├── DataError                       4   the chain's data is unavailable or inconsistent: try another node or block
│   ├── RpcError
│   │   ├── RpcUnreachable, RpcTimeout, RpcMalformed, WrongChain, BlockUnavailable
│   │   ├── EndpointsDisagree, QuorumMissing
│   │   └── RpcRejected
│   │       └── RpcBusy, RpcDenied
│   ├── CallReverted, NameNotResolved, PriceMissing, SelfCheckFailed, SearchIncomplete, ReadingIncomplete
│   ├── LayoutUnknown, TickersUnusable
│   ├── NotDeployed
│   │   └── NoSuchMarket
│   ├── HistoryUnusable
│   ├── FeedUnmovable, PoolUnmovable
│   ├── JournalUnusable, JournalDamaged
│   └── AnvilMissing, AnvilFailed
├── ConditionBreached               5   a condition that was asked for does not hold
├── SimulationFailed                6   do not send: the plan does not do what it promised
│   └── TokenMisbehaves, OrderCancelled
├── Refused                         7   a rule of this machine, of the protocol, or of arithmetic forbids it
│   ├── Infeasible, PolicyViolation, PlanTampered, PlanExpired, PlanForAnotherChain, StalePrice
│   ├── SequencerDown, TooLate
│   ├── VenueDiverges (an Infeasible)
│   ├── AttemptOpen, ForeignTransaction, LeaseLost, OneEndpoint, TooMuchEquity
│   ├── SafeUnknown, BundleTampered, SafeNonceUsed, SignatureInvalid, SignatureRepeated, SignatureUnsupported
│   ├── SignerNotOwner, ThresholdNotMet
│   ├── ExecutorMissing, ExecutorForeign
├── KeyFailure                      8   the key cannot be used
│   ├── WrongPassword, KeystoreInsecure, KeystoreInvalid, KeystoreForAnotherAccount, SignerUnreachable
└── NotConfirmed                    9   something was sent: read the account before doing anything else

Every error carries one sentence of fact, the numbers behind it, and one instruction.
"""

from __future__ import annotations

from defilev.errors.base import (
    ConditionBreached,
    DataError,
    Declined,
    DefilevError,
    Infeasible,
    KeyFailure,
    NotConfirmed,
    Refused,
    SequencerDown,
    SimulationFailed,
    TokenMisbehaves,
    UsageError,
    VenueDiverges,
)
from defilev.errors.executor import ExecutorForeign, ExecutorMissing
from defilev.errors.journal import AttemptOpen, ForeignTransaction, JournalDamaged, JournalUnusable, LeaseLost
from defilev.errors.keys import (
    KeystoreForAnotherAccount,
    KeystoreInsecure,
    KeystoreInvalid,
    SignerUnreachable,
    WrongPassword,
)
from defilev.errors.rehearsal import FeedUnmovable, PoolUnmovable, TooLate
from defilev.errors.rpc import (
    BlockUnavailable,
    EndpointsDisagree,
    QuorumMissing,
    RpcBusy,
    RpcDenied,
    RpcError,
    RpcMalformed,
    RpcRejected,
    RpcTimeout,
    RpcUnreachable,
    WrongChain,
)
from defilev.errors.safe import (
    BundleTampered,
    BundleUnreadable,
    SafeNonceUsed,
    SafeUnknown,
    SignatureInvalid,
    SignatureRepeated,
    SignatureUnsupported,
    SignerNotOwner,
    ThresholdNotMet,
)

__all__ = [
    "AttemptOpen",
    "BlockUnavailable",
    "BundleTampered",
    "BundleUnreadable",
    "ConditionBreached",
    "DataError",
    "Declined",
    "DefilevError",
    "EndpointsDisagree",
    "ExecutorForeign",
    "ExecutorMissing",
    "FeedUnmovable",
    "ForeignTransaction",
    "Infeasible",
    "JournalDamaged",
    "JournalUnusable",
    "KeyFailure",
    "KeystoreForAnotherAccount",
    "KeystoreInsecure",
    "KeystoreInvalid",
    "LeaseLost",
    "NotConfirmed",
    "OrderCancelled",
    "PoolUnmovable",
    "QuorumMissing",
    "Refused",
    "RpcBusy",
    "RpcDenied",
    "RpcError",
    "RpcMalformed",
    "RpcRejected",
    "RpcTimeout",
    "RpcUnreachable",
    "SafeNonceUsed",
    "SafeUnknown",
    "SequencerDown",
    "SignatureInvalid",
    "SignatureRepeated",
    "SignatureUnsupported",
    "SignerNotOwner",
    "SignerUnreachable",
    "SimulationFailed",
    "ThresholdNotMet",
    "TokenMisbehaves",
    "TooLate",
    "UsageError",
    "VenueDiverges",
    "WrongChain",
    "WrongPassword",
]
"""Of the neighbours; the classes below belong to it as well."""


class InvalidAddress(UsageError):
    """Not an address, or its EIP-55 checksum is wrong."""

    default_fix = "copy the address again, with its capital letters, or write it all in lower case"


class InvalidNumber(UsageError):
    """An amount, percentage or health factor outside its range."""


class UnknownName(UsageError):
    """A protocol, market, chain, asset or account name that nothing defines."""


class ConfigurationError(UsageError):
    """A settings file, address book or variable cannot be used."""

    default_fix = "see `defilev config show --origin`"


class PlanUnreadable(UsageError):
    """The plan file is absent, not JSON, or not a plan of a known schema."""

    default_fix = "make the plan again with `defilev plan … -o plan.json`"


class ExtraMissing(UsageError):
    """What was asked for needs an optional package that is not installed."""


class RulesInvalid(UsageError):
    """A rules file of the guard cannot be read, or says something that cannot be meant."""

    default_fix = "see docs/guard.md for what a rules file says"


class CallReverted(DataError):
    """A contract call that must succeed reverted."""


class NotDeployed(DataError):
    """No contract code where the address book expects it."""

    default_fix = "check --rpc-url and --address-book: they must be of the same chain"


class NoSuchMarket(NotDeployed):
    """The protocol's contract has no market with that id at the block."""

    default_fix = "check --market, the markets in the address book, and --block: the market may be younger"


class NameNotResolved(DataError):
    """An ENS name has no address, or this chain has no ENS registry."""

    default_fix = "give the address itself"


class PriceMissing(DataError):
    """The oracle has no price for an asset that the account holds or owes."""

    default_fix = "run `defilev doctor`, or read an earlier block with --block"


class SelfCheckFailed(DataError):
    """The recomputed figure and the contract's differ."""

    default_fix = "do not act on this account; report it with both numbers and the block"


class LayoutUnknown(DataError):
    """A contract answers in another layout than the version that is known: decoded, it would be plausible and wrong."""

    default_fix = "check the reader in the address book: it must be of the version that `defilev protocols ls` names"


class TickersUnusable(DataError):
    """A ticker file is malformed, of another time than the block, or contradicts itself or the chain."""

    default_fix = "save the ticker again, or leave the file out and use the feeds on the chain"


class OrderCancelled(SimulationFailed):
    """An order was not executed: its creation reverted, or a keeper cancelled or froze it."""

    default_fix = "read the position again, and make a new order from it"


class SearchIncomplete(DataError):
    """The logs were not searched to the end, so that markets may be missing from what was found."""

    default_fix = "run it again: it goes on where it stopped; or name the markets in the address book"


class ReadingIncomplete(DataError):
    """Some of several chains, markets or accounts could not be read; the others were."""


class HistoryUnusable(DataError):
    """A price history is malformed, too short, too old, or has gaps that cannot be passed over."""

    default_fix = "give a complete history with --prices, or a figure with --volatility 65%"


class AnvilMissing(DataError):
    """No anvil binary was found."""

    default_fix = "run scripts/setup, or set DEFILEV_ANVIL to the anvil binary"


class AnvilFailed(DataError):
    """Anvil did not start, or died."""


class PolicyViolation(Refused):
    """A call is not one that the policy of this machine allows."""

    default_fix = "nothing was signed; inspect the plan, and make a new one with `defilev plan`"


class PlanTampered(Refused):
    """The plan's content does not match its hash."""

    default_fix = "make the plan again with `defilev plan … -o plan.json`"


class PlanExpired(Refused):
    """The chain is past the plan's expiry block."""

    default_fix = "make a new plan"


class PlanForAnotherChain(Refused):
    """The plan is for another chain than the node's."""

    default_fix = "set --rpc-url to a node of the plan's chain"


class StalePrice(Refused):
    """A price is too old for a plan that raises risk."""

    default_fix = "wait for the feed to be updated"


class OneEndpoint(Refused):
    """A guard that may sign was given one node, whose word nobody confirms."""

    default_fix = "give a second --rpc-url of another provider, or write single_endpoint = true under [guard]"


class TooMuchEquity(Refused):
    """The owner's key would be held unattended over more equity than the rules allow."""

    default_fix = "guard it with authority reserve, or write allow_hot_equity = true for this account by name"
