"""Morpho Blue: isolated markets of one collateral and one loan token each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import Interface, Transaction
from defilev.model.abilities import Abilities
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.exposure import Exposure
from defilev.model.plan import Action, Plan, Withdraw
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Block, LogFilter, Read
from defilev.model.target_inputs import BorrowMarket, Penalty
from defilev.model.token import Token
from defilev.protocols.contract import AccountsRead
from defilev.protocols.morpho_blue import discovery, forms, risk, write
from defilev.protocols.morpho_blue.account import PROTOCOL_NAME, account_from_state
from defilev.protocols.morpho_blue.apply import apply_action, project_state
from defilev.protocols.morpho_blue.math import ORACLE_SCALE, accrued, to_shares_down
from defilev.protocols.morpho_blue.probe import probe
from defilev.protocols.morpho_blue.read import identify, read_accounts
from defilev.protocols.morpho_blue.state import MorphoState
from defilev.units import mul_div_down

__all__ = ["MorphoBlue"]

ABILITIES = Abilities(plans=True, broadcasts="simulated", self_check="consistent", versions=("1.0",))


@dataclass(frozen=True, slots=True)
class MorphoBlue:
    """Morpho Blue as a `LendingProtocol`."""

    name: str = PROTOCOL_NAME
    abilities: Abilities = ABILITIES
    state_type: type = MorphoState
    is_isolated: bool = True

    def read_accounts(
        self,
        market: MarketEntry,
        owners: Sequence[Address],
        *,
        chain_id: int,
        block: Block,
        metadata: Mapping[str, Any] | None = None,
    ) -> Read[AccountsRead]:
        """See `read.read_accounts`."""
        return read_accounts(market, owners, chain_id=chain_id, block=block, metadata=metadata)

    def identify(self, entry: MarketEntry) -> Read[None]:
        """See `read.identify`."""
        return identify(entry)

    def searches(self, entry: MarketEntry, owners: Sequence[Address]) -> tuple[LogFilter, ...]:
        """See `discovery.searches`."""
        return discovery.searches(entry, owners)

    def found(self, topics: Sequence[str]) -> tuple[Address, str]:
        """See `discovery.found`."""
        return discovery.found(topics)

    def apply(self, account: LendingAccount, action: Action, *, at: int) -> LendingAccount:
        """See `apply.apply_action`."""
        return account_from_state(apply_action(account.state, action, at=at))

    def project(self, account: LendingAccount, *, at: int) -> LendingAccount:
        """Return the account when only time passes until `at`."""
        return account_from_state(project_state(account.state, at=at))

    def transaction(self, account: LendingAccount, action: Action) -> Transaction:
        """See `write.transaction`."""
        return write.transaction(account.state, action)

    def withdraw_all(self, account: LendingAccount, asset: Token) -> Withdraw:
        """Return a withdrawal without an amount."""
        del account
        return Withdraw(asset, None)

    def is_e_mode_pair(self, account: LendingAccount, one: Address, other: Address) -> bool:
        """Return no: there are no categories."""
        del account, one, other
        return False

    def debt_shares(self, account: LendingAccount, amount: int) -> int | None:
        """Return the shares of debt that `amount` base units repay at the account's time, rounded down."""
        totals = accrued(account.state).totals
        return to_shares_down(amount, totals.borrow_assets, totals.borrow_shares)

    def spender(self, account: LendingAccount) -> Address:
        """Return Morpho."""
        state: MorphoState = account.state
        return state.market.morpho

    def tokens(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the collateral and the loan token."""
        state: MorphoState = account.state
        return state.market.tokens

    def value_down(self, account: LendingAccount, asset: Address, amount: int) -> int:
        """Return the value of `amount` base units in the loan token, rounded down; `KeyError` without a price."""
        state: MorphoState = account.state
        market = state.market
        if asset == market.loan.address:
            return amount
        if market.price is None or market.collateral is None or asset != market.collateral.address:
            raise KeyError(asset)
        return mul_div_down(amount, market.price.value, ORACLE_SCALE)

    def liquidity(self, account: LendingAccount, asset: Address) -> int:
        """Return what can leave: collateral is nobody else's, of the loan token whatever is not borrowed."""
        state: MorphoState = account.state
        totals = accrued(state).totals
        if state.market.collateral is not None and asset == state.market.collateral.address:
            return state.position.collateral
        return totals.supply_assets - totals.borrow_assets

    def receipt(self, account: LendingAccount, asset: Address) -> Address | None:
        """Return `None`: nothing stands for what is supplied."""
        del account, asset
        return None

    def flash_depth(self, account: LendingAccount, asset: Address) -> int:
        """Return 0: what Morpho lends belongs to all of its markets together."""
        del account, asset
        return 0

    def gas(self, action: Action) -> int:
        """Return a gas limit that suffices for a market action."""
        return write.GAS[action.kind]

    def probe(self, account: LendingAccount, plan: Plan) -> ProbeCalls:
        """See `probe.probe`."""
        return probe(account, plan)

    def exposure(self, account: LendingAccount, *, stable: frozenset[Address]) -> Exposure:
        """See `forms.exposure`."""
        return forms.exposure(account, stable=stable)

    def penalty(self, account: LendingAccount) -> Penalty | None:
        """See `risk.penalty_of`."""
        return risk.penalty_of(account)

    def borrow_market(self, account: LendingAccount, asset: Address) -> Read[BorrowMarket]:
        """See `risk.read_borrow_market`."""
        del asset
        return risk.read_borrow_market(account)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return nothing: Morpho Blue has no custom errors."""
        return ()

    def error_codes(self) -> Mapping[str, str]:
        """Return nothing: its messages are words."""
        return {}
