"""Recorded calls of real contracts, served as a chain would: as a `Fetch`, and over loopback HTTP."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eth_abi.abi import decode, encode

from defilev.abi import checksum
from defilev.model.account import LendingAccount
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Batch, Block, Call, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS

__all__ = ["COMET", "Cassette", "Change"]

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
AGGREGATE3 = "82ad56cb"
CLOCK = "0f28c97d"
GAS_PROBE = "0x" + "0" * 39 + "8"
Change = Callable[[Call, CallResult], CallResult]


@dataclass(frozen=True)
class Cassette:
    """What was recorded at one block; a call that was not recorded fails the test that asks for it."""

    document: dict[str, Any]
    calls: dict[Call, CallResult]

    @classmethod
    def load(cls, name: str) -> Cassette:
        """Return the cassette `name` of tests/golden/data."""
        document = json.loads(gzip.decompress((DATA / name).read_bytes()))
        recorded = {
            Call(checksum(to), bytes.fromhex(data[2:])): CallResult(error is None, _bytes(error or result))
            for to, data, result, error in document["calls"]
        }
        return cls(document, recorded)

    @property
    def block(self) -> Block:
        """The block that everything was recorded at."""
        return Block(**self.document["block"])

    def account(self, name: str) -> Address:
        """Return the address of a recorded account."""
        return checksum(self.document["accounts"][name])

    def entry(self, market: str) -> MarketEntry:
        """Return the entry points of a recorded Comet."""
        return MarketEntry("compound-v3", market, {"comet": checksum(self.document["markets"][market])})

    def fetch(self, batch: Batch) -> Results:
        """Answer from the recording."""
        missing = [call for call in batch if call not in self.calls]
        assert not missing, f"not recorded: {missing[0].to} 0x{missing[0].data.hex()}"
        return [self.calls[call] for call in batch]

    def read(self, market: str, names: Sequence[str], *, change: Change | None = None) -> list[LendingAccount]:
        """Read accounts as production does, each answer changed by `change` on its way."""

        def fetch(batch: Batch) -> Results:
            answers = self.fetch(batch)
            return [change(call, answer) for call, answer in zip(batch, answers, strict=True)] if change else answers

        entry = self.entry(market)
        owners = [self.account(name) for name in names]
        read = PROTOCOLS[entry.protocol].read_accounts(entry, owners, chain_id=31337, block=self.block)
        return list(drive(read, fetch).accounts)

    def node(self) -> dict[str, Callable[[list[Any]], Any]]:
        """Return the answers of a JSON-RPC node at the recorded block, for `http_node`."""
        block = self.block
        head = {
            "number": hex(block.number),
            "hash": block.hash,
            "timestamp": hex(block.timestamp),
            "baseFeePerGas": hex(block.base_fee or 0),
        }
        genesis = head | {"number": "0x0", "hash": "0x" + "0" * 64, "timestamp": "0x0"}
        return {
            "eth_chainId": lambda _: hex(self.document["chain_id"]),
            "eth_blockNumber": lambda _: hex(block.number),
            "eth_getBlockByNumber": lambda asked: genesis if asked[0] == "0x0" else head,
            "eth_getBlockByHash": lambda _: head,
            "web3_clientVersion": lambda _: "anvil/recorded",
            "eth_getCode": lambda asked: "0x00" if asked[0].lower() in self._deployed() else "0x",
            "eth_getBalance": lambda _: hex(10**19),
            "eth_getTransactionCount": lambda _: "0x1",
            "eth_call": lambda asked: self._aggregated(bytes.fromhex(asked[0]["data"][2:])),
        }

    def address_book(self) -> str:
        """Return the text of an address book with the recorded markets."""
        head = ["[chain]", "id = 31337", 'name = "recorded"', f'multicall3 = "{self.document["multicall3"]}"']
        markets = [f'[compound-v3.{name}]\ncomet = "{comet}"' for name, comet in self.document["markets"].items()]
        return "\n".join([*head, *markets]) + "\n"

    def _deployed(self) -> set[str]:
        named = {**self.document.get("markets", {}), **self.document.get("contracts", {})}
        return {self.document["multicall3"].lower(), *(address.lower() for address in named.values())}

    def _aggregated(self, data: bytes) -> str:
        """Compose a multicall from the single calls, with the clock of the block and the gas that there always is."""
        assert data[:4].hex() == AGGREGATE3
        (asked,) = decode(["(address,bool,bytes)[]"], data[4:])
        answers = [self._one(to, call) for to, _, call in asked]
        return "0x" + encode(["(bool,bytes)[]"], [answers]).hex()

    def _one(self, to: str, data: bytes) -> tuple[bool, bytes]:
        if data.hex() == CLOCK:
            return True, self.block.timestamp.to_bytes(32, "big")
        if to == GAS_PROBE:
            return True, b"\1"
        return tuple(self.fetch([Call(checksum(to), data)])[0])  # type: ignore[return-value] # two fields


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))


COMET = Cassette.load("comet_calls.json.gz")
