"""A plan as a bundle for a Safe's owners, as its Transaction Builder takes it. Nothing is signed or sent.

The format and its checksum are those of Safe's Transaction Builder 1.x (`BatchFile`, `checksum.ts`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from defilev.abi import keccak
from defilev.model.plan import Plan

__all__ = ["checksum_of", "safe_bundle"]

BUILDER = "1.18.0"
"""The version of the Transaction Builder whose format this is."""


def safe_bundle(plan: Plan, *, name: str) -> dict[str, Any]:
    """Return the calls of `plan` as one bundle of its owner, the Safe; amounts are base units as text.

    Args:
        name: what the owners see it as.
    """
    said = (
        f"defilev plan {plan.hash}; do not use it after {plan.expires_at} (Unix time) or block {plan.expires_at_block}"
    )
    bundle = {
        "version": "1.0",
        "chainId": str(plan.chain_id),
        "createdAt": plan.block.timestamp * 1000,
        "meta": {
            "name": name,
            "description": said,
            "txBuilderVersion": BUILDER,
            "createdFromSafeAddress": plan.owner,
            "createdFromOwnerAddress": "",
        },
        "transactions": [
            {"to": step.to, "value": str(step.value), "data": step.data, "contractMethod": None,
             "contractInputsValues": None}
            for step in plan.steps
        ],
    }  # fmt: skip
    return {**bundle, "meta": {**bundle["meta"], "checksum": checksum_of(bundle)}}  # type: ignore[dict-item]


def checksum_of(bundle: Mapping[str, Any]) -> str:
    """Return the checksum of a bundle that has none yet; its name is not part of it."""
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
