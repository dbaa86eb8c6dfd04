"""Tables of a book file, read key by key; whatever cannot be meant is refused with its place."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from difflib import get_close_matches
from typing import Any, NoReturn

from defilev.errors import ConfigurationError, InvalidNumber
from defilev.units import parse_decimal

__all__ = ["Table", "refuse", "tables"]

_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_ADDRESS_LIKE = re.compile(r"0x.*|[0-9a-f]{40}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Table:
    """One table: `place` is how a message calls it, as `[owners.main]`."""

    source: str
    place: str
    content: Mapping[str, Any]
    name: str = ""

    def require_keys(self, *known: str) -> None:
        """Raise `ConfigurationError` when there is another key than `known`."""
        for key in self.content:
            if key not in known:
                meant = get_close_matches(key, known, 1, 0.6)
                fix = f"did you mean {meant[0]}?" if meant else f"{self.place} may have {', '.join(known)}"
                self.refuse(f"has an unknown key {key}", fix)

    def has(self, key: str) -> bool:
        """Tell whether `key` is written down."""
        return key in self.content

    def is_list(self, key: str) -> bool:
        """Tell whether a list is written at `key`."""
        return isinstance(self.content.get(key), list)

    def text(self, key: str, *, is_required: bool = False) -> str:
        """Return the text at `key` on one line, empty when there is none."""
        value = self.content.get(key)
        if value is None and not is_required:
            return ""
        if not isinstance(value, str) or (is_required and not value.strip()):
            self.refuse(f"has no {key}" if value is None else f"{key} is no text", f'write {key} = "…"')
        return " ".join(value.split())

    def words(self, key: str) -> tuple[str, ...]:
        """Return the list of texts at `key`, each of them once."""
        value = self.content.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.refuse(f"{key} is no list of texts", f'write {key} = ["…"]')
        for item in value:
            if value.count(item) > 1:
                shown = "a URL" if key == "rpc_url" else item
                self.refuse(f"{key} has {shown} twice", "leave one of them out")
        return tuple(value)

    def number(self, key: str) -> Decimal:
        """Return the finite number at `key`, exact as it is written, with or without quotation marks."""
        value = self.content.get(key)
        if value is None:
            self.refuse(f"has no {key}", f"write {key} = 1.5")
        if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
            self.refuse(f"{key} is no number", f"write {key} = 1.5")
        try:
            return parse_decimal(str(value), what=key)
        except InvalidNumber as error:
            self.refuse(error.fact, f"write {key} = 1.5")

    def require_known(self, key: str, value: str, known: Collection[str], *, what: str, add: str) -> None:
        """Raise `ConfigurationError` when `value` is none of `known`; the fix is a close one, or to `add` it."""
        if value not in known:
            meant = get_close_matches(value, known, 1, 0.6)
            self.refuse(f"{key} {value!r} is no {what}", f"did you mean {meant[0]}?" if meant else add)

    def refuse(self, what: str, fix: str) -> NoReturn:
        """Raise `ConfigurationError` that names the file and the table."""
        refuse(self.source, f"{self.place} {what}", fix)


def tables(root: Table, section: str) -> Iterator[Table]:
    """Yield the named tables in a section of the file, in the order in which they are written."""
    content = root.content.get(section, {})
    if not isinstance(content, dict):
        root.refuse(f"has {section}, which is no table", f"write [{section}.NAME] above what belongs to it")
    for name, table in content.items():
        _require_name(root.source, section, name)
        if not isinstance(table, dict):
            refuse(
                root.source,
                f"[{section}] has {name}, which is no table",
                f"write [{section}.{name}] above what belongs to it",
            )
        yield Table(root.source, f"[{section}.{name}]", table, name=name)


def refuse(source: str, what: str, fix: str) -> NoReturn:
    """Raise `ConfigurationError` about a book file."""
    raise ConfigurationError(f"book {source}: {what}", fix=fix)


def _require_name(source: str, section: str, name: str) -> None:
    if _ADDRESS_LIKE.fullmatch(name):
        refuse(
            source,
            f"the name {name!r} in [{section}] looks like an address",
            f"write [{section}.NAME] with a name of your own",
        )
    if not _NAME.fullmatch(name):
        refuse(
            source,
            f"the name {name!r} in [{section}] is not of small letters, digits and dashes",
            "such as main, or cold-wallet-2",
        )
