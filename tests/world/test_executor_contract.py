"""The executor's contract: what is shipped is what the source gives, and what forge tests."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from defilev.abi.hashing import keccak

pytestmark = pytest.mark.world

ROOT = Path(__file__).resolve().parents[2]


def contracts(*words: str, profile: str = "default") -> subprocess.CompletedProcess[str]:
    """Run scripts/contracts with the caller's own npm settings."""
    environment = os.environ | {"FOUNDRY_PROFILE": profile}
    command = [str(ROOT / "scripts" / "contracts"), *words]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if "could not be downloaded" in done.stderr:
        pytest.skip(f"forge cannot be had here: {done.stderr.strip()}")
    return done


def test_shipped_files_are_what_the_source_gives() -> None:
    """Interface, creation code, hash and the address in abis/ come from the source and the pinned compiler."""
    done = contracts("build", "--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_address_is_that_of_the_factory_and_the_code() -> None:
    """The address is CREATE2's for the canonical factory, the salt and the creation code: the same on every chain."""
    code = json.loads((ROOT / "abis" / "leverage_executor_code.json").read_text())
    parts = [code["factory"], code["salt"]]
    creation = keccak(bytes.fromhex(code["creation_code"][2:]))
    seed = b"\xff" + b"".join(bytes.fromhex(part[2:]) for part in parts) + creation
    assert keccak(seed)[12:].hex() == code["address"][2:].lower()


def test_forge_tests_hold() -> None:
    """Unit, fuzz, invariant and hostile tests hold against the real Aave 3.6, SparkLend, Morpho Blue and Uniswap v3."""
    done = contracts("test")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def test_every_line_and_branch_is_run() -> None:
    """No line and no branch of the shipped contracts is without a test."""
    done = contracts("coverage")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


@pytest.mark.full
def test_forge_tests_hold_on_ten_thousand_draws() -> None:
    """Ten thousand draws of each fuzz test, and 25,600 calls of each invariant, find nothing."""
    done = contracts("test", "--match-test", "testFuzz|invariant", profile="full")
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


@pytest.mark.full
def test_no_check_can_be_taken_out_unnoticed() -> None:
    """Every `require` of the contract, and every other safeguard that is listed, has a test that fails without it."""
    done = contracts("mutate")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
