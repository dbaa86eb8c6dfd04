"""Keccak-256, selectors, and addresses with their EIP-55 capitals."""

from __future__ import annotations

import re

from Crypto.Hash import keccak as _keccak

__all__ = ["ADDRESS_BYTES", "address", "keccak", "parse_address", "selector"]

ADDRESS_BYTES = 20
_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def keccak(data: bytes) -> bytes:
    """Return the Keccak-256 hash, which is not NIST's SHA3-256."""
    return _keccak.new(digest_bits=256, data=data).digest()


def selector(signature: str) -> bytes:
    """Return the first four bytes of the hash of `transfer(address,uint256)` and the like."""
    return keccak(signature.encode("ascii"))[:4]


def address(raw: bytes) -> str:
    """Return twenty bytes as `0x` and 40 hex digits with their capitals; raises `ValueError` for another length."""
    if len(raw) != ADDRESS_BYTES:
        raise ValueError(f"an address has {ADDRESS_BYTES} bytes, not {len(raw)}")
    digits = raw.hex()
    marks = keccak(digits.encode("ascii")).hex()
    return "0x" + "".join(
        digit.upper() if int(mark, 16) >= 8 else digit for digit, mark in zip(digits, marks, strict=False)
    )


def parse_address(text: object) -> str:
    """Return an address that somebody wrote; raises `ValueError` unless it has the right capitals."""
    if not isinstance(text, str) or not _ADDRESS.fullmatch(text):
        raise ValueError(f"{text!r} is not an address: 0x and 40 hex digits")
    parsed = address(bytes.fromhex(text[2:]))
    if parsed != text:
        raise ValueError(f"{text} has the wrong capitals (EIP-55); copy it again")
    return parsed
