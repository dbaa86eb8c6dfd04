"""Plan files: read with their hash checked, written whole or not at all."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defilev.errors import ConfigurationError, PlanUnreadable
from defilev.model.codec import parse_json

if TYPE_CHECKING:
    from defilev.model.plan import Plan

__all__ = ["read_plan", "write_document"]

LARGEST = 8_000_000
"""Bytes that no plan needs."""


def read_plan(path: Path) -> Plan:
    """Return the plan in a file.

    Raises:
        PlanUnreadable: there is no such file, or it is not a plan.
        PlanTampered: it was changed after it was made.
    """
    from defilev.plan import plan_from

    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise PlanUnreadable(f"{path} is larger than any plan")
        document = parse_json(content)
    except OSError as error:
        raise PlanUnreadable(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise PlanUnreadable(f"{path} is not JSON") from None
    return plan_from(document)


def write_document(path: Path, document: dict[str, Any]) -> None:
    """Write JSON to `path`, replacing what was there only when all of it is on the disk.

    Raises:
        ConfigurationError: it cannot be written.
    """
    unfinished = path.parent / f".{path.name}.{os.getpid()}"
    try:
        unfinished.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
        unfinished.replace(path)
    except OSError as error:
        unfinished.unlink(missing_ok=True)
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", fix="choose another file") from None
