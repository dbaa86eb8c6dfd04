"""Answers of Aave v3 contracts as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from defilev.abi import interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_all, decode_one, decode_optional, token_symbol
from defilev.errors import RpcMalformed
from defilev.model.account import Price
from defilev.model.request import Address, CallResult, Results
from defilev.model.token import Token
from defilev.protocols.aave_family import bitmap
from defilev.protocols.aave_family.calls import RESERVE_CALLS, USER_CALLS
from defilev.protocols.aave_family.math import AccountData
from defilev.protocols.aave_family.state import EMode, Position, Reserve
from defilev.protocols.price_feeds import Feed
from defilev.units import UINT256_MAX

__all__ = [
    "EModeRead",
    "ReserveRead",
    "UserRead",
    "decode_balances",
    "decode_e_modes",
    "decode_reserves",
    "decode_users",
    "described_price",
    "reserves_with_prices",
    "with_held_liquidity",
]

E_MODE_CALLS = 5


@dataclass(frozen=True, slots=True)
class UserRead:
    """An owner's flags, e-mode category (0 for none) and the contract's own figures."""

    owner: Address
    configuration: int
    e_mode: int
    data: AccountData


@dataclass(frozen=True, slots=True)
class ReserveRead:
    """A reserve whose price is not described yet; `price` is `None` when the oracle gives none.

    `income` and `debt_index` are the contract's own indices at the block, which ours must equal. `counts_liquidity`
    says that the pool keeps count of what can leave it; where it does not, that is what the reserve's token holds.
    """

    reserve: Reserve
    price: int | None
    source: Address | None
    income: int
    debt_index: int
    counts_liquidity: bool

    def with_liquidity(self, amount: int) -> ReserveRead:
        """Return the reserve with `amount` base units to withdraw or borrow."""
        return replace(self, reserve=replace(self.reserve, available_liquidity=amount))


@dataclass(frozen=True, slots=True)
class EModeRead:
    """A category, and the asset whose price replaces its members' (before 3.2; `None` for none)."""

    e_mode: EMode
    price_source: Address | None

    def with_price(self, price: Price | None) -> EModeRead:
        """Return the category with the price that its members have; `None` leaves each its own."""
        return replace(self, e_mode=replace(self.e_mode, price=price))


def decode_users(owners: Sequence[Address], results: Results) -> tuple[UserRead, ...]:
    """Return the users that `calls.user_calls` asked for."""
    functions = interface("aave_v3_pool")
    users = []
    for place, owner in enumerate(owners):
        flags, category, figures = results[place * USER_CALLS : (place + 1) * USER_CALLS]
        data = decode_all(functions["getUserAccountData"], figures, what="pool")
        collateral, debt, available, threshold, ltv, health = data
        health_factor = None if health == UINT256_MAX else health
        contract_data = AccountData(collateral, debt, available, threshold, ltv, health_factor)
        users.append(
            UserRead(
                owner,
                decode_one(functions["getUserConfiguration"], flags, what="pool"),
                decode_one(functions["getUserEMode"], category, what="pool"),
                contract_data,
            )
        )
    return tuple(users)


def decode_reserves(
    assets: Sequence[Address], results: Results, *, symbols: Mapping[Address, str]
) -> tuple[ReserveRead, ...]:
    """Return the reserves that `calls.reserve_calls` asked for, ascending by id."""
    reads = [
        _reserve(asset, results[place * RESERVE_CALLS : (place + 1) * RESERVE_CALLS], symbols.get(asset))
        for place, asset in enumerate(assets)
    ]
    return tuple(sorted(reads, key=lambda read: read.reserve.id))


def _reserve(asset: Address, results: Results, known_symbol: str | None) -> ReserveRead:
    functions = interface("aave_v3_pool")
    of_oracle = interface("aave_v3_oracle")
    data = decode_all(functions["getReserveData"], results[0], what="pool")
    virtual = decode_optional(functions["getVirtualUnderlyingBalance"], results[3])
    price = decode_optional(of_oracle["getAssetPrice"], results[4])
    source = decode_optional(of_oracle["getSourceOfAsset"], results[5])
    reserve = Reserve(
        asset=Token(asset, known_symbol or token_symbol(asset, results[6]), bitmap.decimals(data[0])),
        id=data[7],
        configuration=data[0],
        liquidity_index=data[1],
        liquidity_rate=data[2],
        variable_borrow_index=data[3],
        variable_borrow_rate=data[4],
        last_update=data[6],
        a_token=data[8],
        stable_debt_token=data[9],
        variable_debt_token=data[10],
        price=None,
        available_liquidity=virtual[0] if virtual else 0,
    )
    return ReserveRead(
        reserve=reserve,
        price=price[0] if price and price[0] > 0 else None,
        source=source[0] if source and source[0] != ZERO_ADDRESS else None,
        income=decode_one(functions["getReserveNormalizedIncome"], results[1], what="pool"),
        debt_index=decode_one(functions["getReserveNormalizedVariableDebt"], results[2], what="pool"),
        counts_liquidity=virtual is not None,
    )


def with_held_liquidity(reads: Sequence[ReserveRead], results: Results) -> tuple[ReserveRead, ...]:
    """Return the reserves with the answers to `calls.liquidity_calls` where the pool keeps no count itself."""
    held = iter(results)
    return tuple(read if read.counts_liquidity else read.with_liquidity(_word(next(held))) for read in reads)


def decode_e_modes(categories: Sequence[int], results: Results) -> dict[int, EModeRead]:
    """Return the categories that `calls.e_mode_calls` asked for, by id."""
    return {
        category: _e_mode(category, results[place * E_MODE_CALLS : (place + 1) * E_MODE_CALLS])
        for place, category in enumerate(categories)
    }


def _e_mode(category: int, results: Results) -> EModeRead:
    functions = interface("aave_v3_pool")
    ltv, threshold, bonus, price_source, label = decode_one(functions["getEModeCategoryData"], results[0], what="pool")
    collateral = decode_optional(functions["getEModeCategoryCollateralBitmap"], results[1])
    borrowable = decode_optional(functions["getEModeCategoryBorrowableBitmap"], results[2])
    zero_ltv = decode_optional(functions["getEModeCategoryLtvzeroBitmap"], results[3])
    isolated = decode_optional(functions["getIsEModeCategoryIsolated"], results[4])
    e_mode = EMode(
        id=category,
        loan_to_value=ltv,
        liquidation_threshold=threshold,
        liquidation_bonus=bonus,
        label=label,
        collateral_bitmap=collateral[0] if collateral else None,
        borrowable_bitmap=borrowable[0] if borrowable else None,
        ltv_zero_bitmap=zero_ltv[0] if zero_ltv else 0,
        isolated=bool(isolated and isolated[0]),
    )
    return EModeRead(e_mode, None if price_source == ZERO_ADDRESS else price_source)


def decode_balances(
    users: Sequence[UserRead], reserves: Sequence[Reserve], results: Results, *, stable_debt: bool
) -> tuple[tuple[Position, ...], ...]:
    """Return each user's positions, parallel to `reserves`, from the answers to `calls.balance_calls`."""
    cursor = 0
    everyone = []
    for user in users:
        positions = []
        for reserve in reserves:
            asked = 1
            if bitmap.is_borrowing(user.configuration, reserve.id):
                asked = 3 if stable_debt else 2
            positions.append(Position(*(_word(result) for result in results[cursor : cursor + asked])))
            cursor += asked
        everyone.append(tuple(positions))
    return tuple(everyone)


def _word(result: CallResult) -> int:
    if not result.success or len(result.data) != 32:
        raise RpcMalformed("a token of the market does not say a balance", answer="0x" + result.data.hex())
    return int.from_bytes(result.data, "big")


def reserves_with_prices(
    reads: Sequence[ReserveRead], feeds: Mapping[Address, Feed], *, base_unit: int
) -> tuple[ReserveRead, ...]:
    """Return the reserves with their prices described; a price whose source is unknown has the asset as its driver."""
    decimals = len(str(base_unit)) - 1
    return tuple(_with_price(read, feeds, decimals) for read in reads)


def _with_price(read: ReserveRead, feeds: Mapping[Address, Feed], decimals: int) -> ReserveRead:
    if read.price is None:
        return read
    price = described_price(read.price, read.source, feeds, asset=read.reserve.asset.address, decimals=decimals)
    return replace(read, reserve=replace(read.reserve, price=price))


def described_price(
    value: int, source: Address | None, feeds: Mapping[Address, Feed], *, asset: Address, decimals: int
) -> Price:
    """Return the oracle's `value` for `asset` with what is known of its origin."""
    feed = feeds.get(source) if source else None
    feed = feed or Feed(source=source or asset, driver=source or asset, description=None, ratio_decimals=None)
    return feed.price(value, decimals=decimals)
