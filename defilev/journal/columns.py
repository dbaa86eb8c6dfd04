"""Columns for integers that need more than 63 bits: decimal text."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Dialect, Text, TypeDecorator

__all__ = ["LARGEST", "Sint", "Uint"]

LARGEST = 2**256 - 1


class Uint(TypeDecorator[int]):
    """A number of 256 bits without a sign, kept as decimal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """Return the text; raises `ValueError` for what is not such a number."""
        del dialect
        if value is None:
            return None
        if not 0 <= value <= LARGEST:
            raise ValueError(f"{value!r} is not a number of 256 bits without a sign")
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return the number; raises `ValueError` for text that is none."""
        del dialect
        return None if value is None else int(value)


class Sint(TypeDecorator[int]):
    """A number of at most 256 bits that may be negative, kept as decimal text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: int | None, dialect: Dialect) -> str | None:
        """Return the text; raises `ValueError` for what is not such a number."""
        del dialect
        if value is None:
            return None
        if abs(value) > LARGEST:
            raise ValueError(f"{value!r} is not a number of 256 bits")
        return str(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> int | None:
        """Return the number; raises `ValueError` for text that is none."""
        del dialect
        return None if value is None else int(value)
