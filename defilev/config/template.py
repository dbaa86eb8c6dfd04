"""Settings written out as a person would write them, and a settings file to begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from defilev.config.settings import Settings

__all__ = ["template", "written"]

_HEAD = """\
# Settings of defilev: uncomment what you need. `defilev config show --origin` says what is in effect and why.
# Flags win over DEFILEV_ variables, those over ./.env, that over ./defilev.toml, that over your own config.toml.
# Never put a key, a mnemonic or a password here: keys live in encrypted keystores (`defilev wallet`).
"""
_DURATIONS = frozenset({"expires", "prices.stale_after", "target.reaction"})
_UNITS = (("d", 86400), ("h", 3600), ("m", 60), ("s", 1))


def template() -> str:
    """Return a TOML file with every setting commented out at its default, or at an example."""
    lines = [_HEAD, *_lines(Settings, "")]
    lines += ["", "# Laid over the settings above with --profile NAME.", "# [profile.NAME]", '# chain = "arbitrum"']
    return "\n".join(lines) + "\n"


def written(key: str, value: Any) -> str | tuple[str, ...] | None:
    """Return a setting as people write it, `0.5%` or `25h`; `None` is not set; a list stays one, but of one node."""
    if value is None or (key == "rpc_url" and not value):
        return None
    if isinstance(value, tuple):
        items = tuple(str(item) for item in value)
        return items[0] if key == "rpc_url" and len(items) == 1 else items
    if key in ("max_slippage", "max_divergence"):
        return f"{(100 * Decimal(value)).normalize():f}%"
    if key in _DURATIONS or key.startswith("prices.by_asset."):
        unit, seconds = next((unit, seconds) for unit, seconds in _UNITS if value % seconds == 0)
        return f"{value // seconds}{unit}"
    return str(value)


def _lines(model: type[BaseModel], prefix: str) -> Iterator[str]:
    tables = []
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            tables.append((name, field.annotation))
        elif field.description:
            yield from ("", f"# {field.description}", f"# {_assignment(prefix + name, name, field)}")
    for name, table in tables:
        yield from ("", f"[{prefix}{name}]", *_lines(table, f"{prefix}{name}."))


def _assignment(key: str, name: str, field: FieldInfo) -> str:
    example = field.examples[0] if field.examples else field.get_default(call_default_factory=True)
    if isinstance(example, Mapping):
        inside = ", ".join(f"{asset} = {json.dumps(limit)}" for asset, limit in example.items())
        return f"{name} = {{ {inside} }}"
    if isinstance(example, list | str):
        return f"{name} = {json.dumps(example)}"
    plain = written(key, example)
    return f"{name} = {json.dumps(plain if not isinstance(example, float) else example, ensure_ascii=False)}"
