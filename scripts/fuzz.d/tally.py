"""What came of the trials so far; a file of it lets a run go on where it stopped."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from tests.support.fuzzing import Outcome

__all__ = ["KINDS", "Tally"]

KINDS = ("reverted", "below_floor", "off_target", "allowances_left", "dust", "broken_promise")


@dataclass
class Tally:
    """Counts of the trials before number `following` of a seed, all made by one commit."""

    seed: int
    commit: str
    following: int = 0
    offered: int = 0
    whole: int = 0
    seconds: float = 0.0
    refused: Counter[str] = field(default_factory=Counter)
    shapes: Counter[str] = field(default_factory=Counter)
    found: Counter[str] = field(default_factory=Counter)
    findings: list[str] = field(default_factory=list)

    def add(self, number: int, outcome: Outcome) -> None:
        """Count trial `number`, the next one."""
        self.following = number + 1
        if outcome.refused is not None:
            self.refused[outcome.refused] += 1
            return
        self.offered += 1
        self.whole += outcome.whole
        self.shapes[outcome.shape] += 1
        self.found.update(finding.kind for finding in outcome.findings)
        self.findings += [f"trial {number}: {finding.kind}: {finding.what}" for finding in outcome.findings]

    def document(self) -> dict[str, Any]:
        """Return what is printed."""
        return {
            "plans": self.offered,
            **{kind: self.found[kind] for kind in KINDS},
            "refused": dict(sorted(self.refused.items())),
            "whole": self.whole,
            "shapes": dict(sorted(self.shapes.items())),
            "findings": self.findings,
        }

    def save(self, path: Path) -> None:
        """Write everything to `path`."""
        path.write_text(json.dumps(vars(self)))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Return what `save` wrote."""
        kept = json.loads(path.read_text())
        counted = {name: Counter(kept[name]) for name in ("refused", "shapes", "found")}
        return cls(**(kept | counted))
