"""Creation code from three artifact formats, linked and with its constructor's arguments."""

import json
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from localworld.errors import WorldError
from localworld.pins import npm_pin, pypi_pins

MULTICALL3_CODE_HASH = "d5c15df687b16f2ff992fc8d767b4216323184a2bbc6ee2f9c398c318e770891"


@dataclass(frozen=True, slots=True)
class Artifact:
    """One contract as its compiler left it: hex creation code with holes for libraries."""

    name: str
    bytecode: str
    links: Mapping[str, Mapping[str, list[dict[str, int]]]]

    def linked(self, libraries: Mapping[str, str]) -> bytes:
        """The creation code with every hole filled by the library's address."""
        code = self.bytecode.removeprefix("0x")
        for names in self.links.values():
            for name, places in names.items():
                for place in places:
                    start = 2 * place["start"]
                    code = code[:start] + libraries[name].removeprefix("0x").lower() + code[start + 40 :]
        if "__$" in code:
            raise WorldError(f"{self.name} has an unlinked library", fix="pass all of its libraries")
        return bytes.fromhex(code)


@dataclass
class Artifacts:
    """Every contract the deploy steps ask for, read when it is asked for."""

    groups: Mapping[str, Path]
    _loaded: dict[str, dict[str, Any]] = field(default_factory=dict)

    def compiled(self, group: str, name: str) -> Artifact:
        """A contract of a compiled group; it is defined in the file of its own name."""
        if group not in self._loaded:
            self._loaded[group] = json.loads(self.groups[group].read_text())
        contracts = self._loaded[group]
        keys = [key for key in contracts if key.endswith(f"/{name}.sol:{name}")]
        if len(keys) != 1:
            raise WorldError(f"{group} has {len(keys)} contracts {name}", fix="add its file to compile.toml")
        return _artifact(name, contracts[keys[0]])

    def packaged(self, package: str, path: str) -> Artifact:
        """A contract that its npm package ships compiled (Hardhat's or Truffle's format)."""
        content = json.loads((npm_pin(package).folder / path).read_text())
        return _artifact(Path(path).stem, content)


def multicall3_runtime() -> bytes:
    """The runtime code of Multicall3, read as text from a wheel, with its canonical hash."""
    pin = next(pin for pin in pypi_pins() if pin.name == "multicall")
    with zipfile.ZipFile(next(pin.folder.glob("*.whl"))) as wheel:
        text = wheel.read("multicall/constants.py").decode()
    found = re.search(r"MULTICALL3_BYTECODE\b[^\"']*[\"']0x([0-9a-fA-F]+)[\"']", text)
    code = bytes.fromhex(found.group(1)) if found else b""
    if keccak(code).hex() != MULTICALL3_CODE_HASH:
        raise WorldError("Multicall3's code is not the canonical one", fix="restore pins.toml")
    return code


def _artifact(name: str, content: Mapping[str, Any]) -> Artifact:
    return Artifact(name, content["bytecode"], content.get("linkReferences", {}))
