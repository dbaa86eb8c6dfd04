"""Keccak-256, the hash of selectors, checksums and storage."""

from __future__ import annotations

from Crypto.Hash import keccak as _keccak

__all__ = ["keccak"]


def keccak(data: bytes) -> bytes:
    """Return the 32-byte Keccak-256 of `data` (Ethereum's, with the padding that predates SHA-3)."""
    return _keccak.new(digest_bits=256, data=data).digest()
