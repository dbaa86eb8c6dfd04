"""Writes what the owners of a Safe are to sign."""

from __future__ import annotations

import json
from pathlib import Path

from defilev.errors import Refused
from defilev.execute.private_file import create_private, make_private_directory
from defilev.model.bundle import Bundle
from defilev.report.safe_bundle import builder_file

__all__ = ["write_bundle"]


def write_bundle(bundle: Bundle, *, name: str, folder: str) -> tuple[Path, ...]:
    """Write a bundle for the Safe's Transaction Builder, for the guard's user alone, and return where it is.

    A bundle of several transactions is as many files, in their order.

    Raises:
        Refused: it cannot be written.
        KeystoreInsecure: others can look into the folder.
    """
    place = Path(folder).expanduser()
    make_private_directory(place)
    return tuple(_write(bundle, number, place, name) for number in range(len(bundle.parts)))


def _write(bundle: Bundle, number: int, place: Path, name: str) -> Path:
    part = bundle.parts[number]
    file = place / f"{name}-{part.transaction.nonce}-{part.transaction_hash[2:10]}.json"
    text = json.dumps(builder_file(bundle, number), indent=1, ensure_ascii=False)
    try:
        if not file.exists():
            create_private(file, text.encode() + b"\n")
    except OSError as error:
        raise Refused(f"{file} cannot be written: {error.strerror}", fix="correct bundles in the rules") from None
    return file
