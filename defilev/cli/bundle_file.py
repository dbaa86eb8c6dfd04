"""Files of bundles and of owners' signatures: read with everything in them checked, written whole or not at all."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from defilev.errors import BundleTampered, BundleUnreadable, UsageError
from defilev.model.codec import parse_json

if TYPE_CHECKING:
    from defilev.model.bundle import Bundle
    from defilev.model.signatures import OwnerSignatures

__all__ = ["bundle_for", "read_bundle", "read_signatures", "write_bundle_files"]

LARGEST = 8_000_000
"""Bytes that no bundle needs."""

_HASH = re.compile(r"0x[0-9a-f]{64}")
_SIGNATURE = re.compile(r"0x[0-9a-fA-F]{130}")


def bundle_for(given: str, *, folder: Path) -> tuple[Path, Bundle]:
    """Return the bundle of a file, or the one in `folder` that has a transaction of the hash that was given.

    Raises:
        BundleUnreadable: there is no such file, it is not a bundle, or none in the folder has that hash.
        BundleTampered, PlanTampered: something in the file is not what it was.
    """
    if not _HASH.fullmatch(given.lower()):
        return Path(given), read_bundle(Path(given))
    for path in sorted(folder.glob("*.json")):
        try:
            bundle = read_bundle(path)
        except (BundleUnreadable, BundleTampered):
            continue
        if any(part.transaction_hash == given.lower() for part in bundle.parts):
            return path, bundle
    fix = "give the file, or its folder with --in"
    raise BundleUnreadable(f"no bundle in {folder} has that hash", fix=fix, hash=given)


def read_bundle(path: Path) -> Bundle:
    """Return the bundle in a file; raises as `bundle_for` does."""
    from defilev.report.safe_bundle import bundle_in

    return bundle_in(_json_in(path))


def read_signatures(path: Path, bundle: Bundle) -> OwnerSignatures:
    """Return an owner's signatures: of `defilev safe sign`, or a file with nothing but one signature in hex.

    Raises:
        BundleUnreadable: it is neither.
        SignatureInvalid, SignatureUnsupported: the signature alone does not say whose it is.
    """
    from defilev.model.signatures import OwnerSignatures

    text = _read(path).strip()
    if _SIGNATURE.fullmatch(text):
        return _bare(text, bundle)
    try:
        return OwnerSignatures.from_json(text)
    except UsageError as error:
        raise BundleUnreadable(f"{path} is not a file of signatures: {error.fact}") from None


def write_bundle_files(bundle: Bundle, path: Path) -> list[Path]:
    """Write a bundle, one file for each of its transactions, the first of them to `path`.

    Raises:
        ConfigurationError: it cannot be written.
    """
    from defilev.cli.plan_file import write_document
    from defilev.report.safe_bundle import builder_file

    paths = [
        path if place == 0 else path.with_name(f"{path.stem}-{place + 1}{path.suffix}")
        for place in range(len(bundle.parts))
    ]
    for place, where in enumerate(paths):
        write_document(where, builder_file(bundle, place))
    return paths


def _bare(text: str, bundle: Bundle) -> OwnerSignatures:
    from defilev.execute.safe_signatures import signer_of
    from defilev.model.signatures import OwnerSignatures, Signed

    if len(bundle.parts) != 1:
        raise BundleUnreadable("a signature alone does not say which of several transactions it is of")
    transaction_hash = bundle.parts[0].transaction_hash
    owner = signer_of(transaction_hash, bytes.fromhex(text[2:]))
    return OwnerSignatures(bundle.chain_id, bundle.safe, owner, (Signed(transaction_hash, text.lower()),))


def _json_in(path: Path) -> Any:
    try:
        return parse_json(_read(path))
    except ValueError:
        raise BundleUnreadable(f"{path} is not JSON") from None


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise BundleUnreadable(f"{path} is larger than any bundle")
        return content.decode()
    except OSError as error:
        raise BundleUnreadable(f"{path} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise BundleUnreadable(f"{path} is not text") from None
