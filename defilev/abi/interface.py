"""Loading of the ABI files that travel with the package."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from defilev.abi.function import Error, Function, Interface

__all__ = ["abi_text", "interface"]


@cache
def interface(name: str) -> Interface:
    """Return the interface in `abis/NAME.json`: standard JSON ABI, of which functions and errors are used."""
    entries: list[dict[str, Any]] = json.loads(abi_text(name))
    functions = {entry["name"]: _function(entry) for entry in entries if entry["type"] == "function"}
    errors = [Error(entry["name"], _pairs(entry["inputs"])) for entry in entries if entry["type"] == "error"]
    return Interface(functions, {error.selector: error for error in errors})


def abi_text(name: str) -> str:
    """Return the text of `abis/NAME.json`, from the installed package or the repository."""
    package = files("defilev")
    installed = package / "_abis" / f"{name}.json"
    source = package / ".." / "abis" / f"{name}.json"
    return (installed if installed.is_file() else source).read_text(encoding="utf-8")


def _function(entry: dict[str, Any]) -> Function:
    outputs = tuple(_type(output) for output in entry.get("outputs", []))
    return Function(entry["name"], _pairs(entry["inputs"]), outputs)


def _pairs(inputs: list[dict[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((entry["name"], _type(entry)) for entry in inputs)


def _type(entry: dict[str, Any]) -> str:
    kind: str = entry["type"]
    if not kind.startswith("tuple"):
        return kind
    members = ",".join(_type(component) for component in entry["components"])
    return f"({members}){kind.removeprefix('tuple')}"
