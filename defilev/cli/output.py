"""What a run prints: the result to stdout; notes, warnings and progress to stderr. Knows nothing of what it prints."""

from __future__ import annotations

import json as jsonlib
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal, TextIO

if TYPE_CHECKING:
    from defilev.report.ink import Ink

__all__ = ["Color", "Output"]

Color = Literal["auto", "always", "never"]
_CLEAR_LINE = "\r\x1b[2K"
_PLAIN_WIDTH = 80
_UNBROKEN = "\u00a0"


class Output:
    """The two streams of one run.

    Args:
        json: the result is one JSON document; there is no `next:` line.
        quiet: notes, progress and the `next:` line are left out; warnings and errors never are.
        verbose: details are printed too.
        color: `auto` colours a terminal unless NO_COLOR is set.
    """

    def __init__(
        self, *, json: bool = False, quiet: bool = False, verbose: bool = False, color: Color = "auto"
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose = verbose
        self.color = color
        self.has_document = False
        self._stages: list[tuple[str, float]] = []

    @property
    def width(self) -> int:
        """Columns to print results in: the terminal's or COLUMNS, 80 when there is neither."""
        return shutil.get_terminal_size((_PLAIN_WIDTH, 24)).columns

    def result(self, text: str = "") -> None:
        """Print lines of the result."""
        sys.stdout.write(text + "\n")

    def document(self, document: Mapping[str, Any]) -> None:
        """Print the one JSON document of a command; it has a `schema`."""
        self.has_document = True
        self.result(jsonlib.dumps(document, indent=2, ensure_ascii=False, allow_nan=False))

    def line(self, document: Mapping[str, Any]) -> None:
        """Print one of several JSON documents, on a line of its own and at once."""
        self.has_document = True
        self.result(jsonlib.dumps(document, ensure_ascii=False, allow_nan=False))
        sys.stdout.flush()

    def note(self, text: str) -> None:
        """Say something by the way."""
        if not self.quiet:
            self._say(text)

    def detail(self, text: str) -> None:
        """Say something that only -v asks for."""
        if self.verbose:
            self._say(text)

    def warning(self, text: str) -> None:
        """Say what the user should know before acting."""
        self._say(f"{self.styled('warning:', '33')} {text}")

    def next(self, command: str) -> None:
        """Suggest the one command that usually follows."""
        if not (self.quiet or self.json):
            self._say(f"next: {command}")

    def fix(self, instruction: str) -> None:
        """End a result that says what is wrong with the one thing to do about it."""
        self._say(f"fix: {instruction}")

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a stage, and show on a terminal that it is at work."""
        started = time.perf_counter()
        is_shown = not self.quiet and sys.stderr.isatty()
        if is_shown:
            sys.stderr.write(f"{_CLEAR_LINE}{name} …")
            sys.stderr.flush()
        try:
            yield
        finally:
            if is_shown:
                sys.stderr.write(_CLEAR_LINE)
                sys.stderr.flush()
            self._stages.append((name, time.perf_counter() - started))

    def timings(self) -> None:
        """Print the stages since the last such line and how long they took, if there were any."""
        stages, self._stages = self._stages, []
        if stages:
            timed = [f"{name} {seconds:.1f} s".replace(" ", _UNBROKEN) for name, seconds in stages]
            for line in wrap(" · ".join(timed), self.width):
                self.note(self.styled(line.replace(_UNBROKEN, " "), "2"))

    @property
    def ink(self) -> Ink:
        """What colours the result, or leaves it alone."""
        from defilev.report.ink import ink

        return ink(color=self.has_color(sys.stdout))

    def styled(self, text: str, code: str) -> str:
        """Return `text` for stderr in the ANSI style `code`, as it is where there is no colour."""
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_color(sys.stderr) else text

    def has_color(self, stream: TextIO) -> bool:
        """Tell whether `stream` gets colour."""
        if self.color != "auto":
            return self.color == "always"
        return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def _say(self, text: str) -> None:
        sys.stdout.flush()
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
