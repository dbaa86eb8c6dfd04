"""What swaps share wherever they are called: a path as its bytes say it, and the oracle's rate; pure."""

from __future__ import annotations

from fractions import Fraction

from defilev.abi import checksum
from defilev.execute.checks import Bounds
from defilev.model.request import Address

__all__ = ["hops_of", "unit_rate"]

_ADDRESS_BYTES = 20
_FEE_BYTES = 3


def unit_rate(sold: Address, bought: Address, bounds: Bounds) -> Fraction | None:
    """Return base units of `bought` per base unit of `sold` at the oracle's prices, `None` without both prices."""
    if not {sold, bought} <= bounds.prices.keys() & bounds.tokens.keys() or bounds.prices[bought].value <= 0:
        return None
    return _unit_value(sold, bounds) / _unit_value(bought, bounds)


def _unit_value(token: Address, bounds: Bounds) -> Fraction:
    price = bounds.prices[token]
    return Fraction(price.value, 10 ** (price.decimals + bounds.tokens[token].decimals))


def hops_of(path: bytes) -> tuple[tuple[Address, Address, int], ...]:
    """Return token, next token and fee of each pool on a path; raises `ValueError` when it is none."""
    stride = _ADDRESS_BYTES + _FEE_BYTES
    if len(path) < stride + _ADDRESS_BYTES or (len(path) - _ADDRESS_BYTES) % stride:
        raise ValueError(f"0x{path.hex()} is not a path of tokens and fees")
    starts = range(0, len(path) - _ADDRESS_BYTES, stride)
    return tuple(
        (
            _token_at(path, start),
            _token_at(path, start + stride),
            int.from_bytes(path[start + _ADDRESS_BYTES : start + stride], "big"),
        )
        for start in starts
    )


def _token_at(path: bytes, start: int) -> Address:
    return checksum("0x" + path[start : start + _ADDRESS_BYTES].hex())
