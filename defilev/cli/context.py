"""What every command is given: the options of `defilev` itself, and from them the settings and the output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from defilev.cli.output import Color, Output

if TYPE_CHECKING:
    from collections.abc import Sequence

    from defilev.config.loading import LoadedSettings
    from defilev.model.book_file import BookFile

__all__ = ["GlobalOptions", "Run", "load", "options", "output", "run_of"]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options of `defilev` itself as they were typed; `None` or empty where they were not."""

    rpc_url: tuple[str, ...] = ()
    chain: str | None = None
    block: str | None = None
    address_book: tuple[str, ...] = ()
    book: str | None = None
    config: str | None = None
    profile: str | None = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    color: Color | None = None
    no_input: bool = False


class Run:
    """One run of the command line. Settings are loaded when a command first asks for them."""

    def __init__(self, given: GlobalOptions) -> None:
        self.options = given
        self.output = Output()
        self._settings: LoadedSettings | None = None
        self.use(given)

    def use(self, given: GlobalOptions) -> None:
        """Take the options as the command line was parsed."""
        self.options = given
        self.output.json = given.json
        self.output.quiet = given.quiet
        self.output.verbose = given.verbose
        self.output.color = given.color or "auto"

    def load(self) -> LoadedSettings:
        """Return the settings of this run; raises as `load_settings` does."""
        from defilev.config.loading import load_settings

        if self._settings is None:
            given = self.options
            flags = {
                "rpc_url": given.rpc_url,
                "chain": given.chain,
                "block": given.block,
                "address_book": given.address_book,
                "book": given.book,
                "color": given.color,
            }
            config = Path(given.config) if given.config else None
            self._settings = load_settings(flags, config=config, profile=given.profile)
            self.output.color = self._settings.values.color
        return self._settings

    def book_for(self, who: Sequence[str]) -> BookFile | None:
        """Return the book in use when `who` has a name of one, or nothing else names a node; else it is not read.

        Raises as `load_book_file` does.
        """
        from defilev.config.book_file import book_in_use
        from defilev.pipeline.people import names_of_book

        settings = self.load().values
        return book_in_use(settings) if names_of_book(who) or not settings.rpc_url else None

    @property
    def is_url_given(self) -> bool:
        """Whether the node was named on the command line."""
        return bool(self.options.rpc_url)


def run_of(ctx: typer.Context) -> Run:
    """Return the run that a command is part of."""
    found = ctx.obj
    if not isinstance(found, Run):
        raise TypeError("the command was not started through defilev.cli.app.main")
    return found


def options(ctx: typer.Context) -> GlobalOptions:
    """Return the options of `defilev` itself."""
    return run_of(ctx).options


def load(ctx: typer.Context) -> LoadedSettings:
    """Return the settings, loaded once per run; raises `ConfigurationError`, `UnknownName` or `KeyFailure`."""
    return run_of(ctx).load()


def output(ctx: typer.Context) -> Output:
    """Return where to print."""
    return run_of(ctx).output
