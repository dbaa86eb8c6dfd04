"""Requests to the best of several endpoints, and when that one fails to the next; never for more than reads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeVar

from defilev.chain.dialects import may_differ
from defilev.chain.endpoint import Endpoint
from defilev.chain.rpc import PAUSES, REPEATABLE, may_pass
from defilev.errors import RpcError, RpcTimeout

__all__ = ["Failover", "ranked"]

T = TypeVar("T")


def ranked(endpoints: Sequence[Endpoint]) -> list[Endpoint]:
    """Return the endpoints, best score first; equally good ones in the order in which they were given."""
    return sorted(endpoints, key=lambda endpoint: endpoint.score.rank())


class Failover:
    """Answers reads from whichever endpoint can; all else goes to the first that was named, once.

    Args:
        endpoints: in the order in which the user named them.
        admit: is shown an endpoint before it is asked, and raises `RpcError` for one that must not be.
    """

    def __init__(
        self,
        endpoints: Sequence[Endpoint],
        *,
        admit: Callable[[Endpoint], None],
        pauses: Sequence[float] = PAUSES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._endpoints = tuple(endpoints)
        self._admit = admit
        self._pauses = tuple(pauses)
        self._sleep = sleep

    @property
    def round_trips(self) -> Counter[str]:
        """What was sent to all endpoints, by method."""
        return sum((endpoint.rpc.round_trips for endpoint in self._endpoints), Counter())

    def request(self, method: str, params: Sequence[Any] = ()) -> Any:
        """Return the `result` of a call of `method`; raises as `read` does."""
        return self.read(method, params, lambda result: result)

    def read(self, method: str, params: Sequence[Any], parse: Callable[[Any], T]) -> T:
        """Return what `parse` makes of the answer of the best endpoint that gives one.

        Raises:
            RpcRejected: a node understood the question and refused it; no other is asked then.
            RpcError: no endpoint gave a usable answer; the facts say what each said.
        """
        if method not in REPEATABLE:
            self._admit(self._endpoints[0])
            return self._endpoints[0].rpc.read(method, params, parse)
        for attempt in range(len(self._pauses) + 1):
            failures: list[tuple[Endpoint, RpcError]] = []
            for endpoint in ranked(self._endpoints):
                try:
                    self._admit(endpoint)
                    return endpoint.rpc.once(method, params, parse)
                except RpcError as error:
                    error.facts.setdefault("node", endpoint.name)
                    if not may_differ(error):
                        raise
                    failures.append((endpoint, error))
            if attempt == len(self._pauses) or not _worth_another_round(failures, attempt):
                _raise(failures)
            self._sleep(self._pauses[attempt])
        raise AssertionError("the last round returns or raises")

    def close(self) -> None:
        """Let go of all connections."""
        for endpoint in self._endpoints:
            endpoint.rpc.close()


def _worth_another_round(failures: Sequence[tuple[Endpoint, RpcError]], attempt: int) -> bool:
    errors = [error for _, error in failures if may_pass(error)]
    return any(not isinstance(error, RpcTimeout) or attempt == 0 for error in errors)


def _raise(failures: Sequence[tuple[Endpoint, RpcError]]) -> NoReturn:
    """Raise the failure that says most: one of a node that answered, before one of a node that did not."""
    _, worst = min(failures, key=lambda failure: failure[1].kind == "transient")
    others = [f"{endpoint.name}: {error.fact}" for endpoint, error in failures if error is not worst]
    worst.facts["others"] = others
    raise worst
