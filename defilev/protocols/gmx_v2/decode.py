"""Answers of GMX's contracts; the Reader's only in the one layout that is known.

An older Reader leaves a field of a position out, a newer one may add some, and a list of such may still decode: so an
answer counts only if the decoded values encode to the same bytes, and if what it says of itself is what was asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from defilev.abi import encode, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_one
from defilev.errors import CallReverted, LayoutUnknown, NoSuchMarket
from defilev.model.book import MarketEntry
from defilev.model.request import Address, CallResult, Results
from defilev.protocols.gmx_v2.state import Charges, Market, MarketTerms, Position

__all__ = [
    "decode_charges",
    "decode_market",
    "decode_markets",
    "decode_page",
    "decode_terms",
    "decode_verdict",
    "probe",
    "uint",
]

EMPTY = (ZERO_ADDRESS, ZERO_ADDRESS, ZERO_ADDRESS)


def reader_answer(name: str, result: CallResult) -> tuple[Any, ...]:
    """Return the values of an answer of the Reader.

    Raises:
        LayoutUnknown: the Reader has no such function, or its answer has another layout.
        CallReverted: the function reverted with a reason.
    """
    function = interface("gmx_reader")[name]
    if not result.success and result.data:
        raise CallReverted(f"the Reader's {name}() reverted", revert_data="0x" + result.data.hex())
    try:
        values = function.decode(result.data)
        if encode(function.outputs, values) == result.data:
            return values
    except ValueError:
        pass
    raise LayoutUnknown(
        f"the Reader's answer to {name}() is not in the layout of GMX v2.2", bytes=len(result.data), function=name
    )


def uint(result: CallResult) -> int:
    """Return an answer of the DataStore's `getUint` or `getBytes32Count`."""
    value: int = decode_one(interface("gmx_data_store")["getUint"], result, what="DataStore")
    return value


def probe(result: CallResult) -> None:
    """Raise `LayoutUnknown` unless the position that nobody has is zeros, as many as a position has fields."""
    (position,) = reader_answer("getPosition", result)
    if position[0] != EMPTY or any(position[1]):
        raise LayoutUnknown("the Reader finds a position under a key that nobody can have", position=position[1])


def decode_page(owner: Address, result: CallResult) -> tuple[Position, ...]:
    """Return a page of an owner's positions; raises `LayoutUnknown` when one is another's, or has no size."""
    (found,) = reader_answer("getAccountPositions", result)
    return tuple(_position(owner, each) for each in found)


def _position(owner: Address, props: Any) -> Position:
    (holder, market, collateral), numbers, (is_long,) = props
    if holder != owner or not numbers[0] or not numbers[1]:
        raise LayoutUnknown(
            f"the Reader's positions of {owner} are not positions of theirs", holder=holder, size=numbers[0]
        )
    return Position(
        owner=owner,
        market=market,
        collateral=collateral,
        is_long=is_long,
        size=numbers[0],
        size_in_tokens=numbers[1],
        collateral_amount=numbers[2],
        pending_impact=numbers[3],
        borrowing_factor=numbers[4],
        funding_per_size=numbers[5],
        increased_at=numbers[8],
        decreased_at=numbers[9],
    )


def decode_markets(result: CallResult) -> dict[Address, Market]:
    """Return the first page of markets by their tokens."""
    (found,) = reader_answer("getMarkets", result)
    return {each[0]: Market(*each) for each in found}


def decode_market(entry: MarketEntry, market: Address, result: CallResult) -> Market:
    """Return one market; raises `NoSuchMarket` when the DataStore does not know it."""
    (found,) = reader_answer("getMarket", result)
    if found[0] != market:
        raise NoSuchMarket(f"{entry.protocol} {entry.market} has no market {market}", market=market)
    return Market(*found)


def decode_terms(
    market: Market, collateral: Address, results: Results, *, is_long: bool, min_collateral_usd: int
) -> MarketTerms:
    """Return what the market charges one side in one collateral, from the answers to `market_terms_calls`."""
    (info,) = reader_answer("getMarketInfo", results[0])
    props, for_longs, for_shorts, base, following, _, is_disabled = info
    if Market(*props) != market:
        raise LayoutUnknown(f"the Reader's getMarketInfo() of {market.market} is another market's", found=props[0])
    side, token = 0 if is_long else 1, 0 if collateral == market.long else 1
    borrowing, updated_at, own, liquidation, impact, at_liquidation = (uint(result) for result in results[1:7])
    by_token = [uint(result) for result in results[7:]]
    counted = 1 if market.long == market.short else 2  # one collateral is told once by each of its two names
    return MarketTerms(
        is_disabled=is_disabled,
        borrowing_factor=borrowing,
        borrowing_updated_at=updated_at,
        borrowing_per_second=for_longs if is_long else for_shorts,
        funding_per_size=base[0][side][token],
        funding_per_size_delta=following[3][side][token],
        funding_per_second=following[1],
        longs_pay=following[0],
        interest=sum(by_token[:counted]),
        other_interest=sum(by_token[2 : 2 + counted]),
        min_collateral_usd=min_collateral_usd,
        min_collateral_factor=own,
        min_collateral_factor_for_liquidation=liquidation,
        max_positive_impact_factor=impact,
        max_impact_factor_for_liquidations=at_liquidation,
    )


def decode_charges(position: Position, result: CallResult) -> Charges:
    """Return what closing costs; raises `LayoutUnknown` when the answer is about another position."""
    (info,) = reader_answer("getPositionInfo", result)
    _, props, fees, execution, pnl, uncapped, _ = info
    if _position(position.owner, props) != position:
        raise LayoutUnknown("the Reader's getPositionInfo() is about another position", asked=position, found=props)
    _, _, funding, borrowing, ui, _, _, closing_factor, *_, closing, _, total, discount = fees
    return Charges(
        funding_amount=funding[0],
        borrowing_usd=borrowing[0],
        borrowing_amount=borrowing[1],
        closing_factor=closing_factor,
        closing_amount=closing,
        ui_amount=ui[2],
        discount_amount=discount,
        total_amount=total,
        price_impact=execution[0],
        pnl=pnl,
        uncapped_pnl=uncapped,
    )


def decode_verdict(result: CallResult) -> tuple[bool, int, Sequence[int]]:
    """Return the Reader's verdict, what it finds left in dollars, and the two amounts that it requires."""
    liquidatable, _, (left, minimum, for_leverage) = reader_answer("isPositionLiquidatable", result)
    return liquidatable, left, (minimum, for_leverage)
