"""What caps the prices of staked and stable assets, as their sources say it."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.abi import encode, keccak
from defilev.model.request import Address, Call, CallResult
from defilev.observe.drive import drive
from defilev.protocols.rate_caps import read_caps

RATE = Address("0x" + "11" * 20)
STABLE = Address("0x" + "22" * 20)
PLAIN = Address("0x" + "33" * 20)
SAID: dict[Address, dict[str, int]] = {
    RATE: {
        "getSnapshotRatio()": 1_151_642_949_000_000_000,
        "getSnapshotTimestamp()": 1_708_004_591,
        "getMaxYearlyGrowthRatePercent()": 968,
        "isCapped()": 0,
    },
    STABLE: {"getPriceCap()": 104_000_000, "isCapped()": 1},
    PLAIN: {},
}


def answers(batch: Sequence[Call]) -> list[CallResult]:
    """Answer what a source knows; it reverts for the rest."""
    return [_answer(call) for call in batch]


def _answer(call: Call) -> CallResult:
    names = {keccak(name.encode())[:4]: value for name, value in SAID[call.to].items()}
    said = names.get(call.data[:4])
    return CallResult(False, b"") if said is None else CallResult(True, encode(["uint256"], [said]))


def test_a_source_says_what_caps_its_price() -> None:
    """A staked asset's rate with its growth, a stable asset's price; a plain feed has no cap to name."""
    expected = {
        "wstETH rate cap": "1151642949000000000 at 1708004591, growing 968 bps a year",
        "wstETH price capped": "no",
        "USDC price cap": "104000000",
        "USDC price capped": "yes",
    }

    assert expected == drive(read_caps({"wstETH": RATE, "USDC": STABLE, "WETH": PLAIN}), answers)
