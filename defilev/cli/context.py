"""What every command is given: the options of `defilev` itself, and from them the settings and the output."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from defilev.cli.output import Color, Output

if TYPE_CHECKING:
    from defilev.config.loading import LoadedSettings

__all__ = ["GlobalOptions", "Run", "load", "options", "output", "run_of"]


@dataclass(frozen=True, slots=True)
class GlobalOptions:
    """The options of `defilev` itself as they were typed; `None` or empty where they were not."""

    rpc_url: tuple[str, ...] = ()
    chain: str | None = None
    block: str | None = None
    address_book: tuple[str, ...] = ()
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
                "color": given.color,
            }
            config = Path(given.config) if given.config else None
            self._settings = load_settings(flags, config=config, profile=given.profile)
            self.output.color = self._settings.values.color
        return self._settings


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
