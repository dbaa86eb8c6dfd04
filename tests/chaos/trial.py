"""One trial: faults are laid, a process acts, is killed, and is started again until it has nothing left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.chain import BLOCK_SECONDS, Truth
from tests.chaos.faultproxy import Rule
from tests.chaos.job import UNEXPECTED
from tests.chaos.zygote import Started

__all__ = ["DEADLINE", "KILLED", "Meanwhile", "Result", "Spec", "run_trial", "supervise"]

DEADLINE = 20.0
"""Seconds until an account that still needs protection counts as missed."""

PAUSE = 0.02
"""Seconds until a process that has ended is started again."""

KILLED = -9

Codes = list[int | None]
Meanwhile = Callable[[Arena, Codes], None]
"""Called again and again while processes run, with how those before ended."""


@dataclass(frozen=True)
class Spec:
    """What is done to whom.

    `first` changes what the first process is told (at which boundary it ends itself, say), `job` what every process is;
    `kill_after` are the seconds after which the first is killed from outside. `rules` go to the first endpoint.
    `in_steps` means that collateral must be sold. `prepare` is called before the first process starts.
    """

    role: str = "defilev"
    first: Mapping[str, Any] = field(default_factory=dict)
    job: Mapping[str, Any] = field(default_factory=dict)
    kill_after: float | None = None
    rules: Sequence[Rule] = ()
    in_steps: bool = False
    block_seconds: float = BLOCK_SECONDS
    deadline: float = DEADLINE
    meanwhile: Meanwhile | None = None
    prepare: Callable[[Arena], None] | None = None


@dataclass(frozen=True)
class Result:
    """What came of it; `codes` is how each process ended, `hits` how many calls failed on purpose."""

    truth: Truth
    codes: Codes
    hits: int
    seconds: float
    log: str

    @property
    def was_killed(self) -> bool:
        """Whether a process was ended without warning."""
        return KILLED in self.codes

    @property
    def is_unexplained(self) -> bool:
        """Whether a process ended with an error that is none of the product's."""
        return UNEXPECTED in self.codes

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
    rules = list(spec.rules)
    arena.first.inject(*rules)
    if spec.prepare is not None:
        spec.prepare(arena)
    with arena.mining(spec.block_seconds):
        codes = supervise(arena, spec)
    arena.trust()
    hits = sum(rule.hits for rule in rules)
    return Result(arena.truth(), codes, hits, time.monotonic() - began, arena.job().log)


def supervise(arena: Arena, spec: Spec) -> Codes:
    """Start processes one after another until one has nothing left to do, or time is up; return how each ended."""
    ends = time.monotonic() + spec.deadline
    usual = arena.job(role=spec.role, **spec.job)
    codes: Codes = []
    while True:
        changes = {} if codes else dict(spec.first)
        job = replace(usual, budget=max(ends - time.monotonic(), 1), **changes)
        codes.append(_ended(arena, spec, arena.zygote.start(job), codes))
        if codes[-1] == 0 or time.monotonic() > ends:
            return codes
        time.sleep(PAUSE)


def _ended(arena: Arena, spec: Spec, process: Started, codes: Codes) -> int | None:
    """Wait for a process to end, and return how it did; kill the first one when that is its part."""
    if not codes and spec.kill_after is not None:
        process.wait(spec.kill_after)
        process.kill()
    while process.wait(PAUSE if spec.meanwhile else spec.deadline) is None:
        if spec.meanwhile:
            spec.meanwhile(arena, codes)
    return process.code
