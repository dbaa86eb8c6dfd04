"""What a lending protocol, and one of perpetuals, must offer, so that nobody else needs to know its rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from defilev.abi import Interface, Transaction
from defilev.model.abilities import Abilities
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.model.plan import Action, Plan, Reduce, Withdraw
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Block, LogFilter, Read
from defilev.model.target_inputs import BorrowMarket, Penalty
from defilev.model.token import Token
from defilev.units import Wad

__all__ = [
    "AccountsRead",
    "ActingProtocol",
    "LendingProtocol",
    "MarketProtocol",
    "PerpActing",
    "PerpProtocol",
    "PerpsRead",
    "WholeMarkets",
]


@dataclass(frozen=True, slots=True)
class AccountsRead:
    """Accounts of one market in the order of the owners asked for, and what may be remembered about the market.

    `metadata` is plain JSON data that never changes for a revision of the market (symbols, decimals, token addresses);
    handed to the next read, it saves round trips and is verified by it.
    """

    accounts: tuple[LendingAccount, ...]
    metadata: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class PerpsRead:
    """Accounts in the order of the owners asked for, each as many as it has; `metadata` is as in `AccountsRead`."""

    accounts: tuple[PerpAccount, ...]
    metadata: Mapping[str, Any]


class WholeMarkets:
    """What protocols share whose entries in address books are one market each, and whose debts close as they stand."""

    __slots__ = ()

    @property
    def is_isolated(self) -> bool:
        """No: an entry is one market."""
        return False

    def searches(self, entry: MarketEntry, owners: Sequence[Address]) -> tuple[LogFilter, ...]:
        """Return nothing: there is no market to be found."""
        del entry, owners
        return ()

    def found(self, topics: Sequence[str]) -> tuple[Address, str]:
        """Raise `ValueError`: no log is searched for."""
        raise ValueError(f"{len(topics)} topics of a log that was never asked for")

    def is_e_mode_pair(self, account: LendingAccount, one: Address, other: Address) -> bool:
        """Return no: there are no categories."""
        del account, one, other
        return False

    def debt_shares(self, account: LendingAccount, amount: int) -> int | None:
        """Return `None`: the market repays whatever is owed when it is asked for everything."""
        del account, amount
        return None


class MarketProtocol(Protocol):
    """What the rules of every protocol have: pure functions, and what its contracts are called and say."""

    @property
    def name(self) -> str:
        """The name in address books and on the command line."""
        ...

    @property
    def abilities(self) -> Abilities:
        """What can be done with the protocol, and which of its releases are known."""
        ...

    @property
    def state_type(self) -> type:
        """The frozen dataclass that accounts carry as their `state`."""
        ...

    def identify(self, entry: MarketEntry) -> Read[None]:
        """Raise `DataError` unless the entry points of the address book are this protocol's contracts."""
        ...

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the interfaces whose custom errors the contracts raise."""
        ...


class ActingProtocol(MarketProtocol, Protocol):
    """What a plan needs of a protocol once it is made: to be tried, allowed, sent and accounted for; pure functions."""

    def transaction(self, account: LendingAccount, action: Action) -> Transaction:
        """Return the call that performs a market action (`Supply`, `Withdraw`, `Borrow`, `Repay`) for the owner."""
        ...

    def spender(self, account: LendingAccount) -> Address:
        """Return the contract that takes tokens from the wallet on supply and repay."""
        ...

    def tokens(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the tokens of the market, held or not."""
        ...

    def value_down(self, account: LendingAccount, asset: Address, amount: int) -> int:
        """Return the value of `amount` base units at the oracle's price, in quote base units, rounded down."""
        ...

    def gas(self, action: Action) -> int:
        """Return a gas limit that suffices for `action`."""
        ...

    def probe(self, account: LendingAccount, plan: Plan) -> ProbeCalls:
        """Return what to ask of the account while `plan` is simulated."""
        ...

    def penalty(self, account: LendingAccount) -> Penalty | None:
        """Return what a liquidation at a health factor just below 1 takes; `None` without collateral."""
        ...

    def error_codes(self) -> Mapping[str, str]:
        """Return the meanings of the short codes that the market raises as messages."""
        ...


class LendingProtocol(ActingProtocol, Protocol):
    """The rules of one lending protocol: pure functions."""

    def read_accounts(
        self,
        market: MarketEntry,
        owners: Sequence[Address],
        *,
        chain_id: int,
        block: Block,
        metadata: Mapping[str, Any] | None = None,
    ) -> Read[AccountsRead]:
        """Read the complete accounts of `owners`, each checked against the contract; see `errors.DataError`."""
        ...

    @property
    def is_isolated(self) -> bool:
        """Whether an entry of the address book holds many isolated markets, each with accounts of its own."""
        ...

    def searches(self, entry: MarketEntry, owners: Sequence[Address]) -> tuple[LogFilter, ...]:
        """Return which logs name the isolated markets that `owners` have ever used; none where there are no such."""
        ...

    def found(self, topics: Sequence[str]) -> tuple[Address, str]:
        """Return the owner and the market's id that a log of `searches` names."""
        ...

    def apply(self, account: LendingAccount, action: Action, *, at: int) -> LendingAccount:
        """Return the account right after `action` is included in a block with timestamp `at`, as the contract would.

        Amounts, indices and rounding are the contract's. Actions outside the market (`Approve`, `Swap`) only let time
        pass. Raises `Infeasible` with the contract's own reason when it would revert.
        """
        ...

    def project(self, account: LendingAccount, *, at: int) -> LendingAccount:
        """Return the account when nothing but time passes until the Unix time `at`."""
        ...

    def withdraw_all(self, account: LendingAccount, asset: Token) -> Withdraw:
        """Return the action that withdraws all there is of `asset`.

        Its amount is `None` where the contract finds out itself, and else what the account has now.
        """
        ...

    def debt_shares(self, account: LendingAccount, amount: int) -> int | None:
        """Return the shares of debt that `amount` base units repay at the account's time, rounded down.

        `None` where a debt that was repaid in part can be closed whatever interest has made of it meanwhile. Elsewhere
        only a `Repay` in shares leaves a debt that is known beforehand.
        """
        ...

    def is_e_mode_pair(self, account: LendingAccount, one: Address, other: Address) -> bool:
        """Return whether both assets are of the category that the account has chosen, and are meant to move alike."""
        ...

    def liquidity(self, account: LendingAccount, asset: Address) -> int:
        """Return the base units of `asset` that can leave the market now."""
        ...

    def receipt(self, account: LendingAccount, asset: Address) -> Address | None:
        """Return the token that stands for what is supplied of `asset`, `None` where none does."""
        ...

    def flash_depth(self, account: LendingAccount, asset: Address) -> int:
        """Return the base units of `asset` that the market itself lends for one transaction; 0 where it does not."""
        ...

    def exposure(self, account: LendingAccount, *, stable: frozenset[Address]) -> Exposure:
        """Return the account as linear forms of its drivers; assets in `stable` are meant to stay at one."""
        ...

    def borrow_market(self, account: LendingAccount, asset: Address) -> Read[BorrowMarket]:
        """Read what the borrow rate of `asset` depends on; raises `CallReverted` for a rate model that is not known."""
        ...


class PerpProtocol(MarketProtocol, Protocol):
    """The rules of one protocol of perpetuals, for reading: pure functions."""

    def read_accounts(
        self,
        market: MarketEntry,
        owners: Sequence[Address],
        *,
        chain_id: int,
        block: Block,
        metadata: Mapping[str, Any] | None = None,
    ) -> Read[PerpsRead]:
        """Read every account of `owners`, none for who has none, each checked against the contract; see `DataError`."""
        ...

    def exposure(self, account: PerpAccount, *, stable: frozenset[Address]) -> Exposure:
        """Return the account as linear forms of its drivers; assets in `stable` are meant to stay at one."""
        ...


class PerpActing(ActingProtocol, Protocol):
    """The rules of a protocol of perpetuals that can be acted on, its accounts taken as loans; pure functions.

    What is predicted has every fill at its limit and funding as it is pending now.
    """

    def loan(self, account: PerpAccount) -> LendingAccount:
        """Return the loan that an account is."""
        ...

    def apply(self, account: LendingAccount, action: Action) -> LendingAccount:
        """Return the account right after `action`; raises `Infeasible` with the contract's own reason."""
        ...

    def at_worst(self, account: LendingAccount) -> LendingAccount:
        """Return the account at the worst price of each market that the block knows."""
        ...

    def margin_ratio(self, account: LendingAccount) -> Wad | None:
        """Return what is left of the margin over the maintenance margin, rounded down; `None` without positions."""
        ...

    def leverage(self, account: LendingAccount) -> Fraction | None:
        """Return the positions' value over what is left of the margin; `None` when nothing is left."""
        ...

    def positions(self, account: LendingAccount) -> tuple[tuple[Token, int], ...]:
        """Return index and size of each position, negative for shorts, the largest first."""
        ...

    def settlement(self, account: LendingAccount) -> Token:
        """Return the token that margin is added in."""
        ...

    def held(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the tokens that are withdrawn once no position is left."""
        ...

    def require_tradable(self, account: LendingAccount) -> None:
        """Raise `Infeasible` where no position could be traded."""
        ...

    def reduce(
        self, account: LendingAccount, token: Token, amount: int | None, *, slippage: Decimal, deadline: int
    ) -> Reduce:
        """Return the trade that reduces a position by `amount`, by all of it when `None`, within `slippage`."""
        ...

    def loss(self, account: LendingAccount, action: Reduce) -> tuple[int, int]:
        """Return what a trade loses in quote base units: expected, and at worst."""
        ...
