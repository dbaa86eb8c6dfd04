"""Writes what the owners of a Safe are to sign."""

from __future__ import annotations

import json
from pathlib import Path

from defilev.errors import Refused
from defilev.execute.private_file import create_private, make_private_directory
from defilev.model.plan import Plan
from defilev.report.safe_bundle import safe_bundle

__all__ = ["write_bundle"]


def write_bundle(plan: Plan, *, name: str, folder: str) -> Path:
    """Write a plan for the Safe's Transaction Builder, for the guard's user alone, and return where it is.

    Raises:
        Refused: it cannot be written.
        KeystoreInsecure: others can look into the folder.
    """
    place = Path(folder).expanduser()
    file = place / f"{name}-{plan.block.number}-{plan.hash[:8]}.json"
    text = json.dumps(safe_bundle(plan, name=f"{name}: deleverage"), indent=1, ensure_ascii=False)
    make_private_directory(place)
    try:
        if not file.exists():
            create_private(file, text.encode() + b"\n")
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}", fix="correct bundles in the rules") from None
    return file
