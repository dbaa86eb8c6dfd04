"""What Aave v3, releases 3.0 to 3.7, and its forks share: all but names, addresses and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import Interface, Transaction, interface
from defilev.model.abilities import Abilities
from defilev.model.account import LendingAccount, Price
from defilev.model.book import MarketEntry
from defilev.model.exposure import Exposure
from defilev.model.headroom import Headroom
from defilev.model.plan import Action, Plan, Withdraw
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Block, Read
from defilev.model.target_inputs import BorrowMarket, Penalty
from defilev.model.token import Token
from defilev.protocols.aave_family import bitmap, forms, write
from defilev.protocols.aave_family.account import account_from_state
from defilev.protocols.aave_family.apply import apply_action, project_state
from defilev.protocols.aave_family.e_modes import read_e_mode, read_e_modes
from defilev.protocols.aave_family.headroom import read_headroom
from defilev.protocols.aave_family.math import counted_price, is_member, price_of
from defilev.protocols.aave_family.penalty import penalty_of
from defilev.protocols.aave_family.probe import probe
from defilev.protocols.aave_family.rates import read_borrow_market
from defilev.protocols.aave_family.read import identify, read_accounts
from defilev.protocols.aave_family.reasons import CODES
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveState
from defilev.protocols.aave_family.switching import e_mode_obstacles
from defilev.protocols.contract import AccountsRead, WholeMarkets
from defilev.units import mul_div_down

__all__ = ["ABILITIES", "AaveFamily"]

ABILITIES = Abilities(
    plans=True,
    broadcasts="simulated",
    self_check="exact",
    versions=tuple(REGIMES),
    repays_for_another=True,
    repays_with_supply=True,
)


@dataclass(frozen=True, slots=True)
class AaveFamily(WholeMarkets):
    """One member of the family, by its name in address books, as a `LendingProtocol`."""

    name: str
    abilities: Abilities = ABILITIES
    state_type: type = AaveState

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
        """Return a withdrawal without an amount."""
        del account
        return Withdraw(asset, None)

    def spender(self, account: LendingAccount) -> Address:
        """Return the pool."""
        state: AaveState = account.state
        return state.market.pool

    def tokens(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the market's assets, ascending by reserve id."""
        state: AaveState = account.state
        return tuple(reserve.asset for reserve in state.reserves)

    def value_down(self, account: LendingAccount, asset: Address, amount: int) -> int:
        """Return the value of `amount` base units in base currency units, rounded down; `KeyError` if not listed."""
        state: AaveState = account.state
        reserve = state.reserves[state.index_of(asset)]
        return mul_div_down(amount, price_of(state, reserve), 10**reserve.asset.decimals)

    def liquidity(self, account: LendingAccount, asset: Address) -> int:
        """Return the base units of `asset` that can be withdrawn from the pool: none while the reserve is paused."""
        state: AaveState = account.state
        reserve = state.reserves[state.index_of(asset)]
        return 0 if bitmap.is_paused(reserve.configuration) else reserve.available_liquidity

    def is_e_mode_pair(self, account: LendingAccount, one: Address, other: Address) -> bool:
        """Return whether both may be supplied or borrowed within the account's e-mode category."""
        state: AaveState = account.state
        reserves = [state.reserves[state.index_of(asset)] for asset in (one, other)]
        return state.e_mode is not None and all(is_member(state.e_mode, reserve) for reserve in reserves)

    def receipt(self, account: LendingAccount, asset: Address) -> Address | None:
        """Return the aToken; raises `KeyError` for an asset that is not listed."""
        state: AaveState = account.state
        return state.reserves[state.index_of(asset)].a_token

    def flash_depth(self, account: LendingAccount, asset: Address) -> int:
        """Return what the pool has, unless the reserve lends nothing in flash loans."""
        state: AaveState = account.state
        reserve = state.reserves[state.index_of(asset)]
        lends = bitmap.lends_in_flash(reserve.configuration) and not bitmap.is_paused(reserve.configuration)
        return reserve.available_liquidity if lends else 0

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
        """See `penalty.penalty_of`."""
        return penalty_of(account)

    def borrow_market(self, account: LendingAccount, asset: Address) -> Read[BorrowMarket]:
        """See `rates.read_borrow_market`."""
        return read_borrow_market(account, asset)

    def prices(self, account: LendingAccount) -> Mapping[Address, Price]:
        """Return the oracle's price of every asset that it prices, held or not."""
        state: AaveState = account.state
        found = {reserve.asset.address: counted_price(state, reserve) for reserve in state.reserves}
        return {asset: price for asset, price in found.items() if price is not None}

    def read_e_mode(self, account: LendingAccount, category: int) -> Read[LendingAccount]:
        """See `e_modes.read_e_mode`."""
        return read_e_mode(account, category)

    def read_e_modes(self, account: LendingAccount) -> Read[LendingAccount]:
        """See `e_modes.read_e_modes`."""
        return read_e_modes(account)

    def e_modes(self, account: LendingAccount) -> tuple[tuple[int, str], ...]:
        """Return number and label of the account's own e-mode and of those that were read for it."""
        state: AaveState = account.state
        known = (*([state.e_mode] if state.e_mode else []), *state.categories)
        return tuple(dict.fromkeys((each.id, each.label) for each in known))

    def e_mode_obstacles(self, account: LendingAccount, category: int) -> tuple[str, ...]:
        """See `switching.e_mode_obstacles`."""
        return e_mode_obstacles(account.state, category)

    def headroom(self, account: LendingAccount, *, supply: Token, borrow: Token, at: int) -> Read[Headroom]:
        """See `headroom.read_headroom`."""
        return read_headroom(account, supply=supply, borrow=borrow, at=at)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the pool's interface with its named errors."""
        return (interface("aave_v3_pool"),)

    def error_codes(self) -> Mapping[str, str]:
        """Return the meanings of the numeric errors of releases before 3.4."""
        return CODES
