"""What the guard remembers of an account from one tick to the next; kept in the journal as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

from defilev.guard.reading import Spending
from defilev.model.codec import canonical_json, from_document, parse_json, to_document
from defilev.model.guard import Look

__all__ = ["Memory", "after_action", "looks_from", "memory_from", "memory_text", "scope_of"]

_DRY_RUN = " dry-run"


@dataclass(frozen=True, slots=True)
class Memory:
    """What one account's last ticks left.

    `is_armed` says whether the account may set off an action; `acted_at` is the chain's time of the last one. `fired`
    are the triggers that fired at the last tick and `verdict` what was decided, so that people are told of changes.
    `peaks` are the highest prices that trailing stops have seen, by symbol. `parameters` are those last seen, empty
    before the first tick. `seen_block` and `seen_at` are the newest block that was decided on and its time, `prices`
    those of it by symbol, `fall` the pace at which health fell then, see `pace`. `owed` says whether anything was.
    `standing` are kinds of alerts that were told and still hold, `notices` the names of those that come with the
    account. `spent` is what the last 24 hours had seen then, and `next_check` when the account was to be looked at
    again by the chain's clock, `None` before the first tick. `goes_on` says that the last action was a slice: the next
    follows until the goal, whether a trigger fires or not.
    """

    is_armed: bool = True
    acted_at: int | None = None
    fired: tuple[str, ...] = ()
    verdict: str = "nothing"
    peaks: Mapping[str, Decimal] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    seen_block: int = 0
    seen_at: int = 0
    owed: bool = False
    standing: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    spent: Spending = field(default_factory=Spending)
    next_check: int | None = None
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    fall: Decimal = Decimal(0)
    goes_on: bool = False


def after_action(memory: Memory, *, at: int, is_whole: bool, goes_on: bool = False) -> Memory:
    """Return the memory after an action at the chain's time `at`: cooling down, and disarmed when it reached its goal.

    One that `goes_on` is a slice: the next follows without a trigger.
    """
    return replace(memory, is_armed=not is_whole, acted_at=at, goes_on=goes_on)


def memory_text(memory: Memory) -> str:
    """Return the memory as it is kept."""
    return canonical_json(to_document(memory))


def memory_from(text: str | None) -> Memory:
    """Return what `text` says, nothing remembered for `None`; raises `UsageError` for anything else."""
    return Memory() if text is None else from_document(Memory, parse_json(text))


def looks_from(rows: Iterable[Mapping[str, Any]]) -> dict[str, Look]:
    """Return by account the newest look of those that the journal's `memories_of` gives."""
    return {row["name"]: _look(row, memory_from(row["document"])) for row in rows}


def scope_of(chain: str, *, is_broadcasting: bool) -> str:
    """Return under which name leases and memory of a guard are kept: a dry run stands in nobody's way."""
    return chain if is_broadcasting else chain + _DRY_RUN


def _look(row: Mapping[str, Any], memory: Memory) -> Look:
    return Look(
        account=row["name"],
        is_broadcasting=not row["chain"].endswith(_DRY_RUN),
        block=memory.seen_block,
        at=memory.seen_at,
        next_check=memory.next_check,
        runs=memory.spent.runs,
        value=memory.spent.value,
        gas=memory.spent.gas,
        written_at=row["updated_at"],
    )
