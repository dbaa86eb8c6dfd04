"""Options of `defilev` itself, accepted after the command too: `defilev health WHO --json`."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.errors import UsageError

__all__ = ["ROOT_FLAGS", "ROOT_VALUES", "hoisted"]

ROOT_VALUES = frozenset(
    {"--rpc-url", "--chain", "--block", "--address-book", "--book", "--config", "--profile", "--color"}
)
"""Root options that take a value."""
ROOT_FLAGS = frozenset({"--json", "--quiet", "-v", "--verbose", "--no-input"})
"""Root options that do not."""


def hoisted(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with the root options first, in their order; what follows `--` stays where it is.

    Raises:
        UsageError: a root option has no value.
    """
    root: list[str] = []
    rest: list[str] = []
    remaining = iter(arguments)
    for argument in remaining:
        name, is_joined, _ = argument.partition("=")
        if argument == "--":
            rest += [argument, *remaining]
        elif argument in ROOT_FLAGS or (is_joined and name in ROOT_VALUES):
            root.append(argument)
        elif argument in ROOT_VALUES:
            root += [argument, _value(argument, next(remaining, None))]
        else:
            rest.append(argument)
    return root + rest


def _value(option: str, value: str | None) -> str:
    if value is None or value.startswith("--"):
        raise UsageError(f"{option} needs a value", fix=f"write a value after {option}")
    return value
