"""Recognition of private keys in plain text, so that they are refused where settings are read. Repeats none of them."""

from __future__ import annotations

import re

from defilev.errors import KeyFailure

__all__ = ["refuse_private_key"]

_KEY = re.compile(r"(?:0x)?[0-9a-fA-F]{64}")
_PHRASE = re.compile(r"(?:[a-z]{3,8}[ ,]+){11,23}[a-z]{3,8}")
_NAME = re.compile(r"private_?key|priv_?key|mnemonic|seed_?phrase|password|passphrase", re.IGNORECASE)


def refuse_private_key(name: str, value: object, *, where: str, is_ours: bool = True) -> None:
    """Raise when the setting `name` holds, or is meant to hold, a private key, a mnemonic or a password.

    A variable that is another program's (not `is_ours`) is refused only when both its name and its value say so.

    Raises:
        KeyFailure: it does; the message says where, never what.
    """
    if not isinstance(value, str) or not value.strip():
        return
    text = value.strip()
    looks_so = bool(_KEY.fullmatch(text) or _PHRASE.fullmatch(text))
    named_so = bool(_NAME.search(name))
    if (looks_so or named_so) if is_ours else (looks_so and named_so):
        raise KeyFailure(
            f"{where} holds what looks like a private key or password in plain text: {name}",
            fix="remove it there, take it for leaked, and keep keys with `defilev wallet import NAME`",
        )
