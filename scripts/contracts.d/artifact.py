"""What defilev ships of a contract: its interface, its creation code, its hash and address on every chain."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from localworld.compiling import Group
from localworld.errors import WorldError
from localworld.fetch import fetch_all
from localworld.layout import REPOSITORY, SOURCES
from localworld.pins import npm_pin

SOLC = "0.8.27"
UNIT = "contracts/LeverageExecutor.sol"
NAME = "LeverageExecutor"
ABI = REPOSITORY / "abis" / "leverage_executor.json"
CODE = REPOSITORY / "abis" / "leverage_executor_code.json"
FACTORY = bytes.fromhex("4e59b44847b379578588920ca78fbf26c0b4956c")
SALT = bytes(32)
GROUP = Group(
    name="executor",
    solc=SOLC,
    runs=200,
    evm_version="cancun",
    via_ir=False,
    entries=[UNIT],
    prefixes={"contracts/": "own:../../contracts/"},
)


def write() -> int:
    """Write both files."""
    for path, text in _contents().items():
        path.write_text(text)
    return 0


def check() -> int:
    """Compare both files with what the source gives."""
    stale = [path for path, text in _contents().items() if not path.is_file() or path.read_text() != text]
    for path in stale:
        print(f"error: {path} is not what {UNIT} gives\nfix: run scripts/contracts build", file=sys.stderr)
    return 1 if stale else 0


def _contents() -> dict[Path, str]:
    fetch_all()
    contract = compiled({})
    entries = ",\n".join(f"  {json.dumps(entry)}" for entry in contract["abi"])
    return {ABI: f"[\n{entries}\n]\n", CODE: json.dumps(_code(contract["evm"]), indent=2) + "\n"}


def _code(evm: dict[str, Any]) -> dict[str, Any]:
    creation = bytes.fromhex(evm["bytecode"]["object"])
    address = keccak(b"\xff" + FACTORY + SALT + keccak(creation))[12:]
    return {
        "compiler": f"solc {SOLC}",
        "settings": {name: value for name, value in GROUP.settings().items() if name != "outputSelection"},
        "factory": to_checksum_address(FACTORY),
        "salt": "0x" + SALT.hex(),
        "address": to_checksum_address(address),
        "runtime_hash": "0x" + keccak(bytes.fromhex(evm["deployedBytecode"]["object"])).hex(),
        "creation_code": "0x" + creation.hex(),
    }


def compiled(changed: dict[str, str]) -> dict[str, Any]:
    """Compile the executor, with other text for some of its source units; give solc's output for it."""
    node = shutil.which("node")
    if node is None:
        raise WorldError("node was not found", fix="install Node.js 20 or newer")
    wanted = ["abi", "evm.bytecode.object", "evm.deployedBytecode.object", "evm.deployedBytecode.immutableReferences"]
    settings = GROUP.settings() | {"outputSelection": {UNIT: {NAME: wanted}}}
    sources = {unit: {"content": text} for unit, text in (GROUP.sources() | changed).items()}
    request = json.dumps({"language": "Solidity", "settings": settings, "sources": sources})
    command = [node, "--stack-size=8000", str(SOURCES / "solc.js"), str(npm_pin("solc", SOLC).folder)]
    done = subprocess.run(command, input=request, capture_output=True, text=True, check=True)
    output = json.loads(done.stdout)
    errors = [item["formattedMessage"] for item in output.get("errors", []) if item["severity"] == "error"]
    if errors:
        raise WorldError(f"{UNIT} does not compile: {errors[0]}", fix="correct the source")
    contract: dict[str, Any] = output["contracts"][UNIT][NAME]
    if contract["evm"]["deployedBytecode"]["immutableReferences"]:
        raise WorldError(f"{UNIT} has immutables", fix="its code has to be the same on every chain; use constants")
    return contract
