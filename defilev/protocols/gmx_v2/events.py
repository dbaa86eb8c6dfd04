"""What becomes of an order, from the EventEmitter's logs; pure.

Each event is an `EventLog2`: the hash of its name, the order's key and the account are topics after the first, and its
items are in the data. Source: gmx-synthetics, `OrderEventUtils`, `EventEmitter`, `EventUtils`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from defilev.abi import decode, interface, keccak
from defilev.abi.revert import revert_reason
from defilev.model.request import Address, LogFilter

__all__ = ["Fate", "Outcome", "created_orders", "outcome_filter", "outcome_of"]

Fate: TypeAlias = Literal["submitted", "executed", "cancelled", "frozen"]

_ENDINGS: dict[str, Fate] = {"OrderExecuted": "executed", "OrderCancelled": "cancelled", "OrderFrozen": "frozen"}
_NAME, _KEY, _ACCOUNT, _TOPICS = 1, 2, 3, 4


def _items(kind: str) -> str:
    return f"((string,{kind})[],(string,{kind}[])[])"


_DATA = ("address", "uint256", "int256", "bool", "bytes32", "bytes", "string")
_TYPES = ["address", "string", f"({','.join(_items(kind) for kind in _DATA)})"]
_BYTES_PLACE, _STRING_PLACE = 5, 6


@dataclass(frozen=True, slots=True)
class Outcome:
    """What has become of an order; `reason` is the contracts' own, empty where there is none."""

    key: str
    fate: Fate
    reason: str = ""


def created_orders(logs: Iterable[tuple[Address, Sequence[str]]], *, emitter: Address, owner: Address) -> list[str]:
    """Return the keys of the orders of `owner` that a transaction created, from its logs as (contract, topics)."""
    wanted, whose = _hash("OrderCreated"), _word(owner)
    return [
        topics[_KEY]
        for address, topics in logs
        if (address, len(topics)) == (emitter, _TOPICS) and (topics[_NAME], topics[_ACCOUNT]) == (wanted, whose)
    ]


def outcome_filter(emitter: Address, key: str) -> LogFilter:
    """Return which logs tell how the order `key` ended."""
    return LogFilter(emitter, (None, tuple(_hash(name) for name in _ENDINGS), (key,)))


def outcome_of(key: str, logs: Sequence[tuple[Sequence[str], bytes]]) -> Outcome:
    """Return how the order `key` ended by logs of `outcome_filter`, as (topics, data); submitted without any.

    Raises:
        ValueError: a log is about another order.
    """
    found = Outcome(key, "submitted")
    names = {_hash(name): fate for name, fate in _ENDINGS.items()}
    for topics, data in logs:
        if len(topics) != _TOPICS or topics[_KEY] != key or topics[_NAME] not in names:
            raise ValueError(f"a log that is not about order {key}")
        fate = names[topics[_NAME]]
        found = Outcome(key, fate, "" if fate == "executed" else _reason(data))
    return found


def _reason(data: bytes) -> str:
    """Return why, by the error's name where it is known, else by the text beside it."""
    try:
        _, _, items = decode(_TYPES, data)
    except ValueError:
        return "a reason that cannot be read"
    said = dict(_named(items, _STRING_PLACE)).get("reason", "")
    raw = dict(_named(items, _BYTES_PLACE)).get("reasonBytes", b"")
    return str(said) or (revert_reason(raw, [interface("gmx_exchange_router")]) if raw else "")


def _named(items: Sequence[Any], place: int) -> Sequence[Any]:
    found: Sequence[Any] = items[place][0]
    return found


def _hash(name: str) -> str:
    return "0x" + keccak(name.encode()).hex()


def _word(address: Address) -> str:
    return "0x" + "0" * 24 + address[2:].lower()
