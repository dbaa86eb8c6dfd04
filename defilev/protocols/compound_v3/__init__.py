"""Compound v3: one market for each base asset, borrowed against collaterals that earn nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from defilev.abi import Interface, Transaction, interface
from defilev.errors import PriceMissing
from defilev.model.abilities import Abilities
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.exposure import Exposure
from defilev.model.plan import Action, Plan, Withdraw
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Block, Read
from defilev.model.target_inputs import BorrowMarket, Penalty
from defilev.model.token import Token
from defilev.protocols.compound_v3 import forms, write
from defilev.protocols.compound_v3.account import PROTOCOL, account_from_state
from defilev.protocols.compound_v3.apply import apply_action, project_state
from defilev.protocols.compound_v3.math import collateral_value, value_of
from defilev.protocols.compound_v3.probe import probe
from defilev.protocols.compound_v3.rates import borrow_market
from defilev.protocols.compound_v3.read import identify, read_accounts
from defilev.protocols.compound_v3.state import CometState
from defilev.protocols.contract import AccountsRead, WholeMarkets
from defilev.units import WAD

__all__ = ["COMPOUND_V3"]

WHOLE = Decimal(1)
"""The part of a debt that `absorb` takes: it knows no other."""

ABILITIES = Abilities(
    plans=True, broadcasts="forked", self_check="consistent", versions=("Comet", "CometWithExtendedAssetList")
)


@dataclass(frozen=True, slots=True)
class CompoundV3(WholeMarkets):
    """Compound v3 as a `LendingProtocol`; both of its versions, with and without the extended list of assets."""

    name: str = PROTOCOL
    abilities: Abilities = ABILITIES
    state_type: type = CometState

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
        """Return a withdrawal of what is held; of the base asset one without an amount, since interest adds to it."""
        state: CometState = account.state
        is_base = asset == state.market.base
        return Withdraw(asset, None if is_base else state.balances[state.index_of(asset.address)])

    def spender(self, account: LendingAccount) -> Address:
        """Return the Comet."""
        state: CometState = account.state
        return state.market.comet

    def tokens(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the base asset, then the collaterals, ascending by offset."""
        state: CometState = account.state
        return (state.market.base, *(collateral.asset for collateral in state.market.collaterals))

    def value_down(self, account: LendingAccount, asset: Address, amount: int) -> int:
        """Return the value of `amount` base units, rounded down; `KeyError` if not listed.

        Raises:
            PriceMissing: its feed gives no price.
        """
        state: CometState = account.state
        market = state.market
        is_base = asset == market.base.address
        collateral = None if is_base else market.collaterals[state.index_of(asset)]
        value = value_of(market, amount) if collateral is None else collateral_value(collateral, amount)
        if value is None:
            raise PriceMissing(f"{market.name} has no price of {asset}", asset=asset)
        return value

    def liquidity(self, account: LendingAccount, asset: Address) -> int:
        """Return the base units that can leave the market: what is there of the base asset, and all collateral."""
        state: CometState = account.state
        market = state.market
        if asset == market.base.address:
            return market.cash
        return market.collaterals[state.index_of(asset)].supplied

    def receipt(self, account: LendingAccount, asset: Address) -> Address | None:
        """Return `None`: nothing stands for what is supplied."""
        del account, asset
        return None

    def flash_depth(self, account: LendingAccount, asset: Address) -> int:
        """Return 0: it lends nothing in flash loans."""
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

    def borrow_market(self, account: LendingAccount, asset: Address) -> Read[BorrowMarket]:
        """See `rates.borrow_market`; asks nothing."""
        yield ()
        return borrow_market(account, asset)

    def penalty(self, account: LendingAccount) -> Penalty | None:
        """Return one less the liquidation factors, averaged over the collateral; all of a debt is taken at once."""
        state: CometState = account.state
        if not account.collateral_value:
            return None
        kept = sum(
            (collateral_value(each, amount) or 0) * each.liquidation_factor
            for each, amount in zip(state.market.collaterals, state.balances, strict=True)
        )
        return Penalty(1 - Decimal(kept) / (account.collateral_value * WAD), WHOLE)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the Comet's interface with its named errors."""
        return (interface("comet"),)

    def error_codes(self) -> Mapping[str, str]:
        """Return nothing: a Comet's errors have names."""
        return {}


COMPOUND_V3 = CompoundV3()
