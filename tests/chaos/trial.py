"""One trial: faults are laid, a process acts, is killed, and is started again until it has nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.arena import BLOCK_SECONDS, Arena, Truth
from tests.chaos.faultproxy import Rule
from tests.chaos.zygote import Started

__all__ = ["DEADLINE", "Meanwhile", "Result", "Spec", "run_trial"]

DEADLINE = 20.0
"""Seconds until an account that still needs protection counts as missed."""

PAUSE = 0.02
"""Seconds until a process that has ended is started again."""

SETTLING = 3
"""Blocks that nothing happens in before a trial is over."""

Meanwhile = Callable[[Arena, "Attempted"], None]


@dataclass(frozen=True)
class Spec:
    """What is done to whom.

    `kill_at` and `kill_pass` name the boundary at which the first process ends itself, `kill_after` the seconds after
    which it is killed from outside. `rules` go to the first endpoint. `meanwhile` is called again and again while
    processes run. `job` changes what every process is told.
    """

    role: str = "defilev"
    kill_at: str | None = None
    kill_pass: int = 1
    kill_after: float | None = None
    rules: Sequence[Rule] = ()
    in_steps: bool = False
    block_seconds: float = BLOCK_SECONDS
    deadline: float = DEADLINE
    meanwhile: Meanwhile | None = None
    job: dict[str, Any] = field(default_factory=dict)


@dataclass
class Attempted:
    """The processes that were started so far, oldest first."""

    processes: list[Started] = field(default_factory=list)

    @property
    def codes(self) -> list[int | None]:
        """How each ended, `None` for one that runs."""
        return [process.code for process in self.processes]


@dataclass(frozen=True)
class Result:
    """What came of it; `hits` is how many calls failed on purpose, `codes` how each process ended."""

    truth: Truth
    codes: list[int | None]
    killed: bool
    hits: int
    seconds: float
    log: str

    @property
    def is_duplicate(self) -> bool:
        """Whether something was done twice."""
        return self.truth.is_duplicate

    @property
    def is_missed(self) -> bool:
        """Whether the account was not protected, or nobody knows that it is."""
        return self.truth.is_missed or self.codes[-1] != 0


def run_trial(arena: Arena, spec: Spec) -> Result:
    """Put the arena back, do what the spec says, and return what came of it."""
    began = time.monotonic()
    arena.begin(in_steps=spec.in_steps)
    rules = [replace(rule, hits=0) for rule in spec.rules]
    arena.first.inject(*rules)
    attempted = Attempted()
    with arena.mining(spec.block_seconds):
        for process in _processes(arena, spec, attempted):
            _run(arena, spec, attempted, process)
    arena.first.inject()
    return Result(
        truth=arena.truth(),
        codes=attempted.codes,
        killed=-9 in attempted.codes,
        hits=sum(rule.hits for rule in rules),
        seconds=time.monotonic() - began,
        log=arena.job().log,
    )


def _processes(arena: Arena, spec: Spec, attempted: Attempted) -> Iterator[Started]:
    """Start processes one after another, until one has nothing left to do or time is up."""
    ends = time.monotonic() + spec.deadline
    usual = arena.job(role=spec.role, **spec.job)
    job = replace(usual, kill_at=spec.kill_at, kill_pass=spec.kill_pass)
    while True:
        attempted.processes.append(arena.zygote.start(replace(job, budget=max(ends - time.monotonic(), 1))))
        yield attempted.processes[-1]
        if attempted.codes[-1] == 0 or time.monotonic() > ends:
            return
        time.sleep(PAUSE)
        job = usual


def _run(arena: Arena, spec: Spec, attempted: Attempted, process: Started) -> None:
    """Wait for a process to end; kill it when that is its part."""
    is_first = len(attempted.processes) == 1
    if is_first and spec.kill_after is not None:
        process.wait(spec.kill_after)
        process.kill()
    while process.wait(PAUSE if spec.meanwhile else DEADLINE) is None:
        if spec.meanwhile:
            spec.meanwhile(arena, attempted)
