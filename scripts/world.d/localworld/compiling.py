"""Compile the groups of compile.toml with npm's solc, each in a process of its own, and keep the results."""

import json
import os
import posixpath
import re
import shutil
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localworld.errors import WorldError
from localworld.layout import CACHE, SOURCES, digest, write_text
from localworld.pins import npm_pin

IMPORT = re.compile(r"""^\s*import\b[^;"']*["']([^"']+)["'][^;]*;""", re.MULTILINE)
WANTED = ["abi", "evm.bytecode.object", "evm.bytecode.linkReferences"]


@dataclass(frozen=True, slots=True)
class Group:
    """One compiler run: its sources, its solc and its settings."""

    name: str
    solc: str
    runs: int
    evm_version: str
    via_ir: bool
    entries: list[str]
    prefixes: dict[str, str]

    def file(self, unit: str) -> Path:
        """The file behind a source unit's path."""
        for prefix in sorted(self.prefixes, key=len, reverse=True):
            if unit.startswith(prefix):
                package, _, folder = self.prefixes[prefix].partition(":")
                root = SOURCES if package == "own" else npm_pin(package).folder
                return root / folder / unit[len(prefix) :]
        raise WorldError(f"no prefix of group {self.name} covers {unit}", fix="add one to compile.toml")

    def sources(self) -> dict[str, str]:
        """Every source the entries reach, by source unit, so that solc needs no import callback."""
        found: dict[str, str] = {}
        waiting = list(self.entries)
        while waiting:
            unit = waiting.pop()
            if unit in found:
                continue
            found[unit] = self.file(unit).read_text()
            for path in IMPORT.findall(found[unit]):
                relative = path.startswith(".")
                waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(unit), path)) if relative else path)
        return dict(sorted(found.items()))

    def settings(self) -> dict[str, Any]:
        return {
            "optimizer": {"enabled": True, "runs": self.runs},
            "viaIR": self.via_ir,
            "evmVersion": self.evm_version,
            "metadata": {"bytecodeHash": "none"},
            "outputSelection": {"*": {"*": WANTED}},
        }


def groups() -> list[Group]:
    return [Group(**entry) for entry in tomllib.loads((SOURCES / "compile.toml").read_text())["group"]]


def compiled() -> dict[str, Path]:
    """Compile what is not in the cache; return the file of every group."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        files = pool.map(_ensure, groups())
        return {group.name: file for group, file in zip(groups(), files, strict=True)}


def _ensure(group: Group) -> Path:
    request = {"language": "Solidity", "settings": group.settings()}
    request["sources"] = {unit: {"content": text} for unit, text in group.sources().items()}
    solc = npm_pin("solc", group.solc)
    text = json.dumps(request, sort_keys=True)
    key = digest([text.encode(), solc.integrity.encode(), (SOURCES / "solc.js").read_bytes()])
    file = CACHE / "artifacts" / f"{group.name}-{key}.json"
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        write_text(file, json.dumps(_compile(group, text, solc.folder), sort_keys=True))
    return file


def _compile(group: Group, request: str, solc: Path) -> dict[str, Any]:
    node = shutil.which("node")
    if node is None:
        raise WorldError("node was not found", fix="install Node.js 20 or newer")
    command = [node, str(SOURCES / "solc.js"), str(solc)]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise WorldError(f"solc {group.solc} failed: {done.stderr.strip()[-400:]}", fix="try Node.js 20")
    output = json.loads(done.stdout)
    errors = [item["formattedMessage"] for item in output.get("errors", []) if item["severity"] == "error"]
    if errors:
        raise WorldError(f"{group.name} does not compile: {errors[0]}", fix="correct the source or compile.toml")
    return {
        f"{unit}:{name}": {
            "abi": contract["abi"],
            "bytecode": contract["evm"]["bytecode"]["object"],
            "linkReferences": contract["evm"]["bytecode"]["linkReferences"],
        }
        for unit, contracts in output["contracts"].items()
        for name, contract in contracts.items()
        if contract["evm"]["bytecode"]["object"]
    }
