"""Flow values as JSON documents and back: integers become strings, so that no reader turns money into a float."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from decimal import Decimal
from functools import lru_cache
from math import isfinite
from typing import Any, TypeVar

from defilev.errors import UsageError

__all__ = ["canonical_hash", "canonical_json", "from_document", "parse_json", "to_document"]

T = TypeVar("T")

_ADDRESS = re.compile(r"0x[0-9a-fA-F]{40}")


def parse_json(text: str | bytes) -> Any:
    """Return what JSON that somebody else wrote says; raises `ValueError` for anything else, however deep it nests.

    The standard library's parser can be driven through the end of the C stack once some library has raised the
    interpreter's recursion limit, as those for elliptic curves do.
    """
    from pydantic_core import from_json

    return from_json(text, allow_inf_nan=False)


def to_document(value: Any) -> Any:
    """Return `value`, a frozen dataclass or a part of one, as plain JSON data; integers and decimals as strings.

    Floats, which only statistics are, stay numbers; raises `ValueError` for one that is not finite.
    """
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, float):
        if not isfinite(value):
            raise ValueError(f"{value} has no place in a document")
        return value
    if isinstance(value, int | Decimal):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_document(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_document(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_document(item) for item in value]
    raise TypeError(f"{type(value).__name__} is not a flow value")


def from_document(kind: type[T], document: Any) -> T:
    """Return the `kind` that `document` describes.

    Raises:
        UsageError: a field is missing, or of another type.
    """
    from pydantic import ValidationError

    key: Any = kind
    try:
        validated: T = _adapter(key).validate_python(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise UsageError(f"not a {kind.__name__}: {where}: {first['msg']}", fix="make the file again") from None
    for where, address in _addresses(validated):
        if not _ADDRESS.fullmatch(address):
            raise UsageError(f"not a {kind.__name__}: {where}: it is not an address", fix="make the file again")
    return validated


def canonical_json(document: Any) -> str:
    """Return the one spelling of `document`: sorted keys, no spaces, ASCII."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)


def canonical_hash(document: Any) -> str:
    """Return the sha256 of the canonical JSON as 64 hex digits."""
    return hashlib.sha256(canonical_json(document).encode()).hexdigest()


def _addresses(value: Any, where: str = "") -> Iterator[tuple[str, str]]:
    """Yield every address in a flow value, and the place where it stands."""
    if isinstance(value, tuple):
        for place, item in enumerate(value):
            yield from _addresses(item, f"{where}.{place}")
    elif is_dataclass(value):
        for field in fields(value):
            found, inside = getattr(value, field.name), f"{where}.{field.name}".lstrip(".")
            if str(field.type).startswith("Address") and found is not None:
                yield inside, found
            else:
                yield from _addresses(found, inside)


@lru_cache
def _adapter(kind: Any) -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
