"""What nodes may answer in place of the truth: nothing, nonsense, another's receipt, another price, other units."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, TypeAlias

from eth_abi.abi import decode, encode

from defilev.abi import keccak
from tests.chaos.arena import Arena
from tests.chaos.faultproxy import Rule

__all__ = [
    "Answered",
    "made_up_receipt",
    "nonsense",
    "of_another_block",
    "other_decimals",
    "other_price",
    "some_zeros",
    "zeros",
]

Answered: TypeAlias = Callable[[dict[str, Any], bytes], Any]
"""Makes a result of the request and the true answer."""

AGGREGATE = keccak(b"aggregate3((address,bool,bytes)[])")[:4]
RESERVE_DATA = keccak(b"getReserveData(address)")[:4]
ZEROED = (
    "scaledBalanceOf(address)", "scaledBalanceOf(address)", "balanceOf(address)", "getUserAccountData(address)",
    "getAssetPrice(address)", "getReserveNormalizedVariableDebt(address)", "latestRoundData()",
)  # fmt: skip
DECIMALS_FROM = 48
"""The bit of a reserve's configuration at which its decimals begin; they have eight."""


def zeros(request: dict[str, Any], answer: bytes) -> str:
    del request
    return "0x" + "0" * (len(json.loads(answer)["result"]) - 2)


def some_zeros(random: Random) -> Answered:
    """Return what answers one of the questions of every multicall with zeros."""
    selector = keccak(random.choice(ZEROED).encode())[:4]
    return _within_multicalls(lambda call, data: bytes(len(data)) if call[:4] == selector else data)


def other_decimals(decimals: int) -> Answered:
    """Return what says of every reserve that its asset has so many decimals."""

    def changed(call: bytes, data: bytes) -> bytes:
        if call[:4] != RESERVE_DATA or len(data) < 32:
            return data
        word = int.from_bytes(data[:32]) & ~(0xFF << DECIMALS_FROM) | decimals << DECIMALS_FROM
        return word.to_bytes(32) + data[32:]

    return _within_multicalls(changed)


def _within_multicalls(change: Callable[[bytes, bytes], bytes]) -> Answered:
    """Return what changes the results of single calls, each shown with its calldata, within multicalls."""

    def answered(request: dict[str, Any], answer: bytes) -> Any:
        said, asked = json.loads(answer).get("result"), bytes.fromhex(request["params"][0]["data"][2:])
        if asked[:4] != AGGREGATE or said is None:
            return said
        (calls,) = decode(["(address,bool,bytes)[]"], asked[4:])
        (results,) = decode(["(bool,bytes)[]"], bytes.fromhex(said[2:]))
        changed = [
            (succeeded, change(call, data)) for (_, _, call), (succeeded, data) in zip(calls, results, strict=True)
        ]
        return "0x" + encode(["(bool,bytes)[]"], [changed]).hex()

    return answered


def nonsense(random: Random) -> Answered:
    """Return what answers with things of other types and sizes."""
    things = [
        0, -1, 2**70, 1.5, True, "", "0x", "0xzz", "0x1", "12", "0x" + "f" * 65, [], {}, [[]], {"number": "0x1"}, "🦀",
        {"status": 1}, ["0x1"] * 3,
    ]  # fmt: skip
    return lambda request, answer: random.choice(things)


def of_another_block(request: dict[str, Any], answer: bytes) -> Any:
    """Return the receipt with the hash of a block that there is not."""
    receipt = json.loads(answer)["result"]
    return receipt and {**receipt, "blockHash": "0x" + "ab" * 32}


def made_up_receipt(arena: Arena) -> Answered:
    """Return what answers with a receipt of success in the newest block, whether or not it is included."""

    def made_up(request: dict[str, Any], answer: bytes) -> Any:
        if json.loads(answer)["result"] is not None:
            return json.loads(answer)["result"]
        head = arena.anvil.rpc("eth_getBlockByNumber", "latest", False)
        return {
            "transactionHash": request["params"][0], "status": "0x1", "blockNumber": head["number"],
            "blockHash": head["hash"], "gasUsed": "0x5208", "effectiveGasPrice": "0x3b9aca00", "logs": [],
            "from": arena.owner, "to": arena.owner, "transactionIndex": "0x0", "type": "0x2",
        }  # fmt: skip

    return made_up


def other_price(arena: Arena, dollars: int) -> tuple[Rule, ...]:
    """Return rules by which every call and simulation is computed with another price of WETH."""
    feed = arena.world.description["feeds"]["WETH"]["address"]
    told = {feed: {"stateDiff": {"0x" + "0" * 64: f"0x{dollars * 10**8:064x}"}}}

    def call(request: dict[str, Any], _: bytes) -> Any:
        params = [*request["params"][:2], told]
        return json.loads(arena.pool.answer({**request, "params": params})).get("result")

    def simulate(request: dict[str, Any], _: bytes) -> Any:
        asked, *more = request["params"]
        first, *rest = asked["blockStateCalls"]
        first = {**first, "stateOverrides": {**first.get("stateOverrides", {}), **told}}
        params = [{**asked, "blockStateCalls": [first, *rest]}, *more]
        return json.loads(arena.pool.answer({**request, "params": params})).get("result")

    return (
        Rule("set", "eth_call", count=None, value=call),
        Rule("set", "eth_simulateV1", count=None, value=simulate),
    )
