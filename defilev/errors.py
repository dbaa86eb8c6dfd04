"""The exceptions of defilev, grouped by what the caller must do next; imports nothing.

DefilevError                        1   a defect of ours
├── UsageError                      2   change the command
│   ├── InvalidAddress, InvalidNumber, UnknownName, ConfigurationError, PlanUnreadable, ExtraMissing
├── Declined                        3   the user said no
├── DataError                       4   the chain's data is unavailable or inconsistent: try another node or block
│   ├── RpcError
│   │   ├── RpcUnreachable, RpcTimeout, RpcMalformed, RpcRejected, WrongChain, BlockUnavailable
│   ├── CallReverted, NotDeployed, NameNotResolved, PriceMissing, SelfCheckFailed
│   ├── HistoryUnusable
│   ├── JournalUnusable, JournalDamaged
│   └── AnvilMissing, AnvilFailed
├── ConditionBreached               5   a condition that was asked for does not hold
├── SimulationFailed                6   do not send: the plan does not do what it promised
├── Refused                         7   a rule of this machine, of the protocol, or of arithmetic forbids it
│   ├── Infeasible, PolicyViolation, PlanTampered, PlanExpired, PlanForAnotherChain, StalePrice
│   ├── AttemptOpen, ForeignTransaction
├── KeyFailure                      8   the key cannot be used
│   ├── WrongPassword, KeystoreInsecure, KeystoreInvalid, KeystoreForAnotherAccount, SignerUnreachable
└── NotConfirmed                    9   something was sent: read the account before doing anything else

Every error carries one sentence of fact, the numbers behind it, and one instruction.
"""

from __future__ import annotations

from typing import ClassVar


class DefilevError(Exception):
    """A failure with a fact, its numbers and an instruction.

    Args:
        fact: one sentence, without a full stop at its end, that says what is so.
        fix: one instruction; the class's own is used when it is left out.
        facts: the numbers and names behind the fact, in the order in which they are shown.
    """

    exit_code: ClassVar[int] = 1
    default_fix: ClassVar[str] = "report this with the command and its output"

    def __init__(self, fact: str, *, fix: str | None = None, **facts: object) -> None:
        super().__init__(fact)
        self.fact = fact
        self.fix = fix or self.default_fix
        self.facts = facts


class UsageError(DefilevError):
    """The command or a value in it is wrong."""

    exit_code = 2
    default_fix = "see the command's --help"


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


class Declined(DefilevError):
    """The user answered no."""

    exit_code = 3
    default_fix = "run it again when you are ready"


class DataError(DefilevError):
    """The chain's data is unavailable or inconsistent."""

    exit_code = 4
    default_fix = "run `defilev doctor`"


class RpcError(DataError):
    """The node did not give a usable answer."""

    default_fix = "check the node with `defilev doctor`, or set another --rpc-url"


class RpcUnreachable(RpcError):
    """No connection to the node."""


class RpcTimeout(RpcError):
    """The node did not answer in time."""


class RpcMalformed(RpcError):
    """The node's answer is not what JSON-RPC or the method promises."""


class RpcRejected(RpcError):
    """The node answered with a JSON-RPC error; `code`, `message` and `data` are among the facts."""


class WrongChain(RpcError):
    """The node serves another chain than the address book or the plan is for."""

    default_fix = "set --rpc-url to a node of that chain, or --chain to the node's chain"


class BlockUnavailable(RpcError):
    """The node does not have the block, or no longer its state."""

    default_fix = "read a newer block with --block, or use an archive node"


class CallReverted(DataError):
    """A contract call that must succeed reverted."""


class NotDeployed(DataError):
    """No contract code where the address book expects it."""

    default_fix = "check --rpc-url and --address-book: they must be of the same chain"


class NameNotResolved(DataError):
    """An ENS name has no address, or this chain has no ENS registry."""

    default_fix = "give the address itself"


class PriceMissing(DataError):
    """The oracle has no price for an asset that the account holds or owes."""

    default_fix = "run `defilev doctor`, or read an earlier block with --block"


class SelfCheckFailed(DataError):
    """The recomputed figure and the contract's differ."""

    default_fix = "do not act on this account; report it with both numbers and the block"


class HistoryUnusable(DataError):
    """A price history is malformed, too short, too old, or has gaps that cannot be passed over."""

    default_fix = "give a complete history with --prices, or a figure with --volatility 65%"


class JournalUnusable(DataError):
    """The journal cannot be opened, read or written, so nothing may be signed."""

    default_fix = "make the journal's place writable for you alone, or name another with DEFILEV_JOURNAL"


class JournalDamaged(DataError):
    """The journal is not what was written into it: damaged, edited, or cut short."""

    default_fix = "run `defilev journal verify`, and keep the file; docs/journal.md says how to go on"


class AnvilMissing(DataError):
    """No anvil binary was found."""

    default_fix = "run scripts/setup, or set DEFILEV_ANVIL to the anvil binary"


class AnvilFailed(DataError):
    """Anvil did not start, or died."""


class ConditionBreached(DefilevError):
    """A condition that the user asked for does not hold."""

    exit_code = 5


class SimulationFailed(DefilevError):
    """A simulated step reverted or a post-condition failed."""

    exit_code = 6
    default_fix = "nothing was signed; make a new plan at the newest block"


class Refused(DefilevError):
    """A limit, a rule or arithmetic forbids it."""

    exit_code = 7


class Infeasible(Refused):
    """No plan reaches the goal; the facts say what could be reached."""


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


class AttemptOpen(Refused):
    """A transaction of an earlier run may still land, or another process holds the account."""

    default_fix = "wait until it is included, or use its nonce for something else; `defilev journal ls` says which"


class ForeignTransaction(Refused):
    """A nonce that the journal had reserved was used by a transaction that it does not know."""

    default_fix = "look at what the account sent and who holds its key; then run it again"


class KeyFailure(DefilevError):
    """The key cannot be used."""

    exit_code = 8
    default_fix = "see `defilev wallet ls`"


class WrongPassword(KeyFailure):
    """The password does not open the keystore."""

    default_fix = "check --password-file, or type the password again"


class KeystoreInsecure(KeyFailure):
    """Others than the owner can read the keystore or the password file."""


class KeystoreInvalid(KeyFailure):
    """The file is not a version 3 keystore."""


class KeystoreForAnotherAccount(KeyFailure):
    """The keystore's address is not the plan's owner."""

    default_fix = "choose the owner's keystore with --account or --keystore"


class SignerUnreachable(KeyFailure):
    """The signer's process does not answer, or not as a signer does."""

    default_fix = "start it with `defilev-signer serve`, and give the path of its socket with --signer"


class NotConfirmed(DefilevError):
    """Sent, and not known to be included and successful."""

    exit_code = 9
    default_fix = "run `defilev health` on the account before anything else"
