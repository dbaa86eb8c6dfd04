"""JSON-RPC requests with validated answers; repeats nothing but reads, and a transaction never."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from defilev.chain.redaction import redact_urls
from defilev.chain.transport import Transport
from defilev.errors import RpcError, RpcMalformed, RpcRejected, RpcTimeout, RpcUnreachable
from defilev.model.codec import parse_json

__all__ = ["REPEATABLE", "Rpc"]

REPEATABLE = frozenset(
    {
        "eth_blockNumber",
        "eth_call",
        "eth_chainId",
        "eth_estimateGas",
        "eth_feeHistory",
        "eth_gasPrice",
        "eth_getBalance",
        "eth_getBlockByHash",
        "eth_getBlockByNumber",
        "eth_getCode",
        "eth_getLogs",
        "eth_getStorageAt",
        "eth_getTransactionByHash",
        "eth_getTransactionCount",
        "eth_getTransactionReceipt",
        "eth_maxPriorityFeePerGas",
        "eth_simulateV1",
        "net_version",
        "web3_clientVersion",
    }
)
"""Methods that change nothing and may be asked again; whatever is not listed is asked once."""

_PAUSES = (0.1, 0.4)
_BUSY = frozenset({408, 429, 500, 502, 503, 504, -32005})
"""HTTP statuses, and the JSON-RPC code for an exceeded rate, that mean "not now"."""
_SLOW_DOWN = "the node limits how often it may be asked: wait, or set another --rpc-url"


class Rpc:
    """Requests over one transport.

    `round_trips` counts what was sent, by method, repeats included.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        pauses: Sequence[float] = _PAUSES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._transport = transport
        self._pauses = tuple(pauses)
        self._sleep = sleep
        self._last_id = 0
        self.round_trips: Counter[str] = Counter()

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of a call of `method`, which may be `None`.

        Reads are asked again after failures that may pass; a read that timed out is asked again once.

        Raises:
            RpcUnreachable, RpcTimeout: no answer; one that changes state may have been carried out all the same.
            RpcMalformed: the answer is not the JSON-RPC answer to this request.
            RpcRejected: the node answered with an error, see its facts `code`, `message` and `data`.
        """
        pauses = self._pauses if method in REPEATABLE else ()
        for attempt, pause in enumerate(pauses):
            try:
                return self._ask(method, params)
            except RpcError as error:
                if not _may_pass(error, attempt):
                    raise
                self._sleep(pause)
        return self._ask(method, params)

    def close(self) -> None:
        """Close the transport."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ask(self, method: str, params: Sequence[Any]) -> Any:
        self._last_id += 1
        self.round_trips[method] += 1
        request = {"jsonrpc": "2.0", "id": self._last_id, "method": method, "params": list(params)}
        body = self._transport.send(json.dumps(request, separators=(",", ":"), allow_nan=False).encode())
        return _result(method, self._last_id, _parsed(method, body))


def _may_pass(error: RpcError, attempt: int) -> bool:
    if isinstance(error, RpcTimeout):
        return attempt == 0
    if isinstance(error, RpcRejected):
        return error.facts.get("code") in _BUSY
    return isinstance(error, RpcUnreachable | RpcMalformed)


def _parsed(method: str, body: bytes) -> dict[str, Any]:
    try:
        answer = parse_json(body)
    except ValueError:
        raise RpcMalformed(f"the node's answer to {method} is not JSON") from None
    if not isinstance(answer, dict):
        raise RpcMalformed(f"the node's answer to {method} is not a JSON object")
    return answer


def _result(method: str, request_id: int, answer: dict[str, Any]) -> Any:
    if answer.get("jsonrpc") != "2.0":
        raise RpcMalformed(f"the node's answer to {method} is not JSON-RPC 2.0")
    error = answer.get("error")
    is_id = type(answer.get("id")) is int and answer["id"] == request_id
    if not is_id and not (error is not None and answer.get("id") is None):
        raise RpcMalformed(f"the node answered another request than {method}", sent=request_id, got=answer.get("id"))
    if error is not None:
        raise _rejection(method, error)
    if "result" not in answer:
        raise RpcMalformed(f"the node's answer to {method} has neither result nor error")
    return answer["result"]


def _rejection(method: str, error: Any) -> RpcError:
    if not isinstance(error, dict) or type(error.get("code")) is not int or not isinstance(error.get("message"), str):
        return RpcMalformed(f"the node's error to {method} has no code and message")
    message = redact_urls(error["message"])
    return RpcRejected(
        f"the node refused {method}: {message} ({error['code']})",
        fix=_SLOW_DOWN if error["code"] in _BUSY else None,
        code=error["code"],
        message=message,
        data=error.get("data"),
    )
