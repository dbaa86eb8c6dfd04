"""Settings put together: flags > DEFILEV_ variables > ./.env > ./defilev.toml > user config > defaults."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from platformdirs import user_config_path
from pydantic import BaseModel, ValidationError

from defilev.config.settings import STEERING, Settings
from defilev.config.sources import (
    DEFAULT,
    PATH_KEYS,
    PREFIX,
    Entry,
    Origin,
    dotenv_layer,
    file_layers,
    variables_layer,
)
from defilev.errors import ConfigurationError, UnknownName

__all__ = ["LoadedSettings", "load_settings", "project_config_path", "setting_keys", "user_config_file"]

_OPEN = "prices.by_asset."
"""Keys below this one are symbols of assets."""
_SELECTORS = {"DEFILEV_CONFIG": "config", "DEFILEV_PROFILE": "profile"}


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings of a run, and by flat key (`status.low`) where each that was set comes from."""

    values: Settings
    origins: Mapping[str, Origin]

    def origin(self, key: str) -> Origin:
        """Return where `key` comes from."""
        return self.origins.get(key, DEFAULT)

    @property
    def steering_from_cwd(self) -> tuple[tuple[str, str], ...]:
        """The settings that steer money and come from the working directory, each with the place.

        A broadcast must refuse them: whoever wrote the directory's files is not the one who signs.
        """
        return tuple(
            (key, origin.where)
            for key, origin in sorted(self.origins.items())
            if origin.from_cwd and key.partition(".")[0] in STEERING
        )


def user_config_file() -> Path:
    """Return where a person's own settings are looked for."""
    return user_config_path("defilev") / "config.toml"


def project_config_path(directory: Path) -> Path:
    """Return where the settings of a working directory are looked for."""
    return directory / "defilev.toml"


def setting_keys() -> tuple[str, ...]:
    """Return the flat keys of all settings, those of single assets left out."""
    return tuple(_keys(Settings))


def load_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    profile: str | None = None,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
) -> LoadedSettings:
    """Return the settings for a run in `directory`, the working directory when left out.

    Args:
        flags: by key, as `rpc_url`, what was given on the command line.
        config: read in place of `./defilev.toml` and the user's config file.
        profile: the `[profile.NAME]` whose settings are laid over those of the files.
        environment: the process's variables when left out.

    Raises:
        ConfigurationError: a file cannot be read, a key is unknown, or a value is out of range.
        UnknownName: no file has the profile.
        KeyFailure: a file or the environment holds a private key.
    """
    folder = directory or Path.cwd()
    variables = os.environ if environment is None else environment
    names = {variable_name(key): key for key in setting_keys()} | _SELECTORS
    dotenv = dotenv_layer(folder / ".env", keys=names)
    spoken = variables_layer(variables, keys=names, folder=folder)
    _refuse_misspelt(variables, names)
    layers = [dotenv, spoken, _flag_layer(flags or {}, config, profile, folder)]
    chosen = {key: layer.pop(key) for key in _SELECTORS.values() for layer in layers if key in layer}
    return _validated(_merged([*_config_layers(chosen, folder), *layers]))


def variable_name(key: str) -> str:
    """Return the environment variable of a setting: `status.low` is DEFILEV_STATUS_LOW."""
    return PREFIX + key.replace(".", "_").upper()


def _flag_layer(flags: Mapping[str, Any], config: Path | None, profile: str | None, folder: Path) -> dict[str, Entry]:
    given = {**flags, "config": config, "profile": profile}
    return {
        key: Entry(value, Origin("flag", f"--{key.replace('_', '-')}"), folder)
        for key, value in given.items()
        if value is not None and value != ()
    }


def _config_layers(chosen: Mapping[str, Entry], folder: Path) -> Iterator[dict[str, Entry]]:
    """Yield the settings of the TOML files, the user's first; a profile's follow those of its file."""
    profile = chosen.get("profile")
    found = profile is None
    for path, origin in _files(chosen.get("config"), folder):
        base, overrides = file_layers(path, origin, profile=profile.value if profile else None)
        yield base
        if profile and overrides is not None:
            found = True
            yield {key: _selected(entry, profile) for key, entry in overrides.items()}
    if profile and not found:
        raise UnknownName(f"no config file has a profile {profile.value!r}", fix="see `defilev config path`, and write "
                          f"[profile.{profile.value}] in one of those files")  # fmt: skip


def _files(config: Entry | None, folder: Path) -> list[tuple[Path, Origin]]:
    if config:
        path = config.folder / Path(config.value).expanduser()
        return [(path, Origin("user file", str(config.value), config.origin.from_cwd))]
    user, project = user_config_file(), project_config_path(folder)
    files = [
        (user, Origin("user file", str(user))),
        (project, Origin("project file", f"./{project.name}", from_cwd=True)),
    ]
    return [(path, origin) for path, origin in files if path.is_file()]


def _selected(entry: Entry, profile: Entry) -> Entry:
    """Return `entry` as coming from the working directory when that is where its profile was chosen."""
    origin = entry.origin
    return Entry(
        entry.value, Origin(origin.kind, origin.where, origin.from_cwd or profile.origin.from_cwd), entry.folder
    )


def _merged(layers: list[dict[str, Entry]]) -> dict[str, Entry]:
    merged: dict[str, Entry] = {}
    known = set(setting_keys())
    for layer in layers:
        for key, entry in layer.items():
            if key not in known and not key.startswith(_OPEN):
                _refuse_unknown(key, entry.origin.where, known)
            merged[key] = entry
    return merged


def _validated(entries: Mapping[str, Entry]) -> LoadedSettings:
    document: dict[str, Any] = {}
    for key, entry in entries.items():
        *tables, name = key.split(".", 2)
        place = document
        for table in tables:
            place = place.setdefault(table, {})
        place[name] = _resolved(key, entry)
    try:
        values = Settings.model_validate(document)
    except ValidationError as error:
        _refuse_invalid(error, entries)
    return LoadedSettings(values, {key: entry.origin for key, entry in entries.items()})


def _resolved(key: str, entry: Entry) -> Any:
    """Return the value with its relative paths made absolute, from the folder of the file they were written in."""
    if key not in PATH_KEYS or (key == "journal" and "://" in str(entry.value)):
        return entry.value
    if key == "address_book":
        written = entry.value.split(os.pathsep) if isinstance(entry.value, str) else entry.value
        return (
            tuple(_absolute(item, entry.folder) for item in written) if isinstance(written, list | tuple) else written
        )
    absolute = _absolute(entry.value, entry.folder)
    return str(absolute) if key == "journal" and isinstance(absolute, Path) else absolute


def _absolute(value: Any, folder: Path) -> Any:
    return folder / Path(value).expanduser() if isinstance(value, str | Path) else value


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _keys(field.annotation, f"{prefix}{name}.")
        elif f"{prefix}{name}." != _OPEN:
            yield prefix + name


def _refuse_misspelt(variables: Mapping[str, str], names: Mapping[str, str]) -> None:
    """Refuse variables that are almost a setting's; others with the prefix may be somebody else's."""
    for name in variables:
        if name.startswith(PREFIX) and name not in names and (meant := get_close_matches(name, names, 1, 0.88)):
            raise ConfigurationError(
                f"the environment has {name}, which is no setting", fix=f"did you mean {meant[0]}?"
            )


def _refuse_unknown(key: str, where: str, known: set[str]) -> NoReturn:
    names = [variable_name(name) for name in known] if key.startswith(PREFIX) else list(known)
    meant = get_close_matches(key, [*names, *_SELECTORS], 1, 0.6)
    fix = f"did you mean {meant[0]}?" if meant else "the settings are listed by `defilev config show`"
    raise ConfigurationError(f"{where}: {key} is no setting", fix=fix)


def _refuse_invalid(error: ValidationError, entries: Mapping[str, Entry]) -> NoReturn:
    """Name the setting and the place; the value only where it is no secret."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = [str(part) for part in first["loc"]]
    key = next((k for n in range(len(path), 0, -1) if (k := ".".join(path[:n])) in entries), ".".join(path))
    reason, _, advice = str(first["msg"]).removeprefix("Value error, ").partition("; ")
    where = next(
        (entry.origin.where for name, entry in entries.items() if f"{name}.".startswith(f"{key}.")), "settings"
    )
    raise ConfigurationError(f"{where}: {key} cannot be used: {reason}", fix=advice or f"correct {key} in {where}")
