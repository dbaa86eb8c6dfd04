"""What a replica answers that has not seen the newest blocks yet."""

from __future__ import annotations

import json
from typing import Any

from tests.chaos.upstream import Upstream, envelope, failure

__all__ = ["lagged"]

_BLOCK_AT = {
    "eth_call": 1, "eth_getBalance": 1, "eth_getCode": 1, "eth_getTransactionCount": 1, "eth_estimateGas": 1,
    "eth_getStorageAt": 2, "eth_getBlockByNumber": 0, "eth_feeHistory": 1, "eth_simulateV1": 1,
}  # fmt: skip
"""Where among the parameters a method has its block."""

_OF_TRANSACTIONS = ("eth_getTransactionReceipt", "eth_getTransactionByHash")


def lagged(upstream: Upstream, request: dict[str, Any], *, blocks: int) -> bytes:
    """Return the answer of a replica that is `blocks` blocks behind the node."""
    method, params = request["method"], list(request["params"])
    head = int(json.loads(upstream.answer({**request, "method": "eth_blockNumber", "params": []}))["result"], 16)
    newest = max(head - blocks, 0)
    if method == "eth_blockNumber":
        return envelope(request, hex(newest))
    if method in _OF_TRANSACTIONS:
        return _unless_newer(upstream, request, newest)
    place = _BLOCK_AT.get(method)
    if place is None:
        return upstream.answer(request)
    if len(params) <= place or params[place] in ("latest", "pending"):
        params[place:] = [hex(newest), *params[place + 1 :]]
    elif isinstance(params[place], str) and params[place].startswith("0x") and int(params[place], 16) > newest:
        return (
            envelope(request, None)
            if method == "eth_getBlockByNumber"
            else failure(request, -32000, "header not found")
        )
    return upstream.answer({**request, "params": params})


def _unless_newer(upstream: Upstream, request: dict[str, Any], newest: int) -> bytes:
    """Return what is known of a transaction, nothing when it was included after the replica's newest block."""
    answer = upstream.answer(request)
    found = json.loads(answer).get("result")
    number = found.get("blockNumber") if isinstance(found, dict) else None
    return envelope(request, None) if number is not None and int(number, 16) > newest else answer
