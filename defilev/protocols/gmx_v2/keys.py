"""The keys of GMX's DataStore: hashes of ABI-encoded names and arguments (gmx-synthetics, `data/Keys.sol`)."""

from __future__ import annotations

from functools import cache
from typing import Any

from defilev.abi import encode, keccak
from defilev.model.request import Address

__all__ = ["data_key", "position_key", "positions_key"]


@cache
def data_key(name: str, *arguments: Any) -> bytes:
    """Return the key of `name`; of a family by `arguments`, which are addresses (strings) and flags."""
    base = keccak(encode(["string"], [name]))
    if not arguments:
        return base
    kinds = ["bool" if isinstance(each, bool) else "address" for each in arguments]
    return keccak(encode(["bytes32", *kinds], [base, *arguments]))


def positions_key(owner: Address) -> bytes:
    """Return the key of the list of an owner's positions."""
    return data_key("ACCOUNT_POSITION_LIST", owner)


def position_key(owner: Address, market: Address, collateral: Address, *, is_long: bool) -> bytes:
    """Return the key of one position."""
    return keccak(encode(["address", "address", "address", "bool"], [owner, market, collateral, is_long]))
