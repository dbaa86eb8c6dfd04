"""Pages of documentation, run: ```bash blocks must succeed, ```console blocks must print what they show.

All blocks of a page run in one shell, from top to bottom, on a terminal that answers what is asked.
"""

from __future__ import annotations

import os
import pty
import re
import subprocess
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Command", "Ran", "blocks", "console_commands", "run_page", "steady", "with_outputs"]

_BLOCK = re.compile(r"^```(?P<language>[a-z]+)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_SECONDS = 120
_UNSTEADY = (
    (re.compile(r"\b[0-9a-f]{64}\b"), "HASH"),
    (re.compile(r"(?<=block )\d[\d\u202f ]*\d"), "N"),
    (re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC|\d+ (?:s|min|h) ago"), "TIME"),
    (re.compile(r"\b\d+\.\d s\b"), "TOOK"),
)
"""What differs from one run to the next, and what stands for it in a comparison."""


@dataclass(frozen=True)
class Block:
    """A code block of a page; `line` is that of its fence, `start` and `end` are offsets of its text."""

    line: int
    language: str
    text: str
    start: int
    end: int


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the page shows that it prints."""

    block: Block
    command: str
    shown: str


@dataclass(frozen=True)
class Ran:
    """How a page went: exit code, line of the last block that was begun, terminal, what each command printed."""

    code: int
    line: int
    terminal: str
    outputs: tuple[str, ...]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced code blocks of a page."""
    for found in _BLOCK.finditer(text):
        line = text.count("\n", 0, found.start()) + 1
        yield Block(line, found["language"], found["text"], found.start("text"), found.end("text"))


def console_commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a console block: a line with `$ ` and those that a backslash joins to it."""
    for part in re.split(r"(?m)^\$ ", block.text)[1:]:
        command = re.match(r"(?:.*\\\n)*.*\n", part)
        assert command is not None
        yield Command(block, command[0].rstrip("\n"), part[command.end() :])


def run_page(text: str, *, folder: Path, environment: Mapping[str, str], answers: Mapping[str, str]) -> Ran:
    """Run the blocks of a page in `folder`.

    Args:
        answers: by the end of what a terminal shows when it asks: what is typed.
    """
    folder.mkdir()
    script = folder / ".page"
    script.write_text(_script(text))
    code, terminal = _on_terminal(["bash", script.name], folder=folder, environment=environment, answers=answers)
    outputs = tuple(path.read_text() for path in sorted(folder.glob(".output-*")))
    return Ran(code, int((folder / ".line").read_text()), terminal, outputs)


def steady(output: str) -> str:
    """Return an output with what differs from run to run taken out."""
    for pattern, name in _UNSTEADY:
        output = pattern.sub(name, output)
    return output


def with_outputs(text: str, outputs: tuple[str, ...]) -> str:
    """Return the page with its console blocks showing `outputs`."""
    left = iter(outputs)
    parts, place = [], 0
    for block in blocks(text):
        if block.language == "console":
            shown = "".join(f"$ {found.command}\n{next(left)}" for found in console_commands(block))
            parts += [text[place : block.start], shown]
            place = block.end
    return "".join([*parts, text[place:]])


def _script(text: str) -> str:
    lines = ["set -euo pipefail"]
    count = 0
    for block in blocks(text):
        if block.language not in ("bash", "console"):
            continue
        lines.append(f"echo {block.line} >.line")
        if block.language == "bash":
            lines.append(block.text)
            continue
        for found in console_commands(block):
            lines.append(f"set +e; {{ {found.command}\n}} >.output-{count:03} 2>&1; set -e")
            count += 1
    return "\n".join(lines) + "\n"


def _on_terminal(
    command: list[str], *, folder: Path, environment: Mapping[str, str], answers: Mapping[str, str]
) -> tuple[int, str]:
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        command, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, env=dict(environment), start_new_session=True
    ) as process:
        os.close(theirs)
        too_long = threading.Timer(_SECONDS, process.kill)
        too_long.start()
        shown = _conversation(ours, answers)
        too_long.cancel()
    os.close(ours)
    return process.returncode, shown


def _conversation(terminal: int, answers: Mapping[str, str]) -> str:
    shown = ""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            return shown
        if not more:
            return shown
        shown += more.decode(errors="replace")
        for question, answer in answers.items():
            if shown.endswith(question):
                os.write(terminal, answer.encode() + b"\n")
                shown += "\n"
