"""forge, in the state of the local world: no node and no network, the real contracts as accounts of its own chain."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from localworld.build import ensure
from localworld.fetch import fetch_all, forge_binary
from localworld.layout import DEFAULT_DIRECTORY, REPOSITORY, write_text
from localworld.pins import npm_pin

CONTRACTS = REPOSITORY / "contracts"
COMPILER = Path(__file__).resolve().parent / "solc"
MADE = DEFAULT_DIRECTORY / "contracts"
SHIPPED = ("LeverageExecutor.sol", "Positions.sol", "Venues.sol")
CHAIN_ID = 31337


def test(options: Sequence[str]) -> int:
    """Run `forge test`; give its exit code."""
    return run("test", *options).returncode


def coverage() -> int:
    """Run the tests on code that counts what is run; every line and branch of what is shipped must be."""
    report = MADE / "lcov.info"
    done = run("coverage", "--report", "lcov", "--report-file", str(report), "--no-match-test", "testShipped|invariant")
    if done.returncode:
        return done.returncode
    missed = [line for line in _missed(report.read_text()) if line]
    print("\n".join(missed) or f"every line and branch of {', '.join(SHIPPED)} was run")
    return 1 if missed else 0


def _missed(lcov: str) -> list[str]:
    """Name the lines and branches of shipped contracts that no test ran."""
    found = [f"{name}: not in the report" for name in SHIPPED if f"SF:{name}\n" not in lcov]
    for record in lcov.split("end_of_record"):
        name = re.search(r"^SF:(.+)$", record, re.MULTILINE)
        if name is None or name[1] not in SHIPPED:
            continue
        found += [f"{name[1]}:{line}: not run" for line in re.findall(r"^DA:(\d+),0$", record, re.MULTILINE)]
        branches = re.findall(r"^BRDA:(\d+),(\d+),(\d+),(?:0|-)$", record, re.MULTILINE)
        found += [f"{name[1]}:{line}: branch {block}.{way} not taken" for line, block, way in branches]
    return found


def run(command: str, *options: str, code: str = "", quiet: bool = False) -> subprocess.CompletedProcess[str]:
    """Run one command of forge on `contracts/`; `code` (hex) takes the executor's place. Its files go to `.world`."""
    fetch_all()
    state()
    known = {name: os.environ[name] for name in ("PATH", "TMPDIR", "FOUNDRY_PROFILE") if name in os.environ}
    environment = known | {
        "HOME": str(MADE / "home"),
        "DEFILEV_SOLC": str(npm_pin("solc", "0.8.27").folder),
        "FOUNDRY_OUT": str(MADE / "out"),
        "FOUNDRY_CACHE_PATH": str(MADE / "cache"),
        "DEFILEV_EXECUTOR": f"0x{code}",
        "FOUNDRY_DISABLE_NIGHTLY_WARNING": "1",
    }
    words = [str(forge_binary()), command, "--use", str(COMPILER), *options]
    return subprocess.run(words, cwd=CONTRACTS, env=environment, text=True, capture_output=quiet, check=False)


def state() -> None:
    """Write the accounts of the local world and its block in the form that forge reads, when they are not there."""
    built = ensure(CHAIN_ID, lambda text: print(f"world: {text}", file=sys.stderr))
    block = {"state_key": built.key, **built.manifest()["built_block"]}
    marker = MADE / "block.json"
    if marker.is_file() and json.loads(marker.read_text()) == block:
        return
    MADE.mkdir(parents=True, exist_ok=True)
    accounts = json.loads(built.state.read_text())["accounts"]
    write_text(MADE / "allocs.json", json.dumps({name: _alloc(account) for name, account in accounts.items()}))
    write_text(marker, json.dumps(block))


def _alloc(account: dict[str, object]) -> dict[str, object]:
    return {**account, "nonce": hex(int(str(account["nonce"]), 0))}
