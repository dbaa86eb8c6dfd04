"""`defilev order --follow`: what became of an order, by logs as the EventEmitter writes them, over a recorded node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from defilev.abi import encode, interface, keccak
from defilev.cli.app import main
from tests.support.cli import Printed, assert_refused
from tests.support.gmx import ENTRY, GMX, gmx_book
from tests.support.http_node import http_node
from tests.support.schemas import schema_problems

HASH, KEY, OTHER = "0x" + "ab" * 32, "0x" + "cd" * 32, "0x" + "ee" * 32
OWNER = GMX.account("user5")
EMITTER = ENTRY.entry_points["event_emitter"]
KINDS = ("address", "uint256", "int256", "bool", "bytes32", "bytes", "string")
TYPES = ["address", "string", "(" + ",".join(f"((string,{kind})[],(string,{kind}[])[])" for kind in KINDS) + ")"]
PRICE_MISSED = interface("gmx_exchange_router").errors


def event(name: str, *, key: str = KEY, reason: str = "", reason_bytes: bytes = b"") -> dict[str, Any]:
    """Return a log as the EventEmitter writes it: name, key and account as topics, items in the data."""
    items: list[tuple[list[Any], list[Any]]] = [([], []) for _ in KINDS]
    items[5] = ([("reasonBytes", reason_bytes)], [])
    items[6] = ([("reason", reason)], [])
    data = encode(TYPES, [EMITTER, name, tuple(items)])
    account = "0x" + OWNER[2:].lower().rjust(64, "0")
    topics = ["0x" + "11" * 32, "0x" + keccak(name.encode()).hex(), key, account]
    place = {"blockNumber": "0x1af", "blockHash": GMX.block.hash, "transactionHash": HASH, "logIndex": "0x0"}
    return {"address": EMITTER, "topics": topics, "data": "0x" + data.hex(), "removed": False, **place}


def receipt(*logs: dict[str, Any], status: str = "0x1") -> dict[str, Any]:
    return {
        "transactionHash": HASH,
        "status": status,
        "blockNumber": "0x1af",
        "blockHash": GMX.block.hash,
        "gasUsed": "0x5208",
        "effectiveGasPrice": "0x1",
        "logs": list(logs),
    }


def error_bytes(name: str, *arguments: int) -> bytes:
    error = next(each for each in PRICE_MISSED.values() if each.name == name)
    return error.selector + encode([kind for _, kind in error.inputs], list(arguments))


@contextmanager
def node(found: Any, *logs: dict[str, Any]) -> Iterator[str]:
    answers: dict[str, Callable[[list[Any]], Any]] = {
        "eth_getTransactionReceipt": lambda _: found,
        "eth_getLogs": lambda _: list(logs),
    }
    with http_node(GMX.node() | answers) as url:
        yield url


@pytest.fixture
def follow(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Printed]:
    """Return what follows the order of a transaction that a node knows as told."""
    book = tmp_path / "recorded.toml"
    book.write_text(gmx_book())

    def follow(found: Any, *logs: dict[str, Any], flags: tuple[str, ...] = ()) -> Printed:
        with node(found, *logs) as url:
            words = ["order", OWNER, "--follow", HASH, "--rpc-url", url, "--address-book", str(book), *flags]
            code = main(words)
        captured = capsys.readouterr()
        return Printed(code, captured.out, captured.err)

    return follow


CREATED = receipt(event("OrderCreated"))


def test_an_executed_order_is_told_with_the_positions(follow: Callable[..., Printed]) -> None:
    """Executed is success: the key, its state, and the positions as they are now; the document keeps its schema."""
    printed = follow(CREATED, event("OrderExecuted"))
    document = follow(CREATED, event("OrderExecuted"), flags=("--json",)).document

    assert (0, True) == (printed.code, f"order {KEY[:10]}  executed" in printed.out)
    assert "now 0x50972eca" in printed.out
    assert [] == schema_problems(document)
    assert [{"key": KEY, "state": "executed", "reason": None}] == document["orders"]


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("OrderNotFulfillableAtAcceptablePrice", (7, 8), "OrderNotFulfillableAtAcceptablePrice(7, 8)"),
        ("EmptyPosition", (), "EmptyPosition()"),
        ("InvalidDecreaseOrderSize", (2, 1), "InvalidDecreaseOrderSize(2, 1)"),
    ],
)
def test_a_cancelled_order_says_why(
    follow: Callable[..., Printed], name: str, arguments: tuple[int, ...], said: str
) -> None:
    """A price that was missed, a position that was closed meanwhile, a size that is gone: the contracts' own reason."""
    printed = follow(CREATED, event("OrderCancelled", reason_bytes=error_bytes(name, *arguments)))

    assert_refused(printed, code=6, said=f"order {KEY[:10]} was cancelled: {said}")


def test_a_frozen_order_has_its_text(follow: Callable[..., Printed]) -> None:
    """A reason in words is told as it is."""
    assert_refused(follow(CREATED, event("OrderFrozen", reason="too much")), code=6, said="was frozen: too much")


def test_an_order_that_waits_is_not_confirmed(follow: Callable[..., Printed]) -> None:
    """Created and no more: nobody says that it is done."""
    assert_refused(follow(CREATED), code=9, said="waits for its keeper")


@pytest.mark.parametrize(
    ("found", "code", "said"),
    [
        (None, 9, "is not included yet"),
        (receipt(), 6, "created no order of this owner"),
        (receipt(event("OrderExecuted")), 6, "created no order of this owner"),
        (receipt(status="0x0"), 6, "reverted: no order was created"),
    ],
    ids=["unknown", "no order", "another event", "reverted"],
)
def test_a_transaction_without_an_order_is_named(
    follow: Callable[..., Printed], found: Any, code: int, said: str
) -> None:
    """Not included, of somebody else, or reverted: no order is made up."""
    assert_refused(follow(found), code=code, said=said)


def test_logs_of_another_order_are_not_believed(follow: Callable[..., Printed]) -> None:
    """A node that answers with another order's end contradicts itself."""
    assert_refused(follow(CREATED, event("OrderExecuted", key=OTHER)), code=4, said="a log that is not about order")


def test_what_is_no_hash_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """A hash has 64 digits."""
    code = main(["order", OWNER, "--follow", "0x12", "--rpc-url", "http://127.0.0.1:1"])
    captured = capsys.readouterr()

    assert_refused(Printed(code, captured.out, captured.err), code=2, said="is no hash of a transaction")
