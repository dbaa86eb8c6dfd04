"""Takes a defence away in a copy of the package, and sees whether its row notices."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.chaos.rows import Mutant, Row
from tests.support.world import ROOT

__all__ = ["Noticed", "mutated", "notices"]

COPIED = ("abis", "defilev", "defilev_signer", "scripts", "tests", "pyproject.toml")
LINKED = (".world", ".venv")
PATIENCE = 600


@dataclass(frozen=True)
class Noticed:
    """Whether a row failed without its defence, after how many trials, and what the failing one said."""

    row: str
    mutant: Mutant
    trials: int
    said: tuple[str, ...]

    @property
    def is_noticed(self) -> bool:
        """Whether a trial saw it; one that merely broke saw nothing."""
        return bool(self.said) and not any(text.startswith("the trial broke") for text in self.said)


@contextmanager
def mutated(mutant: Mutant, folder: Path) -> Iterator[Path]:
    """Copy the repository's code into `folder`, without the defence; removed afterwards.

    Raises:
        AssertionError: the mutant's text is not in its file exactly once.
    """
    copy = folder / "copy"
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy2(source, copy / name)
    for name in LINKED:
        (copy / name).symlink_to(ROOT / name)
    for each in (mutant, *mutant.also):
        file = copy / each.file
        text = file.read_text(encoding="utf-8")
        assert text.count(each.old) == 1, f"{each.old!r} is {text.count(each.old)} times in {each.file}"
        file.write_text(text.replace(each.old, each.new), encoding="utf-8")
    try:
        yield copy
    finally:
        shutil.rmtree(copy)


def notices(row: Row, mutant: Mutant, *, world: Path, folder: Path, each: int, seed: int) -> Noticed:
    """Run up to `each` trials of a row against the mutant, on the chain in `world`; stop at the first that fails."""
    words = ["--counts", f"{row.name}={each}", "--seed", str(seed), "--world", str(world), "--until-wrong"]
    with mutated(mutant, folder) as copy:
        done = subprocess.run(
            [sys.executable, "-m", "tests.chaos.running", *words], cwd=copy, capture_output=True, text=True,
            check=False, timeout=PATIENCE, env={**os.environ, "PYTHONPATH": str(copy)},
        )  # fmt: skip
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert trials, done.stderr
    return Noticed(row.name, mutant, len(trials), tuple(trials[-1]["wrong"]))
