"""A real Safe on the local chain: its published contracts at their own addresses, and one with a position."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from defilev.abi import checksum, encode, interface, keccak
from defilev.model.request import Address
from tests.support.wallets import give
from tests.support.world import ROOT, World

__all__ = [
    "FALLBACK_HANDLER",
    "OLD_SAFE",
    "OLD_SAFE_L2",
    "OWNERS",
    "Treasury",
    "creation_code",
    "deploy_old_safes",
    "deploy_safes",
    "new_safe",
    "open_treasury",
]

DEPLOYER = Address("0x914d7Fec6aaC8cd542e72Bca78B30650d45643d7")
"""The contract from which the Safe's own are deployed on every chain, by CREATE2 with salt zero."""

DEPLOYER_CODE = (
    "0x7fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffe0"
    "3601600081602082378035828234f58015156039578182fd5b8082525050506014600cf3"
)
FACTORY = Address("0x4e1DCf7AD4e460CfD30791CCC4F9c8a4f820ec67")
SAFE = Address("0x41675C099F32341bf84BFc5382aF534df5C7461a")
SAFE_L2 = Address("0x29fcB43b46531BcA003ddC8FCB67FFE91900C762")
MULTI_SEND = Address("0x9641d764fc13c8B624c04430C7356C1C7C8102e2")
FALLBACK_HANDLER = Address("0xfd0732Dc9E303f09fCEf3a7388Ad10A83459Ec99")
ARTIFACTS = {
    FACTORY: "proxies/SafeProxyFactory.sol/SafeProxyFactory.json",
    SAFE: "Safe.sol/Safe.json",
    SAFE_L2: "SafeL2.sol/SafeL2.json",
    MULTI_SEND: "libraries/MultiSendCallOnly.sol/MultiSendCallOnly.json",
    FALLBACK_HANDLER: "handler/CompatibilityFallbackHandler.sol/CompatibilityFallbackHandler.json",
}
OLD_DEPLOYER = Address("0x4e59b44847b379578588920cA78FbF26c0B4956C")
"""The contract of the same code from which Safe 1.3.0 was deployed."""

OLD_SAFE = Address("0xd9Db270c1B5E3Bd161E8c8503c55cEABeE709552")
OLD_SAFE_L2 = Address("0x3E5c63644E683549055b9Be8653de26E0B4CD36E")
OLD_ARTIFACTS = {OLD_SAFE: "GnosisSafe.sol/GnosisSafe.json", OLD_SAFE_L2: "GnosisSafeL2.sol/GnosisSafeL2.json"}
OLD_PACKAGE = (
    "@gnosis.pm/safe-contracts",
    "1.3.0",
    "sha512-1p+1HwGvxGUVzVkFjNzglwHrLNA67U/axP0Ct85FzzH8yhGJb4t9jDjPYocVMzLorDoWAfKicGy1akPY9jXRVw==",
)
"""Name, version and integrity of the package, fetched as the local chain's own are."""

OWNERS = ("comfortable", "mixed", "loop")
"""Accounts of the local chain whose keystores are there."""

NOBODY = "0x" + 40 * "0"


@cache
def _artifacts() -> Path:
    printed = subprocess.run([ROOT / "scripts" / "world", "safe"], check=True, capture_output=True, text=True)
    return Path(printed.stdout.strip())


@cache
def creation_code(artifact: str) -> bytes:
    """Return the creation code in the package, by the path of its artifact."""
    return bytes.fromhex(json.loads((_artifacts() / artifact).read_text())["bytecode"][2:])


@cache
def _old_artifacts() -> Path:
    """Return where the contracts of Safe 1.3.0 are, fetched when they are missing."""
    program = (
        "import sys; from localworld.fetch import _fetch_npm; from localworld.pins import NpmPin; "
        "from localworld.layout import ensure_cache; ensure_cache(); pin = NpmPin(*sys.argv[1:]); "
        "_fetch_npm(pin); print(pin.folder)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "scripts" / "world.d")}
    command = [sys.executable, "-c", program, *OLD_PACKAGE]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return Path(printed.stdout.strip()) / "build" / "artifacts" / "contracts"


def deploy_old_safes(world: World) -> None:
    """Deploy the implementations of Safe 1.3.0 as they are deployed everywhere, to their own addresses."""
    world.rpc("anvil_setCode", OLD_DEPLOYER, DEPLOYER_CODE)
    for address, artifact in OLD_ARTIFACTS.items():
        code = bytes.fromhex(json.loads((_old_artifacts() / artifact).read_text())["bytecode"][2:])
        sent = world.send(_operator(world), OLD_DEPLOYER, bytes(32) + code, gas=8_000_000)
        assert "0x1" == sent["status"], artifact
        assert world.node.code(address), artifact


def deploy_safes(world: World) -> None:
    """Deploy the five contracts as they are deployed everywhere, to their own addresses."""
    world.rpc("anvil_setCode", DEPLOYER, DEPLOYER_CODE)
    for address, artifact in ARTIFACTS.items():
        sent = world.send(_operator(world), DEPLOYER, bytes(32) + creation_code(artifact), gas=8_000_000)
        assert "0x1" == sent["status"], artifact
        assert world.node.code(address), artifact


def new_safe(
    world: World, owners: Sequence[Address], threshold: int, *, singleton: Address = SAFE, salt: int = 0
) -> Address:
    """Return a new Safe of `owners`, made by the factory."""
    arguments = (list(owners), threshold, NOBODY, b"", FALLBACK_HANDLER, NOBODY, 0, NOBODY)
    types = ["address[]", "uint256", "address", "bytes", "address", "address", "uint256", "address"]
    signature = f"setup({','.join(types)})".encode()
    setup = keccak(signature)[:4] + encode(types, arguments)
    made = encode(["address", "bytes", "uint256"], [singleton, setup, salt])
    receipt = world.send(_operator(world), FACTORY, keccak(b"createProxyWithNonce(address,bytes,uint256)")[:4] + made)
    assert "0x1" == receipt["status"]
    created = "0x" + keccak(b"ProxyCreation(address,address)").hex()
    (topics,) = (log["topics"] for log in receipt["logs"] if log["topics"][0] == created)
    return checksum("0x" + topics[1][-40:])


@dataclass(frozen=True)
class Treasury:
    """A Safe of three owners of whom two must sign, with a position on Aave."""

    world: World
    address: Address
    owners: tuple[Address, ...]

    def call(self, function: str, *arguments: object) -> object:
        """Return the first thing that the Safe answers."""
        asked = interface("safe")[function]
        data = "0x" + asked.encode(*arguments).hex()
        answer = self.world.rpc("eth_call", {"to": self.address, "data": data}, "latest")
        return asked.decode_one(bytes.fromhex(answer[2:]))

    def by_itself(self, data: bytes) -> None:
        """Make the Safe call itself, as its owners could have it do."""
        assert "0x1" == self.world.send(self.address, self.address, data)["status"]


def open_treasury(
    world: World, *, threshold: int = 2, supply: str = "50", borrow: str = "60000", singleton: Address = SAFE
) -> Treasury:
    """Deploy the contracts, make a Safe, and let it supply WETH and borrow USDC; it has no ether of its own."""
    deploy_safes(world)
    owners = tuple(world.account(name) for name in OWNERS)
    safe = new_safe(world, owners, threshold, singleton=singleton)
    pool, weth, usdc = world.pool("main"), world.token("WETH"), world.token("USDC")
    amount = int(supply) * 10**18
    give(world, "WETH", safe, amount)
    spending = keccak(b"transfer(address,uint256)")[:4]
    calls = [
        (weth, interface("erc20")["approve"].encode(pool, amount)),
        (pool, interface("aave_v3_pool")["supply"].encode(weth, amount, safe, 0)),
        (pool, interface("aave_v3_pool")["borrow"].encode(usdc, int(borrow) * 10**6, 2, 0, safe)),
        (usdc, spending + encode(["address", "uint256"], [FACTORY, int(borrow) * 10**6])),
    ]
    for to, data in calls:
        assert "0x1" == world.send(safe, to, data)["status"]
    world.rpc("anvil_setBalance", safe, "0x0")
    world.rpc("anvil_stopImpersonatingAccount", safe)
    return Treasury(world, safe, owners)


def _operator(world: World) -> Address:
    return Address(world.description["operators"][1]["address"])
