"""What a process of a trial is told to do, as JSON on its way there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

__all__ = ["UNEXPECTED", "Job"]

UNEXPECTED = 70
"""The exit code of a process that ended with an error that nothing has a name for."""


@dataclass(frozen=True)
class Job:
    """One start of one process.

    `role` is defilev's own pipeline, the naive loop, a mere writer of journals, or the command `defilev` with `words`.
    `kill_at` names the boundary at which the process ends itself without warning, at the `kill_pass`-th time that it is
    passed. `places` are addresses of `pool` and `token`. Health factors are decimal texts; `budget` is how many seconds
    the process may take. `largest_file` is how many bytes the system lets a file have, `None` for plenty.
    `sending` changes the schedule of sending.
    """

    role: Literal["defilev", "naive", "writer", "command"]
    rpc_urls: tuple[str, ...]
    address_book: str
    owner: str
    places: Mapping[str, str]
    trigger: str
    target: str
    journal: str = ""
    signer: str = ""
    keystore: str = ""
    log: str = "/dev/null"
    kill_at: str | None = None
    kill_pass: int = 1
    timeout: float = 1.0
    budget: float = 20.0
    largest_file: int | None = None
    words: tuple[str, ...] = ()
    sending: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return one line."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, line: str) -> Job:
        """Return what `to_json` wrote."""
        fields: dict[str, Any] = json.loads(line)
        return cls(**(fields | {name: tuple(fields[name]) for name in ("rpc_urls", "words")}))
