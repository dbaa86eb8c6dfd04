"""What the pools would give, asked of QuoterV2, which runs the swap and reverts it."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import interface
from defilev.model.request import Address, CallResult, Read
from defilev.venues.contract import Order, Quote
from defilev.venues.uniswap_v3.write import encoded_path

__all__ = ["read_quotes"]


def read_quotes(quoter: Address, orders: Sequence[Order]) -> Read[tuple[Quote | None, ...]]:
    """Return what each of `orders` would bring by itself at the read's block, in one batch.

    `None` stands for an order that the pools cannot fill, or that brings nothing.
    """
    quote = interface("uniswap_v3_quoter_v2")["quoteExactInput"]
    answers = yield [quote.call(quoter, encoded_path(order.route), order.amount_in) for order in orders]
    return tuple(_quote(result) for result in answers)


def _quote(result: CallResult) -> Quote | None:
    if not result.success:
        return None
    amount_out, _, _, gas = interface("uniswap_v3_quoter_v2")["quoteExactInput"].decode(result.data)
    return Quote(amount_out, gas) if amount_out > 0 else None
