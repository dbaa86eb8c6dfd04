"""A bundle as a file that a Safe's Transaction Builder takes, and that says more to those who verify it.

The format and its checksum are those of Safe's Transaction Builder 1.x (`BatchFile`, `checksum.ts`), which passes over
the field `defilev`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from defilev.abi import keccak
from defilev.errors import BundleTampered, BundleUnreadable
from defilev.model.bundle import Bundle

__all__ = ["builder_file", "bundle_in", "checksum_of"]

BUILDER = "1.18.0"
"""The version of the Transaction Builder whose format this is."""

_OWN = "defilev"


def builder_file(bundle: Bundle, place: int) -> dict[str, Any]:
    """Return the file of the transaction at `place` among the bundle's; amounts are base units as text."""
    plan, part = bundle.plan, bundle.parts[place]
    of_many = f" ({place + 1} of {len(bundle.parts)}, in their order)" if len(bundle.parts) > 1 else ""
    said = (
        f"safeTxHash {part.transaction_hash} with nonce {part.transaction.nonce}{of_many}; defilev plan {plan.hash}; "
        f"do not use it after {plan.expires_at} (Unix time)"
    )
    file = {
        "version": "1.0",
        "chainId": str(bundle.chain_id),
        "createdAt": plan.block.timestamp * 1000,
        "meta": {
            "name": bundle.name,
            "description": said,
            "txBuilderVersion": BUILDER,
            "createdFromSafeAddress": bundle.safe,
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {"to": step.to, "value": str(step.value), "data": step.data, "contractMethod": None,
             "contractInputsValues": None}
            for step in plan.steps if part.first_step <= step.index <= part.last_step
        ],
        _OWN: {**bundle.to_document(), "part": str(place + 1)},
    }  # fmt: skip
    return {**file, "meta": {**file["meta"], "checksum": checksum_of(file)}}  # type: ignore[dict-item]


def bundle_in(document: Any) -> Bundle:
    """Return the bundle of a file that `builder_file` made, of which nothing was changed since.

    Raises:
        BundleUnreadable: it is no such file.
        BundleTampered, PlanTampered: something in it is not what it was.
    """
    own = document.get(_OWN) if isinstance(document, Mapping) else None
    if not isinstance(own, Mapping):
        raise BundleUnreadable("the file is not a bundle that defilev made: the field `defilev` is missing")
    bundle = Bundle.from_document({name: value for name, value in own.items() if name != "part"})
    places = {str(number): number - 1 for number in range(1, len(bundle.parts) + 1)}
    place = places.get(str(own.get("part")))
    if place is None:
        raise BundleUnreadable("the file does not say which transaction of its bundle it is", part=own.get("part"))
    expected = builder_file(bundle, place)
    changed = [name for name in {**expected, **document} if expected.get(name) != document.get(name)]
    if changed:
        raise BundleTampered("the file was changed after it was made", changed=", ".join(changed))
    return bundle


def checksum_of(bundle: Mapping[str, Any]) -> str:
    """Return the checksum of a file that has none yet; its name is not part of it."""
    nameless = {**bundle, "meta": {**bundle["meta"], "name": None}}
    return "0x" + keccak(_serialized(nameless).encode()).hex()


def _serialized(value: Any) -> str:
    if isinstance(value, Mapping):
        names = sorted(value)
        return "{" + _json(names) + "".join(f"{_serialized(value[name])}," for name in names) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(map(_serialized, value)) + "]"
    return _json(value)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
