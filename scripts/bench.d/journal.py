"""Measures how long the journal takes: to open, and to commit what stands between a decision and its transaction."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from defilev.journal import Journal, Reservation, RunStart, SignedAttempt, open_journal, place_of
from defilev.model.request import Address

COMMITS = 300
ACCOUNT = Address("0x" + "00" * 19 + "01")


def measure() -> dict[str, Any]:
    """Return the journal's figures, on a SQLite file in the folder for temporary files."""
    with tempfile.TemporaryDirectory(prefix="defilev-bench-") as folder:
        place = place_of(Path(folder) / "journal.db")
        with open_journal(place) as journal:
            taken = commits(journal)
        opened = timed(lambda: open_journal(place).close())
    return {
        "journal_commit_p50": milliseconds(taken[len(taken) // 2]),
        "journal_commit_p99": milliseconds(taken[len(taken) * 99 // 100]),
        "journal_open_and_verify": milliseconds(opened),
        "journal_events_verified": {"figure": COMMITS * 3, "unit": "events, about"},
    }


def commits(journal: Journal) -> list[float]:
    """Return the seconds of every reserve, sign and hand-over, sorted."""
    run = journal.begin(RunStart("rebalance", "broadcast", "bench", 1, ACCOUNT, "aave-v3", "main", "0", "0"))
    taken = []
    for nonce in range(COMMITS // 3):
        raw = "0x02" + f"{nonce:0512x}"
        signed = SignedAttempt(_hash(raw), raw, 10**9, 10**9, 200_000, ACCOUNT)
        reservation = Reservation(
            run=run,
            step=1,
            chain=f"bench-{nonce}",
            chain_id=1,
            account=ACCOUNT,
            position="position",
            kind="rebalance",
            nonce=nonce,
            fields={"nonce": str(nonce)},
            cap_wei=10**18,
            observed=(1, "0x"),
        )
        taken.append(timed(lambda reservation=reservation: journal.reserve(reservation)))  # type: ignore[misc]
        intent = journal.reserved(chain=f"bench-{nonce}")[0].intent
        taken.append(timed(lambda intent=intent, signed=signed: journal.sign(intent, signed)))  # type: ignore[misc]
        taken.append(timed(lambda signed=signed: journal.handed_over(signed.hash, "OK")))  # type: ignore[misc]
    return sorted(taken)


def timed(act: Callable[[], object]) -> float:
    """Return the seconds that `act` took."""
    started = time.perf_counter()
    act()
    return time.perf_counter() - started


def milliseconds(seconds: float) -> dict[str, Any]:
    """Return a figure in milliseconds."""
    return {"figure": round(seconds * 1000, 2), "unit": "ms"}


def _hash(raw: str) -> str:
    from defilev.abi import keccak

    return "0x" + keccak(bytes.fromhex(raw[2:])).hex()


if __name__ == "__main__":
    import json

    print(json.dumps(measure(), indent=1))
