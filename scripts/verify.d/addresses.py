"""Compare the shipped address books with the addresses that published npm packages name; needs network."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from ens.constants import ENS_MAINNET_ADDR  # type: ignore[import-untyped]
from eth_utils.address import is_checksum_address
from eth_utils.crypto import keccak

HERE = Path(__file__).resolve().parent
BOOKS = HERE.parents[1] / "defilev" / "config" / "addresses"
CALLS = BOOKS.parent / "policies"
EXECUTOR = HERE.parents[1] / "abis" / "leverage_executor_code.json"  # its code decides its address
MARKETS = {"main": "Main", "prime": "Lido", "etherfi": "EtherFi"}  # ours: the package's
APART = ("compound-v3", "sequencer_uptime_feed")
PACKAGES = {
    "@aave-dao/aave-address-book@4.68.1": (
        "sha512-Tw1j/0OGN90m6cpaiNwpizxkBq4XzVgJqhz/fWdq9wF7yc2MAghVrsRWrCICBUiG+P7GKYd84mwULH0XVW3QTA=="
    ),
    "@gmx-io/sdk@1.4.0": (
        "sha512-Cv9xCeYViYx2tUttEYRrDST4qu6+who4+ovSGlHdDPYuRWO3/j3rY/6JmakVPwEiWyIrkXPoWaeUD8FhpsQdvw=="
    ),
    "@morpho-org/morpho-ts@2.8.0": (
        "sha512-I+fSrYjx8VYHgzaTGUdGmxKM7qDrOWNBM4Yz/6hgum2tlCcgb5MN1sJVgztbO4nOk5C9Ly9I752CiyyYr2oeOg=="
    ),
    "@oasisdex/addresses@0.1.92": (
        "sha512-cj8xj7PuT9ZEVoF9IhfghRsmrW/ui/Jz3CUyCP2x3gQ5mdf6rKgMe8PPwtrpfVCgcBYWn/wpN0L9JO8EuIy8Zw=="
    ),
    "@perp/curie-deployments@2023.4.12-1681295833590": (
        "sha512-NJbTy3frix5AQS5Bk/littykkmQ/m1rFD5HUQG8b0SDVGsqvIsSr5NSlhwb+UGJS7EHtgxevh4P4dTPc4dN6lQ=="
    ),
    "@protocolink/logics@0.4.8": (
        "sha512-lmUplG0GYvIjcpEIVEXFi8zcb7Lxqzj+LrE/sxSEgFNs5zzeOXWczwdicAL+clJBixUs7dX6/Zlr+3qnyWswhQ=="
    ),
    "@uniswap/sdk-core@7.19.4": (
        "sha512-jV9qVMMD6qvEATgfFnZ3QgrhIMv5lullzeGPWjyC4+sUctatft+1M+OtAZxxjbFm8NQfJA73hqIeFPOg4cUyoA=="
    ),
    "@uniswap/smart-order-router@4.31.10": (
        "sha512-Bmg46KXDSfE1AAf1tPg+vDzMngVoGfzdohekhjJ1hIQG13tXcjEykqapQy+CrJUqXLL3lQvZj2uVEKfzCNH74Q=="
    ),
    "viem@2.57.20": "sha512-LSvREzKT7xFXpmxW2YFJ/OtcZRkSGLp5zywSgadBf0qQCeqh2+FxHHWyrS2zEG7ZfBWQQvk8HI1i4HPzSMD14g==",
}


def unpack(spec: str, integrity: str, folder: Path) -> None:
    """Fetch one package, check its sha512 and unpack it under its short name."""
    packed = subprocess.run(
        ["npm", "pack", spec, "--silent"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout.split()[-1]
    archive = folder / packed
    found = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
    if found != integrity:
        sys.exit(f"error: {spec} has {found}, expected {integrity}\nfix: review the package before pinning it again")
    with tarfile.open(archive) as tar:
        tar.extractall(folder / "unpacking", filter="data")
    name = spec.rpartition("@")[0].removeprefix("@").replace("/", "-")
    (folder / "unpacking" / "package").rename(folder / name)


def published() -> dict[str, Any]:
    """Return what the packages say, by chain id."""
    with tempfile.TemporaryDirectory() as scratch:
        for spec, integrity in PACKAGES.items():
            unpack(spec, integrity, Path(scratch))
        answer = subprocess.run(
            ["node", HERE / "published.cjs", scratch], check=True, capture_output=True, text=True
        ).stdout
    found: dict[str, Any] = json.loads(answer)
    return found


def first_created(creator: str) -> str:
    """Return the address of the first contract that a contract creates."""
    nonce = 1
    return "0x" + keccak(bytes([0xD6, 0x94, *bytes.fromhex(creator[2:]), nonce]))[12:].hex()


def expected(section: str, market: str, key: str, address: str, chain: dict[str, Any]) -> str | None:
    """Return the published address of one entry of a book, None when no package names it.

    Packages name SparkLend's pool, and an address provider's first creation is its pool: so the provider is told.
    """
    if section == "compound-v3":
        comet: str | None = chain["comets"].get(market)
        return comet
    if section == "sparklend":
        return address if first_created(address) == str(chain["pools"]["Spark"]).lower() else None
    table = chain.get(section, {})
    if section == "aave-v3":
        table = {"pool_addresses_provider": table.get(MARKETS.get(market, ""))}
    if key == "ens_registry":
        return str(ENS_MAINNET_ADDR)
    found: str | None = table.get(key)
    return found


def entries(book: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Return section, market ("" if none), key and value of every address and first block in a book."""
    found = []
    for section, table in book.items():
        for name, value in table.items():
            if isinstance(value, dict):
                found += [(section, name, key, str(own)) for key, own in value.items()]
            elif re.match("0x", str(value)):
                found.append((section, "", name, value))
    return found


def listed(calls: dict[str, Any], chain: dict[str, Any]) -> list[tuple[str, str, str | None]]:
    """Return name, address and published address of every contract in a list of calls."""
    found = []
    for contract in calls["contract"]:
        name = contract.get("name", "")
        if name == "sparklend/main":
            found.append((name, contract["address"], chain["pools"]["Spark"]))
        elif name == "leverage-executor":
            found.append((name, contract["address"], json.loads(EXECUTOR.read_text())["address"]))
        elif name.startswith("compound-v3/"):
            found.append((name, contract["address"], chain["comets"].get(name.removeprefix("compound-v3/"))))
        elif name.startswith("aave-v3/"):
            found.append((name, contract["address"], chain["pools"].get(MARKETS[name.removeprefix("aave-v3/")])))
        elif name.startswith("perp-curie/"):
            entry = "vault" if contract["role"].endswith("-pool") else "clearing_house"
            found.append((name, contract["address"], chain["perp-curie"][entry]))
        elif name.startswith("morpho-blue/"):
            found.append((name, contract["address"], chain["morpho-blue"]["morpho"]))
        elif name:
            found.append((name, contract["address"], chain.get(name, {}).get("swap_router_02")))
    return found


def compare(where: str, address: str, answer: str | None) -> int:
    """Print one line; return 1 when the address differs or is in no package.

    Packages name a few Comets only, and no uptime feeds. The others were copied from what is named beside them, and are
    told apart.
    """
    is_well_formed = address.isdecimal() or is_checksum_address(address)
    if answer is None and any(part in where for part in APART) and is_well_formed:
        print("apart", where, address, "(in no package; from what is named beside it)")
        return 0
    same = answer is not None and answer.lower() == address.lower() and is_well_formed
    print("ok   " if same else "WRONG", where, address, "" if same else f"(published: {answer})")
    return 0 if same else 1


def main() -> int:
    """Print one line an address; return 1 when one differs or is in no package."""
    wrong = 0
    packages = published()
    for path in sorted(BOOKS.glob("*.toml")):
        book = tomllib.loads(path.read_text())
        for section, market, key, address in entries(book):
            answer = expected(section, market, key, address, packages[str(book["chain"]["id"])])
            wrong += compare(".".join(part for part in (path.stem, section, market, key) if part), address, answer)
    for path in sorted(CALLS.glob("*.toml")):
        calls = tomllib.loads(path.read_text())
        for name, address, answer in listed(calls, packages[str(calls["chain"]["id"])]):
            wrong += compare(f"calls {path.stem}.{name}", address, answer)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
