"""Perp v2 as plans, policies and executions see it: an account as a loan, trades and margin as its actions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

from defilev.abi import Interface, Transaction, interface
from defilev.errors import Infeasible
from defilev.model.abilities import Abilities
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.plan import Action, Plan, Reduce
from defilev.model.probe import ProbeCalls
from defilev.model.request import Address, Read
from defilev.model.target_inputs import Penalty
from defilev.model.token import Token
from defilev.protocols.perp_curie import math, write
from defilev.protocols.perp_curie.account import PROTOCOL
from defilev.protocols.perp_curie.apply import apply_action, position_in
from defilev.protocols.perp_curie.loan import loan_of, predicted, quote_token
from defilev.protocols.perp_curie.probe import probe
from defilev.protocols.perp_curie.read import identify
from defilev.protocols.perp_curie.reasons import REASONS
from defilev.protocols.perp_curie.state import QUOTE_DECIMALS, RATIO, CurieState, Position
from defilev.units import WAD, Wad, mul_div_down, to_decimal

__all__ = ["ABILITIES", "PERP_CURIE_LOANS"]

ABILITIES = Abilities(
    plans=True, broadcasts="simulated", self_check="exact", versions=("2.8",), repays_for_another=True
)


@dataclass(frozen=True, slots=True)
class PerpCurieLoans:
    """Perp v2 as a `PerpActing`; pure."""

    name: str = PROTOCOL
    abilities: Abilities = ABILITIES
    state_type: type = CurieState

    def identify(self, entry: MarketEntry) -> Read[None]:
        """See `read.identify`."""
        return identify(entry)

    def loan(self, account: PerpAccount) -> LendingAccount:
        """See `loan.loan_of`."""
        return loan_of(account)

    def apply(self, account: LendingAccount, action: Action) -> LendingAccount:
        """See `apply.apply_action`; every fill is at its limit."""
        return predicted(apply_action(account.state, action))

    def at_worst(self, account: LendingAccount) -> LendingAccount:
        """Return the account at the worse of each market's mark and spot price: averages follow the spot."""
        state: CurieState = account.state
        return predicted(replace(state, positions=tuple(_at_worst(each) for each in state.positions)))

    def margin_ratio(self, account: LendingAccount) -> Wad | None:
        """Return what is left of the margin over the maintenance margin, rounded down; `None` without positions."""
        state: CurieState = account.state
        required = math.margin_requirement(state)
        return Wad(math.account_value(state) * WAD // required) if required else None

    def leverage(self, account: LendingAccount) -> Fraction | None:
        """Return the positions' value over what is left of the margin; `None` when nothing is."""
        state: CurieState = account.state
        value = math.account_value(state)
        return Fraction(math.absolute_value(state), value) if value > 0 else None

    def positions(self, account: LendingAccount) -> tuple[tuple[Token, int], ...]:
        """Return each market's token and size, negative for shorts, the largest value first."""
        state: CurieState = account.state
        found = [each for each in state.positions if math.size(each)]
        found.sort(key=lambda each: -abs(math.position_value(each)))
        return tuple((each.market.token, math.size(each)) for each in found)

    def settlement(self, account: LendingAccount) -> Token:
        """Return the token that margin is added in."""
        state: CurieState = account.state
        return state.settlement

    def held(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the tokens that are withdrawn once no position is left."""
        state: CurieState = account.state
        has_cash = math.cash(state) >= math.unit_of(state.settlement.decimals)
        return (*((state.settlement,) if has_cash else ()), *(each.token for each in state.collateral))

    def require_tradable(self, account: LendingAccount) -> None:
        """Raise `Infeasible` where the contract refuses every trade, or where orders hold a part of the size."""
        state: CurieState = account.state
        for each in state.positions:
            if each.market.status != "open":
                name = each.market.token.symbol
                raise Infeasible(
                    f"{name} is {each.market.status}: it cannot be traded",
                    fix="wait until it opens, or settle it with quitMarket() when it is closed",
                    market=each.market.token.address,
                )
        if state.has_orders:
            raise Infeasible(
                "liquidity is provided: what orders hold is not reduced by a trade", fix="remove the liquidity first"
            )

    def reduce(
        self, account: LendingAccount, token: Token, amount: int | None, *, slippage: Decimal, deadline: int
    ) -> Reduce:
        """Return the trade that reduces a position, its limit tied to the mark price, fees included.

        Raises:
            Infeasible: the pool's price, less the fee, is beyond the limit already.
        """
        state: CurieState = account.state
        position = position_in(state, token.address)
        size = position.taker_size
        worth = Fraction((abs(size) if amount is None else amount) * math.reference_price(position.market), WAD)
        _require_reachable(position, slippage)
        if size > 0:
            limit = floor(worth * (1 - Fraction(slippage)))
            return Reduce(token, "long", amount, limit, deadline, quote_token(state))
        limit = ceil(worth * (1 + Fraction(slippage)))
        return Reduce(token, "short", amount, limit, deadline, quote_token(state))

    def loss(self, account: LendingAccount, action: Reduce) -> tuple[int, int]:
        """Return what a trade loses against the mark, 18 decimals: at the pool's price with its fee, and at worst."""
        position = position_in(account.state, action.asset.address)
        amount = abs(position.taker_size) if action.amount is None else action.amount
        value = mul_div_down(amount, math.reference_price(position.market), WAD)
        spot = mul_div_down(amount, math.price_of_root(position.market.spot), WAD)
        fee = spot * position.fee_ratio // RATIO
        if action.side == "long":
            return value - spot + fee, value - action.quote_limit
        return spot + fee - value, action.quote_limit - value

    def transaction(self, account: LendingAccount, action: Action) -> Transaction:
        """See `write.transaction`."""
        return write.transaction(account.state, action)

    def gas(self, action: Action) -> int:
        """Return a gas limit that suffices for an action."""
        return write.GAS[action.kind]

    def spender(self, account: LendingAccount) -> Address:
        """Return the vault, which takes margin from the wallet."""
        state: CurieState = account.state
        return state.contracts.vault

    def tokens(self, account: LendingAccount) -> tuple[Token, ...]:
        """Return the settlement token, the collateral, and the virtual tokens of the positions."""
        state: CurieState = account.state
        markets = (each.market.token for each in state.positions)
        return (state.settlement, *(each.token for each in state.collateral), *markets, quote_token(state))

    def value_down(self, account: LendingAccount, asset: Address, amount: int) -> int:
        """Return the value of `amount` base units, rounded down; `KeyError` for a token that the account has not."""
        for leg in account.legs:
            if leg.asset.address == asset:
                scale = 10 ** (leg.price.decimals + leg.asset.decimals)
                return mul_div_down(amount, leg.price.value * WAD, scale)
        raise KeyError(asset)

    def penalty(self, account: LendingAccount) -> Penalty | None:
        """Return nothing: what a liquidation takes is a part of the size, not of a debt."""
        del account
        return None

    def probe(self, account: LendingAccount, plan: Plan) -> ProbeCalls:
        """See `probe.probe`."""
        return probe(account, plan)

    def interfaces(self) -> tuple[Interface, ...]:
        """Return the contracts' interface."""
        return (interface("perp_curie"),)

    def error_codes(self) -> Mapping[str, str]:
        """Return the meanings of the contracts' short messages."""
        return REASONS


def _require_reachable(position: Position, slippage: Decimal) -> None:
    """Raise `Infeasible` where no trade, however small, could stay within the limit."""
    mark, spot = math.reference_price(position.market), math.price_of_root(position.market.spot)
    fee, allowed = Fraction(position.fee_ratio, RATIO), Fraction(slippage)
    is_sale = position.taker_size > 0
    beyond = spot * (1 - fee) < mark * (1 - allowed) if is_sale else spot > mark * (1 + allowed) * (1 - fee)
    if beyond:
        name = position.market.token.symbol
        raise Infeasible(
            f"the pool of {name} stands at {to_decimal(spot, QUOTE_DECIMALS):.2f}, beyond the limit of "
            f"{to_decimal(mark, QUOTE_DECIMALS):.2f} and {slippage:%} with the fee",
            fix="wait for the averages, allow more with --max-slippage, or add margin with --via margin",
        )


def _at_worst(position: Position) -> Position:
    market, spot = position.market, math.price_of_root(position.market.spot)
    if market.status != "open":
        return position
    worse = min if math.size(position) > 0 else max
    return replace(position, market=replace(market, mark_price=worse(market.mark_price, spot)))


PERP_CURIE_LOANS = PerpCurieLoans()
