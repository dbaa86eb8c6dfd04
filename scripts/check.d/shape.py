"""Small pieces: no file over 300 lines, no function body over 40, and every test says what it guarantees."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from _files import files, report, text

FILE_LINES = 300
BODY_LINES = 40
DATA = {".json", ".lock", ".md", ".svg", ".toml"}
Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(source: str) -> Iterator[Function]:
    """Yield every function of a module, nested ones too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, Function):
            yield node


def body_lines(function: Function) -> int:
    """Count the lines below the signature and the docstring."""
    first = 1 if ast.get_docstring(function) is not None else 0
    if first == len(function.body):
        return 0
    last = function.end_lineno or function.lineno
    return last - function.body[first].lineno + 1


def long_pieces() -> Iterator[tuple[Path, int, str]]:
    """Yield files and functions that have grown too long."""
    for path in files("defilev", "scripts"):
        lines = text(path).count("\n")
        if path.suffix not in DATA and lines > FILE_LINES:
            yield path, 1, f"{lines} lines: split it (at most {FILE_LINES})"
        if path.suffix == ".py":
            for function in functions(text(path)):
                if (length := body_lines(function)) > BODY_LINES:
                    yield path, function.lineno, f"{function.name} has {length} lines (at most {BODY_LINES})"


def silent_tests() -> Iterator[tuple[Path, int, str]]:
    """Yield tests without a sentence."""
    for path in files("tests/*.py"):
        for function in functions(text(path)):
            if function.name.startswith("test_") and ast.get_docstring(function) is None:
                yield path, function.lineno, f"{function.name} does not say what it guarantees (docstring)"


if __name__ == "__main__":
    sys.exit(report([*long_pieces(), *silent_tests()]))
