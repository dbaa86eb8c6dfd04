"""What a row of the fault matrix is: a fault, what must come of it, a trial of it, and the defences that it needs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.chaos.arena import Arena

__all__ = ["Mutant", "Row", "Seen", "Stage", "Trial", "check", "row_of"]


@dataclass(frozen=True)
class Seen:
    """What one trial came to: what was wrong in words, nothing when all was as it must be; and figures by name."""

    wrong: tuple[str, ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """Where a trial takes place: an arena, an empty folder of the trial's own, and which trial of its row it is."""

    arena: Arena
    folder: Path
    number: int = 0


Trial = Callable[[Stage, Random], Seen]


@dataclass(frozen=True)
class Mutant:
    """A defence taken away: `old`, which is in `file` exactly once, becomes `new`; `also` where it stands twice."""

    file: str
    old: str
    new: str
    also: tuple[Mutant, ...] = ()


@dataclass(frozen=True)
class Row:
    """One row.

    `fault` and `injected` say what goes wrong and how it is made to, `required` what must come of it. A trial is wrong
    when it does not; without the defence that any of `mutants` takes away, some trial must be. `trials` is how many a
    full run makes, `quick` how many the tests do.
    """

    name: str
    fault: str
    injected: str
    required: str
    trial: Trial
    mutants: tuple[Mutant, ...] = ()
    trials: int = 100
    quick: int = 3


def row_of(name: str, texts: tuple[str, str, str], trial: Trial, *mutants: Mutant, quick: int = 2) -> Row:
    """Return a row; `texts` are the fault, how it is made, and what must come of it."""
    return Row(name, *texts, trial, mutants, quick=quick)


def check(**claims: bool) -> tuple[str, ...]:
    """Return the claims that do not hold, in words."""
    return tuple(name.replace("_", " ") for name, holds in claims.items() if not holds)
