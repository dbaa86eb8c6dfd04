"""The shipped lists of contracts and selectors that transactions may go to: the files of a chain, taken together."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from defilev.abi import parse_address
from defilev.abi.function import selector
from defilev.errors import ConfigurationError, InvalidAddress
from defilev.model.call_list import CallList, ListedContract

__all__ = ["load_call_list", "parse_call_list"]

_KEYS = frozenset({"role", "name", "address", "functions", "levering"})


def load_call_list(chain_id: int) -> CallList | None:
    """Return the shipped list of a chain, `None` where none is shipped; raises as `parse_call_list` does."""
    folder = files("defilev.config") / "policies"
    shipped = [
        parse_call_list(file.read_text(encoding="utf-8"), source=f"shipped {file.name}")
        for file in sorted(folder.iterdir(), key=lambda item: item.name)
        if file.name.endswith(".toml")
    ]
    of_chain = [found for found in shipped if found.chain_id == chain_id]
    if not of_chain:
        return None
    contracts = tuple(contract for found in of_chain for contract in found.contracts)
    return CallList(chain_id, contracts, ", ".join(found.source for found in of_chain))


def parse_call_list(text: str, *, source: str) -> CallList:
    """Return the list that `text` (TOML) holds.

    Raises:
        ConfigurationError: it is not TOML, a key is missing or unknown, an address is not one, or a selector is not its
            function's.
    """
    try:
        document = tomllib.loads(text)
        return CallList(int(document["chain"]["id"]), tuple(_contracts(document)), source)
    except (ValueError, KeyError, TypeError, InvalidAddress) as error:
        raise ConfigurationError(
            f"the list of calls {source} cannot be used: {error}", fix="restore the file"
        ) from None


def _contracts(document: Mapping[str, Any]) -> Iterator[ListedContract]:
    for entry in document["contract"]:
        if unknown := entry.keys() - _KEYS:
            raise ValueError(f"unknown key {min(unknown)}")
        levering = entry.get("levering", {})
        for given, signature in (*entry["functions"].items(), *levering.items()):
            if given != "0x" + selector(signature).hex():
                raise ValueError(f"{given} is not the selector of {signature}")
        place = entry.get("address")
        yield ListedContract(
            entry["role"], entry.get("name", ""), parse_address(place) if place else None, entry["functions"], levering
        )
