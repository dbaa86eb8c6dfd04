"""The middle touches no network, disk, clock, terminal or randomness: the calls that import-linter cannot see."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

from _files import ROOT, files, report, text

MIDDLE = ("model", "abi", "protocols", "venues", "risk", "optimize", "plan")
MODULES = {
    "asyncio", "eth_account", "eth_keyfile", "getpass", "glob", "httpx", "importlib", "io", "logging", "os", "pathlib",
    "random", "requests", "rich", "secrets", "shutil", "signal", "socket", "sqlalchemy", "sqlite3", "structlog",
    "subprocess", "sys", "tempfile", "threading", "time", "typer", "urllib", "uuid", "web3",
    "defilev.chain", "defilev.config",
}  # fmt: skip
BUILTINS = {"breakpoint", "eval", "exec", "input", "open", "print"}
CLOCKS = {"now", "today", "utcnow"}
METHODS = {"read_bytes", "read_text", "write_bytes", "write_text"}
# The codec reads its JSON from the package's own resources, once.
EXCEPTIONS = {"abi": {"importlib", "pathlib", "read_bytes", "read_text"}}


def forbidden_import(name: str, allowed: set[str]) -> bool:
    """Tell whether a dotted module name is one of, or lies in, the forbidden ones."""
    parts = name.split(".")
    prefixes = {".".join(parts[: count + 1]) for count in range(len(parts))}
    return bool(prefixes & (MODULES - allowed))


def offence(node: ast.AST, allowed: set[str]) -> str | None:
    """Return what is impure about one node, None if nothing is."""
    match node:
        case ast.Import(names=names):
            bad = [alias.name for alias in names if forbidden_import(alias.name, allowed)]
            return f"imports {', '.join(bad)}" if bad else None
        case ast.ImportFrom(module=str(module), names=names):
            bad = [alias.name for alias in names if forbidden_import(f"{module}.{alias.name}", allowed)]
            return f"imports {', '.join(bad)} from {module}" if bad else None
        case ast.Call(func=ast.Name(id=name)) if name in BUILTINS:
            return f"calls {name}()"
        case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS | (METHODS - allowed):
            return f"calls .{name}()"
    return None


def impure() -> Iterator[tuple[Path, int, str]]:
    """Yield every place of the middle that reaches outside."""
    for path in files("defilev/*.py"):
        room = path.relative_to(ROOT / "defilev").parts[0]
        if room not in (*MIDDLE, "units.py"):
            continue
        for node in ast.walk(ast.parse(text(path))):
            if found := offence(node, EXCEPTIONS.get(room, set())):
                yield path, getattr(node, "lineno", 1), f"the middle is pure, but this {found}"


if __name__ == "__main__":
    sys.exit(report(impure()))
