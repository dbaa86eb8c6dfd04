"""The questions that an Aave v3 read asks; only getters that kept their shape from 3.0 to 3.7."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

from defilev.abi import encode, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.model.request import Address, Call
from defilev.protocols.aave_family.bitmap import is_borrowing
from defilev.protocols.aave_family.state import Reserve

__all__ = [
    "MARKET_CALLS",
    "PROBES",
    "RESERVE_CALLS",
    "USER_CALLS",
    "balance_calls",
    "e_mode_calls",
    "liquidity_calls",
    "market_calls",
    "probe_calls",
    "provider_calls",
    "reserve_calls",
    "user_calls",
]

PROBES: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("3.1", "getLiquidationGracePeriod", (ZERO_ADDRESS,)),
    ("3.2", "getEModeCategoryCollateralBitmap", (0,)),
    ("3.3", "getReserveDeficit", (ZERO_ADDRESS,)),
    ("3.4", "isApprovedPositionManager", (ZERO_ADDRESS, ZERO_ADDRESS)),
    ("3.6", "getEModeCategoryLtvzeroBitmap", (0,)),
    ("3.7", "getIsEModeCategoryIsolated", (0,)),
)
"""Getters that only answer from a release on: (release, function, arguments)."""

MARKET_CALLS = 3
USER_CALLS = 3
RESERVE_CALLS = 7


def provider_calls(provider: Address) -> list[Call]:
    """Ask a PoolAddressesProvider for the pool and the oracle."""
    functions = interface("aave_v3_addresses_provider")
    return [functions["getPool"].call(provider), functions["getPriceOracle"].call(provider)]


def market_calls(pool: Address, oracle: Address) -> list[Call]:
    """Ask for revision, reserves and base unit."""
    functions = interface("aave_v3_pool")
    return [
        functions["POOL_REVISION"].call(pool),
        functions["getReservesList"].call(pool),
        interface("aave_v3_oracle")["BASE_CURRENCY_UNIT"].call(oracle),
    ]


def probe_calls(pool: Address) -> list[Call]:
    """Ask what only newer releases answer, in the order of `PROBES`."""
    functions = interface("aave_v3_pool")
    return [functions[name].call(pool, *arguments) for _, name, arguments in PROBES]


def user_calls(pool: Address, owners: Sequence[Address]) -> list[Call]:
    """Ask for flags, e-mode and the contract's own figures, three calls per owner."""
    functions = interface("aave_v3_pool")
    names = ("getUserConfiguration", "getUserEMode", "getUserAccountData")
    selectors = [functions[name].selector for name in names]
    words = [encode(["address"], [owner]) for owner in owners]
    return [Call(pool, selector + word) for word in words for selector in selectors]


def reserve_calls(pool: Address, oracle: Address, assets: Sequence[Address]) -> list[Call]:
    """Ask for the data, indices, liquidity, price, source and symbol of each asset, seven calls per asset."""
    return list(chain.from_iterable(_reserve_calls(pool, oracle, asset) for asset in assets))


def _reserve_calls(pool: Address, oracle: Address, asset: Address) -> list[Call]:
    of_pool = interface("aave_v3_pool")
    of_oracle = interface("aave_v3_oracle")
    return [
        of_pool["getReserveData"].call(pool, asset),
        of_pool["getReserveNormalizedIncome"].call(pool, asset),
        of_pool["getReserveNormalizedVariableDebt"].call(pool, asset),
        of_pool["getVirtualUnderlyingBalance"].call(pool, asset),
        of_oracle["getAssetPrice"].call(oracle, asset),
        of_oracle["getSourceOfAsset"].call(oracle, asset),
        interface("erc20")["symbol"].call(asset),
    ]


def balance_calls(
    owner: Address, reserves: Sequence[Reserve], *, user_configuration: int, stable_debt: bool
) -> list[Call]:
    """Ask for one owner's scaled supply in each reserve, and where it borrows for scaled and stable debt."""
    functions = interface("aave_v3_scaled_token")
    scaled, stable = (functions[name].encode(owner) for name in ("scaledBalanceOf", "balanceOf"))
    calls = []
    for reserve in reserves:
        calls.append(Call(reserve.a_token, scaled))
        if not is_borrowing(user_configuration, reserve.id):
            continue
        calls.append(Call(reserve.variable_debt_token, scaled))
        if stable_debt:
            calls.append(Call(reserve.stable_debt_token, stable))
    return calls


def liquidity_calls(reserves: Sequence[Reserve]) -> list[Call]:
    """Ask how much of its asset each reserve's token holds."""
    return [interface("erc20")["balanceOf"].call(reserve.asset.address, reserve.a_token) for reserve in reserves]


def e_mode_calls(pool: Address, category: int) -> list[Call]:
    """Ask for an e-mode category's data and bitmaps, five calls."""
    functions = interface("aave_v3_pool")
    names = (
        "getEModeCategoryData",
        "getEModeCategoryCollateralBitmap",
        "getEModeCategoryBorrowableBitmap",
        "getEModeCategoryLtvzeroBitmap",
        "getIsEModeCategoryIsolated",
    )
    return [functions[name].call(pool, category) for name in names]
