"""Where settings come from: flags, variables, `.env` and TOML files, as layers of flat keys. Judges no value."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

from dotenv import dotenv_values

from defilev.config.secrets import refuse_private_key
from defilev.errors import ConfigurationError

__all__ = ["DEFAULT", "PREFIX", "Entry", "Layer", "Origin", "dotenv_layer", "file_layers", "variables_layer"]

PREFIX = "DEFILEV_"
PATH_KEYS = frozenset({"address_book", "anvil", "book", "cache_dir", "journal", "keystore_dir"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was written: `where` for people, and whether the working directory had a say in it."""

    kind: Literal["flag", "environment", "dotenv", "project file", "user file", "default"]
    where: str
    from_cwd: bool = False


DEFAULT = Origin("default", "default")


@dataclass(frozen=True, slots=True)
class Entry:
    """One value as it was written, before anybody judged it; `folder` is what its relative paths are relative to."""

    value: Any
    origin: Origin
    folder: Path


Layer = Mapping[str, Entry]
"""Entries of one source by flat key, as `status.low`; later layers win."""


def variables_layer(variables: Mapping[str, str], *, keys: Mapping[str, str], folder: Path) -> dict[str, Entry]:
    """Return the settings among the environment's variables; `keys` maps a variable's name to the flat key."""
    layer = {}
    for name, value in variables.items():
        if name.startswith(PREFIX):
            refuse_private_key(name, value, where="the environment")
        if name in keys and value.strip():
            layer[keys[name]] = Entry(value, Origin("environment", f"env {name}"), folder)
    return layer


def dotenv_layer(path: Path, *, keys: Mapping[str, str]) -> dict[str, Entry]:
    """Return the settings in a `.env` file, nothing when there is none; other programs' variables are left alone.

    Raises:
        ConfigurationError: the file cannot be read, or holds a DEFILEV_ name that is no setting.
        KeyFailure: it holds a private key.
    """
    if not path.is_file():
        return {}
    lines = _text(path).splitlines()
    layer = {}
    for name, value in dotenv_values(path, interpolate=False).items():
        where = f"./{path.name}:{_line(lines, name)}"
        is_ours = name.startswith(PREFIX)
        refuse_private_key(name, value, where=where, is_ours=is_ours)
        if is_ours and value:
            layer[keys.get(name, name)] = Entry(value, Origin("dotenv", where, from_cwd=True), path.parent)
    return layer


def file_layers(path: Path, origin: Origin, *, profile: str | None) -> tuple[dict[str, Entry], dict[str, Entry] | None]:
    """Return the settings of a TOML file, and those of its `[profile.NAME]`; `None` when it has no such profile.

    Raises:
        ConfigurationError: the file cannot be read or is not TOML.
        KeyFailure: it holds a private key.
    """
    lines = _text(path).splitlines()
    document = _parsed(path, lines)
    profiles = document.pop("profile", {})
    if not isinstance(profiles, dict) or not all(isinstance(table, dict) for table in profiles.values()):
        raise ConfigurationError(f"{path}: profiles are tables", fix="write [profile.NAME] above a profile's settings")
    for name, table in profiles.items():
        _entries(table, path, origin, lines, table=f"profile.{name}")
    chosen = profiles.get(profile) if profile else None
    overrides = None if chosen is None else _entries(chosen, path, origin, lines, table=f"profile.{profile}")
    return _entries(document, path, origin, lines, table=""), overrides


def _entries(
    document: Mapping[str, Any], path: Path, origin: Origin, lines: list[str], *, table: str
) -> dict[str, Entry]:
    entries = {}
    for key, value in _flat(document):
        line = _line(lines, key, table=table)
        where = f"{origin.where}:{line}" if line else origin.where
        for item in value if isinstance(value, list) else [value]:
            refuse_private_key(key, item, where=where)
        entries[key] = Entry(value, Origin(origin.kind, where, origin.from_cwd), path.parent)
    return entries


def _flat(document: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _parsed(path: Path, lines: list[str]) -> dict[str, Any]:
    try:
        return tomllib.loads("\n".join(lines), parse_float=Decimal)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{path} is not TOML: {error}", fix=f"correct {path}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ConfigurationError(f"{path} cannot be read: {reason}", fix=f"check the path {path}") from None


def _line(lines: list[str], key: str, *, table: str = "") -> int:
    """Return the line, from 1, that sets `key` (dotted) below the header `table`; 0 when it is written another way."""
    wanted = f"{table}.{key}".lstrip(".")
    current = ""
    for number, line in enumerate(lines, 1):
        if header := re.match(r"\s*\[([^\[\]]+)\]", line):
            current = re.sub(r"[\s\"']", "", header[1]) + "."
        found = re.match(r"\s*(?:export\s+)?([\w.\-\"']+)\s*=", line)
        if found and current + re.sub(r"[\"']", "", found[1]) == wanted:
            return number
    return 0
