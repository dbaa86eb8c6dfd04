"""Recorded calls of GMX v2's real contracts: positions at the recorded prices, and at those of the on-chain feeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from defilev.abi import checksum, interface
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.request import Batch, Call, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.tickers import Tickers, parse_tickers
from tests.support.cassette import Cassette, Change

__all__ = [
    "ENTRY",
    "EXPECTED",
    "GMX",
    "MARKET",
    "answer",
    "gmx_book",
    "read_gmx",
    "recorded_tickers",
    "ticker_document",
]

_NONE = interface("gmx_reader")["getPosition"].selector


class _Recorded(Cassette):
    """The recording; the Reader says the same of every key that nobody has, one of which was recorded."""

    def fetch(self, batch: Batch) -> Results:
        recorded = next(call for call in self.calls if call.data[:4] == _NONE)
        asked = [recorded if call.data[:4] == _NONE and call.data.endswith(bytes(32)) else call for call in batch]
        return super().fetch(asked)


GMX = _Recorded.load("gmx_calls.json.gz")
EXPECTED: dict[str, Any] = GMX.document["expected"]
ENTRY = MarketEntry("gmx-v2", "main", {name: checksum(to) for name, to in GMX.document["contracts"].items()})
MARKET = checksum("0x6a55c7c087f9f4f4308406affb6b1df34ccc0881")
"""The market WETH/USD [WETH-USDC]."""


def gmx_book() -> str:
    """Return the text of an address book with the recorded deployment."""
    points = [f'{name} = "{address}"' for name, address in ENTRY.entry_points.items()]
    head = ["[chain]", "id = 31337", 'name = "recorded"', f'multicall3 = "{GMX.document["multicall3"]}"']
    return "\n".join([*head, "[gmx-v2.main]", *points]) + "\n"


def answer(batch: Batch) -> Results:
    """Answer from the recording."""
    return GMX.fetch(batch)


def read_gmx(
    names: Sequence[str], *, tickers: Tickers | None = None, change: Change | None = None
) -> list[PerpAccount]:
    """Read the positions of recorded users as production does, each answer changed by `change` on its way."""

    def fetch(batch: Batch) -> Results:
        pairs = zip(batch, answer(batch), strict=True)
        return [_changed(change, call, result) for call, result in pairs]

    owners = [GMX.account(name) for name in names]
    read = replace(GMX_V2, tickers=tickers).read_accounts(ENTRY, owners, chain_id=31337, block=GMX.block)
    return list(drive(read, fetch).accounts)


def _changed(change: Change | None, call: Call, result: CallResult) -> CallResult:
    return change(call, result) if change else result


def ticker_document(**changes: Any) -> dict[str, Any]:
    """Return a ticker file with the prices that the positions were recorded at, its parts replaced by `changes`."""
    tickers = [
        {
            "tokenAddress": token,
            "minPrice": price["min"],
            "maxPrice": price["max"],
            "updatedAt": GMX.block.timestamp * 1000,
        }
        for token, price in GMX.document["prices"].items()
    ]
    return {"tickers": tickers, "markets": [], **changes}


def recorded_tickers() -> Tickers:
    """Return the ticker of `ticker_document`, parsed."""
    return parse_tickers(ticker_document(), at=GMX.block.timestamp)
