"""The command `defilev`: its options, its commands, and how a run ends. Imports nothing heavy."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup, TyperOption
from typer.main import get_command

from defilev.cli.accuracy import accuracy
from defilev.cli.arguments import hoisted
from defilev.cli.config import app as config
from defilev.cli.context import GlobalOptions, Run
from defilev.cli.doctor import doctor
from defilev.cli.executor import app as executor
from defilev.cli.failure import describe, failure_document, unexpected
from defilev.cli.guard import app as guard
from defilev.cli.health import health
from defilev.cli.help import help as explain
from defilev.cli.journal import app as journal
from defilev.cli.order import order
from defilev.cli.output import Color
from defilev.cli.plan import plan
from defilev.cli.protocols import app as protocols
from defilev.cli.rebalance import rebalance
from defilev.cli.rehearse import rehearse
from defilev.cli.safe import app as safe
from defilev.cli.simulate import simulate
from defilev.cli.target import target
from defilev.cli.wallet import app as wallet
from defilev.cli.watch import watch
from defilev.errors import DefilevError, UsageError
from defilev.version import __version__

__all__ = ["main", "root_command"]

_INTERRUPTED = 130
_READER_GONE = 141
"""128 and the number of SIGPIPE, as a shell reports it."""

_COMPLETION = "_DEFILEV_COMPLETE"
"""The variable through which a shell asks for completions."""

_COMMANDS: tuple[tuple[str, str, Callable[..., None] | typer.Typer], ...] = (
    ("Look", "health", health),
    ("Look", "watch", watch),
    ("Look", "target", target),
    ("Act", "plan", plan),
    ("Act", "simulate", simulate),
    ("Act", "rehearse", rehearse),
    ("Act", "rebalance", rebalance),
    ("Act", "safe", safe),
    ("Act", "order", order),
    ("Act", "guard", guard),
    ("Study", "journal", journal),
    ("Study", "accuracy", accuracy),
    ("Set up", "doctor", doctor),
    ("Set up", "wallet", wallet),
    ("Set up", "config", config),
    ("Set up", "protocols", protocols),
    ("Set up", "executor", executor),
    ("Set up", "help", explain),
)
"""Panel of --help, name, and the function or the group of commands."""


class _Root(TyperGroup):
    """Takes its own options after the command too, and lists commands as the design groups them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        return super().parse_args(ctx, hoisted(args))

    def list_commands(self, ctx: Any) -> list[str]:
        order = [name for _, name, _ in _COMMANDS]
        return sorted(super().list_commands(ctx), key=order.index)


def main(arguments: Sequence[str] | None = None, *, command: TyperGroup | None = None) -> int:
    """Run `defilev`, or another group of commands, and return the exit code; prints every failure.

    Args:
        arguments: the process's when left out.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    run = Run(_options_so_far(given))
    try:
        code = _run(command, given, run)
        run.output.timings()
        sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()
        return _READER_GONE
    return code


def root_command() -> TyperGroup:
    """Return `defilev` with all its commands."""
    app = typer.Typer(
        name="defilev",
        cls=_Root,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        epilog="These options may also stand after the command. `defilev config show --origin` says what is set where.",
    )
    app.callback()(_root)
    for panel, name, found in _COMMANDS:
        if isinstance(found, typer.Typer):
            app.add_typer(found, name=name, rich_help_panel=panel, no_args_is_help=True)
        else:
            app.command(name, rich_help_panel=panel)(found)
    command = get_command(app)
    if not isinstance(command, TyperGroup):
        raise TypeError("defilev has fewer than two commands")
    _without_bool(command)
    return command


def _version(value: bool) -> None:
    if value:
        typer.echo(f"defilev {__version__}")
        raise typer.Exit


def _root(
    ctx: typer.Context,
    *,
    rpc_url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            help="The node to read from; given several times, nodes must agree before anything is signed.",
        ),
    ] = None,
    chain: Annotated[str | None, typer.Option(metavar="NAME", help="The chain you expect; another is refused.")] = None,
    block: Annotated[
        str | None, typer.Option(metavar="N", help="The block to read at: a number, latest, finalized or safe.")
    ] = None,
    address_book: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="An address book laid over the shipped ones; may be given several times."),
    ] = None,
    book: Annotated[
        str | None, typer.Option(metavar="FILE", help="Your book file: names, chains, and what no chain shows.")
    ] = None,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="Read in place of ./defilev.toml and your config file.")
    ] = None,
    profile: Annotated[str | None, typer.Option(metavar="NAME", help="The profile of the config files to use.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Leave out notes and progress.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Say more; show tracebacks.")] = False,
    color: Annotated[Color | None, typer.Option(help="Colour; auto heeds NO_COLOR.", show_default=False)] = None,
    no_input: Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Read leveraged on-chain positions to the wei; change nothing unless asked to by name."""
    del version
    if quiet and verbose:
        raise UsageError("--quiet and -v contradict each other", fix="give one of them")
    ctx.obj.use(
        GlobalOptions(
            rpc_url=tuple(rpc_url or ()),
            chain=chain,
            block=block,
            address_book=tuple(address_book or ()),
            book=book,
            config=config,
            profile=profile,
            json=json,
            quiet=quiet,
            verbose=verbose,
            color=color,
            no_input=no_input,
        )
    )


def _run(command: TyperGroup | None, arguments: Sequence[str], run: Run) -> int:
    """Run the command and return its exit code; raises only `BrokenPipeError`."""
    try:
        return _invoke(command or root_command(), arguments, run)
    except typer.Exit as stop:
        return stop.exit_code
    except DefilevError as error:
        return _fail(error, run)
    except typer.TyperException as error:
        return _misused(error, run)
    except (typer.Abort, KeyboardInterrupt, EOFError):
        return _interrupted(run)
    except BrokenPipeError:
        raise
    except Exception as error:  # noqa: BLE001 - the last resort: a defect of ours ends with one line and a code too
        return _fail(unexpected(error, is_verbose=run.options.verbose), run)


def _invoke(command: TyperGroup, arguments: Sequence[str], run: Run) -> int:
    if _COMPLETION in os.environ:
        command.main(prog_name="defilev", complete_var=_COMPLETION)
    with command.make_context("defilev", list(arguments), obj=run) as ctx:
        command.invoke(ctx)
    return 0


def _fail(error: DefilevError, run: Run) -> int:
    output = run.output
    output.timings()
    if output.json and not output.has_document:
        output.document(failure_document(error))
    prefix, (fact, *lines) = describe(error)
    sys.stdout.flush()
    for line in (f"{output.styled(prefix + ':', '31')} {fact}", *lines):
        sys.stderr.write(line + "\n")
    return error.exit_code


def _misused(error: typer.TyperException, run: Run) -> int:
    """Tell what is wrong with the command line; a group without a command has shown its help already."""
    ctx = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        return 0
    path = ctx.command_path if ctx else "defilev"
    return _fail(UsageError(error.format_message().rstrip("."), fix=f"see `{path} --help`"), run)


def _interrupted(run: Run) -> int:
    sys.stdout.flush()
    sys.stderr.write(run.output.styled("interrupted", "31") + "\n")
    return _INTERRUPTED


def _discard_output() -> None:
    """Keep Python from complaining, at exit, about output that nobody reads."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _options_so_far(arguments: Sequence[str]) -> GlobalOptions:
    """Return the options that decide how a command line that cannot be parsed is refused."""
    before = list(arguments)
    if "--" in before:
        before = before[: before.index("--")]
    colors: tuple[Color, ...] = ("auto", "always", "never")
    spoken = " ".join(before).replace("--color=", "--color ")
    return GlobalOptions(
        json="--json" in before,
        quiet="--quiet" in before,
        verbose="-v" in before or "--verbose" in before,
        color=next((color for color in colors if f"--color {color}" in spoken), None),
    )


def _without_bool(command: Any) -> None:
    """Take `<bool>` out of the help of a command and of those below it: a flag has no value."""
    ctx = typer.Context(command)
    for parameter in command.get_params(ctx):
        if isinstance(parameter, TyperOption) and parameter.is_flag:
            parameter.metavar = ""
    for below in getattr(command, "commands", {}).values():
        _without_bool(below)
