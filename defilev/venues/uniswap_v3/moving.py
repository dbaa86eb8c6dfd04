"""Moving a pool on a fork: to another price by a swap, and to less liquidity by what its storage says; pure.

The pool's storage is the one that Uniswap v3 deploys: `liquidity` in slot 4, `ticks` in the mapping of slot 5, whose
first word is the gross liquidity in its lower half and the net liquidity, signed, in its upper one.
"""

from __future__ import annotations

from fractions import Fraction
from math import floor, isqrt

from defilev.abi import Transaction, encode, interface, keccak
from defilev.abi.function import Function
from defilev.model.request import Address
from defilev.venues.uniswap_v3.write import CONTRACT

__all__ = [
    "LIQUIDITY_SLOT",
    "SLOT0",
    "TICK_BITMAP",
    "TICK_SPACING",
    "initialized_ticks",
    "scaled_tick_word",
    "sqrt_price_after",
    "swap_to_price",
    "tick_slot",
    "words_around",
]

SLOT0 = Function("slot0", (), ("uint160", "int24", "uint16", "uint16", "uint16", "uint8", "bool"))
"""Returns the square root of the price of token 0 in token 1, scaled by 2^96, and the tick that it lies in."""

TICK_SPACING = Function("tickSpacing", (), ("int24",))
TICK_BITMAP = Function("tickBitmap", (("wordPosition", "int16"),), ("uint256",))

LIQUIDITY_SLOT = 4
_TICKS_SLOT = 5
_HALF = 1 << 128
_WORD_BITS = 256

REACH = 6932
"""Ticks to either side within which liquidity is thinned: twice and half the price."""


def sqrt_price_after(sqrt_price: int, factor: Fraction) -> int:
    """Return the square root of the price (times 2^96) once the price is multiplied by `factor`; rounded down."""
    return isqrt(sqrt_price * sqrt_price * factor.numerator // factor.denominator)


def swap_to_price(
    router: Address, pair: tuple[Address, Address], fee: int, *, trader: Address, amount: int, sqrt_price: int
) -> Transaction:
    """Return the call that sells the first of `pair` for the second until the price, or until `amount` is sold."""
    single = (*pair, fee, trader, amount, 0, sqrt_price)
    return Transaction(router, CONTRACT, interface("uniswap_v3_swap_router_02")["exactInputSingle"], (single,))


def words_around(tick: int, spacing: int) -> range:
    """Return the positions of the bitmap's words that hold the ticks within `REACH` of `tick`."""
    first, last = ((tick + distance) // spacing // _WORD_BITS for distance in (-REACH, REACH))
    return range(first, last + 1)


def initialized_ticks(position: int, word: int, spacing: int) -> list[int]:
    """Return the ticks at which liquidity begins or ends, of one word of the bitmap."""
    return [(position * _WORD_BITS + bit) * spacing for bit in range(_WORD_BITS) if word >> bit & 1]


def tick_slot(tick: int) -> int:
    """Return the slot of a tick's gross and net liquidity."""
    return int.from_bytes(keccak(encode(["int24", "uint256"], [tick, _TICKS_SLOT])), "big")


def scaled_tick_word(word: int, share: Fraction) -> int:
    """Return a tick's word with gross and net liquidity multiplied by `share`, both rounded toward zero."""
    gross, net = word % _HALF, word // _HALF
    signed = net - _HALF if net >= _HALF // 2 else net
    scaled = floor(abs(signed) * share) * (1 if signed >= 0 else -1)
    return (scaled % _HALF) * _HALF + floor(gross * share)
