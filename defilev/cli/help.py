"""`defilev help`: the topics that no single command can explain."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from difflib import get_close_matches
from typing import Annotated

import typer

from defilev.cli.context import load, output
from defilev.cli.topics import TOPICS, health_factor_in_words
from defilev.errors import InvalidNumber, UnknownName
from defilev.units import parse_decimal

__all__ = ["help"]


def help(  # the command's name
    ctx: typer.Context,
    topic: Annotated[
        str | None,
        typer.Argument(
            metavar="[TOPIC]", help="exit-codes, units, glossary, a command, or a health factor such as 1.37."
        ),
    ] = None,
) -> None:
    """Explain exit codes, units and words; `defilev help 1.37` says what a health factor of 1.37 means."""
    out = output(ctx)
    root = ctx.find_root().command
    commands = getattr(root, "commands", {})
    if topic is None:
        out.result(_contents())
    elif topic in commands:
        commands[topic].main(["--help"], prog_name=f"defilev {topic}", standalone_mode=False)
    elif out.json:
        out.document({"schema": "defilev/help@1", "topic": topic, "text": _text(ctx, topic, commands)})
    else:
        out.result(_text(ctx, topic, commands))


def _contents() -> str:
    topics = {name: summary for name, (summary, _) in TOPICS.items()}
    topics |= {"1.37": "what a health factor of 1.37 means; any other number too", "COMMAND": "as COMMAND --help"}
    return "\n".join(["defilev help TOPIC", "", *(f"  {name:12}{summary}" for name, summary in topics.items())])


def _text(ctx: typer.Context, topic: str, commands: Collection[str]) -> str:
    if topic in TOPICS:
        return TOPICS[topic][1].rstrip()
    number = _number(topic)
    if number is None:
        meant = get_close_matches(topic, [*TOPICS, *commands], 1, 0.6)
        raise UnknownName(
            f"there is no help on {topic!r}", fix=f"did you mean {meant[0]}?" if meant else "see `defilev help`"
        )
    status = load(ctx).values.status
    return health_factor_in_words(number, low=status.low, danger=status.danger)


def _number(topic: str) -> Decimal | None:
    try:
        return parse_decimal(topic, what="health factor")
    except InvalidNumber:
        return None
