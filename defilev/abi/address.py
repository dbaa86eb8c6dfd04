"""Addresses with their EIP-55 checksum."""

from __future__ import annotations

import re
from functools import lru_cache

from defilev.abi.hashing import keccak
from defilev.errors import InvalidAddress
from defilev.model.request import Address

__all__ = ["ZERO_ADDRESS", "address_from_word", "checksum", "parse_address"]

ZERO_ADDRESS = Address("0x" + "0" * 40)
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")
_CASE_STARTS = 8


@lru_cache(maxsize=65536)
def checksum(address: str) -> Address:
    """Return the 0x-prefixed 40 hex digits of `address` with EIP-55 capitals, whatever its own were."""
    digits = address[2:].lower()
    digest = keccak(digits.encode()).hex()
    cased = (
        digit.upper() if int(nibble, 16) >= _CASE_STARTS else digit
        for digit, nibble in zip(digits, digest, strict=False)
    )
    return Address("0x" + "".join(cased))


def address_from_word(word: int) -> Address:
    """Return the address in the low 20 bytes of a 256-bit word."""
    return checksum(f"0x{word & (2**160 - 1):040x}")


def parse_address(text: str, *, what: str = "address") -> Address:
    """Return the address that a person typed.

    Raises:
        InvalidAddress: not 0x and 40 hex digits, or mixed case with another checksum than EIP-55's.
    """
    if not _ADDRESS.fullmatch(text):
        raise InvalidAddress(f"{what} {text!r} is not 0x and 40 hex digits", fix="copy the address again")
    digits = text[2:]
    address = checksum(text)
    if digits not in (digits.lower(), digits.upper()) and address != text:
        raise InvalidAddress(f"{what} {text} has a wrong checksum", would_be=address)
    return address
