"""Aave v3 accounts in a hand-made market, with the protocol's own arithmetic and no chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from defilev.model.account import LendingAccount, Price
from defilev.model.plan import Goal, Plan
from defilev.model.request import Address
from defilev.model.token import Allowance, Token, TokenBalance, Wallet
from defilev.observe.drive import drive
from defilev.plan import ANYTHING, Constraints, PlanInputs, plan_deleverage
from defilev.protocols.aave_family.account import account_from_state
from defilev.protocols.aave_family.state import AaveMarket, AaveState, EMode, Position, Reserve
from defilev.protocols.aave_v3 import AAVE_V3
from defilev.units import RAY, WAD, Wad
from defilev.venues.contract import Venue
from tests.factories import BLOCK, DAI, OWNER, USDC, WBTC, WETH, WSTETH
from tests.support.pools import ROUTER, VENUE, Pools

__all__ = [
    "AAVE",
    "POOL",
    "PRICES",
    "TOKENS",
    "Terms",
    "an_aave_account",
    "deep_pools",
    "inputs_for",
    "plan_for",
    "wallet_of",
]

AAVE = AAVE_V3
POOL = Address("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2")
TOKENS = (WETH, WSTETH, WBTC, USDC, DAI)
PRICES: Mapping[Token, int] = {
    WETH: 3000 * 10**8,
    WSTETH: 3660 * 10**8,
    WBTC: 90_000 * 10**8,
    USDC: 10**8,
    DAI: 10**8,
}
ACTIVE = 1 << 56
BORROWABLE = 1 << 58


@dataclass(frozen=True)
class Terms:
    """A reserve's LTV and threshold in bps, yearly rates as fractions, caps in whole tokens, and flags that differ."""

    loan_to_value: int = 8000
    threshold: int = 8300
    supply_rate: str = "0.02"
    borrow_rate: str = "0.05"
    liquidity: int = 10**30
    borrow_cap: int = 0
    supply_cap: int = 0
    debt_ceiling: int = 0
    flags: int = 0


def an_aave_account(
    supplies: Mapping[Token, int],
    borrows: Mapping[Token, int],
    *,
    idle: frozenset[Token] = frozenset(),
    terms: Mapping[Token, Terms] | None = None,
    prices: Mapping[Token, int] | None = None,
    regime: str = "3.6",
    e_mode: EMode | None = None,
) -> LendingAccount:
    """An account with these base units supplied and owed; `idle` supplies are not enabled as collateral."""
    of = dict(terms or {})
    reserves = tuple(
        _reserve(place, token, of.get(token, Terms()), prices or PRICES) for place, token in enumerate(TOKENS)
    )
    flags = 0
    for place, token in enumerate(TOKENS):
        flags |= bool(borrows.get(token)) << 2 * place
        flags |= (bool(supplies.get(token)) and token not in idle) << 2 * place + 1
    state = AaveState(
        chain_id=1,
        block=BLOCK,
        at=BLOCK.timestamp,
        market=AaveMarket("aave-v3", "main", POOL, POOL, POOL, 10, regime, 10**8),
        owner=OWNER,
        e_mode=e_mode,
        user_configuration=flags,
        reserves=reserves,
        positions=tuple(Position(supplies.get(token, 0), borrows.get(token, 0)) for token in TOKENS),
    )
    return account_from_state(state)


def _reserve(place: int, token: Token, terms: Terms, prices: Mapping[Token, int]) -> Reserve:
    configuration = (
        terms.loan_to_value | terms.threshold << 16 | token.decimals << 48 | (ACTIVE | BORROWABLE) ^ terms.flags
    )
    configuration |= terms.borrow_cap << 80 | terms.supply_cap << 116 | terms.debt_ceiling << 212
    return Reserve(
        asset=token,
        id=place,
        configuration=configuration,
        liquidity_index=RAY,
        liquidity_rate=int(Decimal(terms.supply_rate) * RAY),
        variable_borrow_index=RAY,
        variable_borrow_rate=int(Decimal(terms.borrow_rate) * RAY),
        last_update=BLOCK.timestamp,
        a_token=token.address,
        stable_debt_token=token.address,
        variable_debt_token=token.address,
        price=Price(prices[token], 8, token.address, token.address, updated_at=BLOCK.timestamp),
        available_liquidity=terms.liquidity,
    )


def deep_pools(*, value: int = 10**9 * 10**8, prices: Mapping[Token, int] | None = None) -> Pools:
    """Pools of WETH and of USDC with everything else, which trade at the oracle's price."""
    pools = Pools()
    at = prices or PRICES
    for one, other, fee in ((WETH, USDC, 500), (WSTETH, WETH, 100), (WBTC, WETH, 3000), (USDC, DAI, 100)):
        pools.add_at(at, one, other, fee=fee, value=value)
    return pools


def wallet_of(
    held: Mapping[Token, int] | None = None,
    *,
    granted: Mapping[tuple[Token, Address], int] | None = None,
    native: int = 10**19,
    has_code: bool = False,
) -> Wallet:
    """A wallet with these base units and allowances, and ten of the native asset."""
    allowances = [(token, spender) for token in TOKENS for spender in (POOL, ROUTER)]
    return Wallet(
        owner=OWNER,
        native=native,
        nonce=7,
        has_code=has_code,
        balances=tuple(TokenBalance(token, (held or {}).get(token, 0)) for token in TOKENS),
        allowances=tuple(Allowance(*pair, (granted or {}).get(pair, 0)) for pair in allowances),
    )


def inputs_for(
    account: LendingAccount,
    goal: Goal,
    *,
    wallet: Wallet | None = None,
    max_slippage: str = "0.005",
    floor: str = "1.02",
    window: int = 600,
    venue: Venue | None = VENUE,
    constraints: Constraints = ANYTHING,
) -> PlanInputs:
    """What to plan, with sensible limits."""
    return PlanInputs(
        protocol=AAVE,
        account=account,
        wallet=wallet or wallet_of(),
        venue=venue,
        goal=goal,
        max_slippage=Decimal(max_slippage),
        floor=Wad(int(Decimal(floor) * WAD)),
        window=window,
        block_seconds=Decimal(12),
        gas_price=10**9,
        native=WETH,
        constraints=constraints,
    )


def plan_for(inputs: PlanInputs, pools: Pools | None = None) -> Plan:
    """Return the plan, its quotes answered by `pools`."""
    return drive(plan_deleverage(inputs), (pools or deep_pools()).fetch)
