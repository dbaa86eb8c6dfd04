"""Colour for terminals: one meaning each, and never the only sign of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

__all__ = ["Ink", "ink", "plain"]

Ink: TypeAlias = Callable[[str, str], str]
"""Colours a text in a named style; padding is applied before, since escape codes have no width."""

_CODES = {
    "OK": "32",
    "LOW": "33",
    "DANGER": "31",
    "LIQUIDATABLE": "1;37;41",
    "dim": "2",
    "strong": "1",
    "warning": "33",
}


def plain(text: str, _style: str) -> str:
    """Return `text` as it is."""
    return text


def ink(*, color: bool) -> Ink:
    """Return what colours for a terminal, or leaves text alone."""
    return _ansi if color else plain


def _ansi(text: str, style: str) -> str:
    return f"\x1b[{_CODES[style]}m{text}\x1b[0m"
