"""Errors that a node or its front door answers with, as the class that says what to do about them."""

from __future__ import annotations

from defilev.errors import RpcBusy, RpcDenied, RpcRejected

__all__ = ["rejection"]

_RATE_EXCEEDED = -32005
_UNKNOWN_METHOD = -32601
_BUSY = frozenset({408, 429, *range(500, 600), _RATE_EXCEEDED})
"""HTTP statuses and JSON-RPC codes that mean "not now"."""
_DENIED = frozenset({*range(300, 500), _UNKNOWN_METHOD} - {400, 413}) - _BUSY
"""Those that mean "not here"; 400 and 413 find fault with the request itself."""
_SLOW_DOWN = "the node limits how often it may be asked: wait, or set another --rpc-url"
_FIXES = {
    401: "check the key in --rpc-url",
    403: "check the key in --rpc-url",
    404: "check the path in --rpc-url",
    429: _SLOW_DOWN,
    _RATE_EXCEEDED: _SLOW_DOWN,
}


def rejection(fact: str, *, code: int, message: str, data: object = None) -> RpcRejected:
    """Return the error for a JSON-RPC error code or an HTTP status: `RpcBusy`, `RpcDenied` or plain `RpcRejected`."""
    kind = RpcBusy if code in _BUSY else RpcDenied if code in _DENIED else RpcRejected
    return kind(fact, fix=_FIXES.get(code), code=code, message=message, data=data)
