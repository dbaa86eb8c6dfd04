"""`defilev config`: write a commented settings file, show what is set and by what, say where the files are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from defilev.cli.context import load, options, output
from defilev.errors import ConfigurationError

if TYPE_CHECKING:
    from defilev.config.loading import LoadedSettings

__all__ = ["app"]

_COLUMN = 48
"""Values longer than this push their origin aside rather than that of all others."""

app = typer.Typer(help="Settings: where they come from, and where they are kept.")


@app.command()
def init(
    ctx: typer.Context,
    *,
    here: Annotated[
        bool, typer.Option("--here", help="Write ./defilev.toml, for this folder only, in place of your own file.")
    ] = False,
) -> None:
    """Write a settings file in which everything is commented out; never over another."""
    from defilev.config.loading import project_config_path, user_config_file
    from defilev.config.template import template

    path = project_config_path(Path.cwd()) if here else user_config_file()
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
        path.chmod(0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already", fix=f"edit {path}; nothing was changed") from None
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}", fix="give another folder") from None
    out = output(ctx)
    if out.json:
        out.document({"schema": "defilev/config-init@1", "path": str(path)})
        return
    out.result(f"wrote {path}")
    out.next("defilev config show --origin")


@app.command()
def show(
    ctx: typer.Context,
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value comes from.")] = False,
) -> None:
    """Show the settings in effect, secrets masked."""
    loaded = load(ctx)
    shown = dict(_shown(loaded))
    out = output(ctx)
    if out.json:
        entries = {
            key: {"value": value, "origin": loaded.origin(key).where, "from_cwd": loaded.origin(key).from_cwd}
            for key, value in shown.items()
        }
        out.document({"schema": "defilev/config@1", "settings": entries})
        return
    texts = {key: _text(value) for key, value in shown.items()}
    key_width = max(len(key) for key in texts)
    text_width = max(len(text) for text in texts.values() if len(text) <= _COLUMN)
    for key, text in texts.items():
        place = loaded.origin(key).where if origin else ""
        out.result(f"  {key:{key_width}}  {text:{text_width}}  {place}".rstrip())
    for key, where in loaded.steering_from_cwd:
        out.note(f"{key} from {where} is not taken for --broadcast: it steers money, and the folder's files say it")


@app.command()
def path(ctx: typer.Context) -> None:
    """Say which files are read, first the one that wins."""
    from defilev.config.loading import project_config_path, user_config_file

    given = options(ctx).config
    files = [Path(".env"), Path(given)] if given else [Path(".env"), project_config_path(Path()), user_config_file()]
    out = output(ctx)
    if out.json:
        entries = [{"path": str(file), "exists": file.is_file()} for file in files]
        out.document({"schema": "defilev/config-path@1", "files": entries})
        return
    width = max(len(str(file)) for file in files)
    for file in files:
        out.result(f"  {file!s:{width}}  {'' if file.is_file() else 'absent'}".rstrip())


def _shown(loaded: LoadedSettings) -> Iterator[tuple[str, Any]]:
    """Yield the settings by flat key, as they would be written, secrets masked."""
    from defilev.config.loading import setting_keys
    from defilev.config.settings import SECRET
    from defilev.config.template import written

    by_asset = [f"prices.by_asset.{symbol}" for symbol in loaded.values.prices.by_asset]
    for key in (*setting_keys(), *by_asset):
        value = written(key, _value(loaded.values, key))
        is_url = key != "journal" or "://" in str(value)
        yield key, _masked(value) if key in SECRET and is_url else value


def _masked(value: Any) -> Any:
    from defilev.chain.redaction import redact_url

    if isinstance(value, tuple):
        return tuple(redact_url(url) for url in value)
    return redact_url(value) if isinstance(value, str) else value


def _value(values: Any, key: str) -> Any:
    for name in key.split(".", 2):
        values = values[name] if isinstance(values, Mapping) else getattr(values, name)
    return values


def _text(value: Any) -> str:
    if value is None:
        return "—"
    return " ".join(value) or "—" if isinstance(value, tuple) else str(value)
