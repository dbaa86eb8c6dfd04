"""The pinned packages, read from pins.toml."""

import platform
import tomllib
from dataclasses import dataclass
from pathlib import Path

from localworld.errors import WorldError
from localworld.layout import CACHE, SOURCES

ANVIL = "@foundry-rs/anvil-"
SAFE = "@safe-global/safe-contracts"
TOOL = "@foundry-rs/{}-"


@dataclass(frozen=True, slots=True)
class NpmPin:
    """One npm package: name, exact version, integrity string of its tarball."""

    name: str
    version: str
    integrity: str
    platform: str | None = None

    @property
    def folder(self) -> Path:
        """Where the unpacked package lies; its name changes with the pin."""
        flat = self.name.replace("@", "").replace("/", "-")
        mark = "".join(letter for letter in self.integrity[7:] if letter.isalnum())[:12]
        return CACHE / "packages" / f"{flat}-{self.version}-{mark}"


@dataclass(frozen=True, slots=True)
class PypiPin:
    """One wheel that is read and never installed."""

    name: str
    version: str
    sha256: str

    @property
    def folder(self) -> Path:
        """Where the wheel lies."""
        return CACHE / "packages" / f"pypi-{self.name}-{self.version}-{self.sha256[:12]}"


def this_platform() -> str:
    """The platform as pins.toml writes it, such as `linux-x86_64` or `darwin-arm64`."""
    machine = platform.machine().lower()
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(machine, machine)
    return f"{platform.system().lower()}-{machine}"


def npm_pins() -> list[NpmPin]:
    """The npm packages this platform needs."""
    here = this_platform()
    pins = [NpmPin(**entry) for entry in _read()["npm"]]
    return [pin for pin in pins if pin.platform in (None, here)]


def pypi_pins() -> list[PypiPin]:
    return [PypiPin(**entry) for entry in _read()["pypi"]]


def npm_pin(name: str, version: str | None = None) -> NpmPin:
    """The pin of one package; `version` chooses where several are pinned."""
    for pin in npm_pins():
        if pin.name == name and version in (None, pin.version):
            return pin
    raise WorldError(f"{name} {version or ''} is not pinned", fix=f"add it to {SOURCES / 'pins.toml'}")


def anvil_pin() -> NpmPin:
    """The anvil build of this platform."""
    for pin in npm_pins():
        if pin.name.startswith(ANVIL):
            return pin
    raise WorldError(
        f"no anvil is pinned for {this_platform()}",
        fix="use Linux or macOS on x86_64 or arm64",
    )


def tool_pin(tool: str) -> NpmPin:
    """The build of `cast` or `forge` for this platform."""
    here = this_platform()
    for entry in _read()["tool"]:
        if entry["name"].startswith(TOOL.format(tool)) and entry["platform"] == here:
            return NpmPin(**entry)
    raise WorldError(f"no {tool} is pinned for {here}", fix="use Linux or macOS on x86_64 or arm64")


def safe_pin() -> NpmPin:
    """The contracts of a Safe."""
    return next(NpmPin(**entry) for entry in _read()["tool"] if entry["name"] == SAFE)


def _read() -> dict[str, list[dict[str, str]]]:
    return tomllib.loads((SOURCES / "pins.toml").read_text())
