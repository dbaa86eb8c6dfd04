"""JSON-RPC requests with validated answers; repeats nothing but reads, and a transaction never."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Protocol, Self, TypeVar

from defilev.chain.redaction import redact_urls
from defilev.chain.rejection import rejection
from defilev.chain.transport import Transport
from defilev.errors import RpcError, RpcMalformed, RpcTimeout
from defilev.model.codec import parse_json

__all__ = ["PAUSES", "REPEATABLE", "Observer", "Once", "Requests", "Rpc", "may_pass"]

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

PAUSES = (0.1, 0.4)
"""Seconds before a read is asked a second and a third time."""

T = TypeVar("T")


class Requests(Protocol):
    """What answers JSON-RPC requests: one node, or several that stand in for each other."""

    @property
    def round_trips(self) -> Counter[str]:
        """What was sent, by method, repeats included."""
        ...

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of a call of `method`, which may be `None`."""
        ...

    def read(self, method: str, params: Sequence[Any], parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of the `result`; what it raises counts as a failure of the node."""
        ...

    def close(self) -> None:
        """Let go of the connections."""
        ...


class Observer(Protocol):
    """Watches the attempts of one node."""

    def begin(self) -> None:
        """Let an attempt begin, or raise `RpcTimeout` when there is no time for one."""
        ...

    def end(self, seconds: float, error: RpcError | None) -> None:
        """Hear how long it took, and what came of it."""
        ...


class Rpc:
    """Requests over one transport.

    `round_trips` counts what was sent, by method, repeats included.
    """

    def __init__(
        self,
        transport: Transport,
        *,
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        observer: Observer | None = None,
    ) -> None:
        self._transport = transport
        self._pauses = tuple(pauses)
        self._sleep = sleep
        self._clock = clock
        self._observer = observer
        self._last_id = 0
        self.round_trips: Counter[str] = Counter()

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of a call of `method`, which may be `None`; raises as `read` does."""
        return self.read(method, params, lambda result: result)

    def read(self, method: str, params: Sequence[Any], parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of the `result` of a call of `method`.

        Reads are asked again after failures that may pass; a read that timed out is asked again once.

        Raises:
            RpcUnreachable, RpcTimeout: no answer; one that changes state may have been carried out all the same.
            RpcMalformed: the answer is not the JSON-RPC answer to this request, or `parse` finds that it is none.
            RpcRejected: the node answered with an error, see its facts `code`, `message` and `data`.
        """
        pauses = self._pauses if method in REPEATABLE else ()
        for attempt, pause in enumerate(pauses):
            try:
                return self.once(method, params, parse)
            except RpcError as error:
                if not may_pass(error) or (isinstance(error, RpcTimeout) and attempt):
                    raise
                self._sleep(pause)
        return self.once(method, params, parse)

    def once(self, method: str, params: Sequence[Any], parse: Callable[[Any], T]) -> T:
        """Do as `read` does, in one attempt."""
        if self._observer is None:
            return parse(self._ask(method, params))
        self._observer.begin()
        began, failure = self._clock(), None
        try:
            return parse(self._ask(method, params))
        except RpcError as error:
            failure = error
            raise
        finally:
            self._observer.end(self._clock() - began, failure)

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


class Once:
    """Requests over an `Rpc` that repeats none of them."""

    def __init__(self, rpc: Rpc) -> None:
        self._rpc = rpc

    @property
    def round_trips(self) -> Counter[str]:
        """What was sent over the same transport, by method."""
        return self._rpc.round_trips

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of a call of `method`; raises as `read` does."""
        return self.read(method, params, lambda result: result)

    def read(self, method: str, params: Sequence[Any], parse: Callable[[Any], T]) -> T:
        """Do as `Rpc.read` does, in one attempt."""
        return self._rpc.once(method, params, parse)

    def close(self) -> None:
        """Close the transport."""
        self._rpc.close()


def may_pass(error: RpcError) -> bool:
    """Return whether the same node may answer better when it is asked again."""
    return error.kind == "transient" or isinstance(error, RpcMalformed)


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
    fact = f"the node refused {method}: {message} ({error['code']})"
    return rejection(fact, code=error["code"], message=message, data=error.get("data"))
