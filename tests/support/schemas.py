"""The published JSON Schemas, and what is wrong with a document that names one of them."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

__all__ = ["schema_problems", "schemas"]

_FOLDER = Path(__file__).resolve().parents[2] / "docs" / "schemas"


@lru_cache
def schemas() -> dict[str, Any]:
    """Return the schemas by the name of their document, as `health`."""
    suffix = ".schema.json"
    return {path.name.removesuffix(suffix): json.loads(path.read_text()) for path in sorted(_FOLDER.glob(f"*{suffix}"))}


@lru_cache
def _registry() -> Registry[Any]:
    found = [(f"{name}.schema.json", Resource.from_contents(schema)) for name, schema in schemas().items()]
    empty: Registry[Any] = Registry()
    return empty.with_resources(found)


def schema_problems(document: dict[str, Any]) -> list[str]:
    """Return what the schema that a document names finds wrong with it."""
    name = document["schema"].removeprefix("defilev/").removesuffix("@1")
    found = Draft202012Validator(schemas()[name], registry=_registry()).iter_errors(document)
    return [f"{error.json_path}: {error.message}" for error in found]
