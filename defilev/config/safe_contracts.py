"""The published contracts of the Safe that are worked with: what is not in the shipped table is refused."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files

from defilev.abi import parse_address
from defilev.errors import ConfigurationError, InvalidAddress
from defilev.model.safe import SafeContracts, Singleton

__all__ = ["load_safe_contracts"]


@cache
def load_safe_contracts() -> SafeContracts:
    """Return the shipped table; raises `ConfigurationError` when it is damaged."""
    text = files("defilev.config").joinpath("tables", "safe.json").read_text(encoding="utf-8")
    try:
        document = json.loads(text)
        multi_send = document["multi_send_call_only"]
        return SafeContracts(
            tuple(
                Singleton(entry["version"], entry["name"], parse_address(entry["address"]), entry["code_hash"])
                for entry in document["singletons"]
            ),
            parse_address(multi_send["address"]),
            multi_send["code_hash"],
        )
    except (ValueError, KeyError, TypeError, InvalidAddress) as error:
        raise ConfigurationError(f"the shipped table of Safe contracts cannot be read: {error}") from None
