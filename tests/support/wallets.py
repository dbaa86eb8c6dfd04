"""What wallets on the local chain hold and allow, and what its contracts answer."""

from __future__ import annotations

from defilev.abi import encode, interface, keccak
from defilev.model.request import Address
from defilev.units import UINT256_MAX
from tests.support.recipes import Opened
from tests.support.world import World

__all__ = ["accepted", "amount_of", "approve", "call", "give", "spend"]


def amount_of(world: World, symbol: str, cents: int) -> int:
    """Return base units worth about `cents`."""
    dollars = {"WETH": 3000, "wstETH": 3660, "WBTC": 90000}.get(symbol, 1)
    return max(cents * 10 ** int(world.description["tokens"][symbol]["decimals"]) // (100 * dollars), 1)


def give(world: World, symbol: str, owner: Address, amount: int) -> None:
    """Put tokens into a wallet."""
    token = world.token(symbol)
    if world.description["tokens"][symbol]["kind"] == "weth9":
        receipt = world.send(owner, token, keccak(b"deposit()")[:4], value=amount)
    else:
        minter = Address(world.description["operators"][0]["address"])
        data = keccak(b"mint(address,uint256)")[:4] + encode(["address", "uint256"], [owner, amount])
        receipt = world.send(minter, token, data)
    assert receipt["status"] == "0x1"


def spend(world: World, symbol: str, owner: Address) -> None:
    """Send everything of a token in a wallet to somebody else, as who borrowed it to buy something."""
    somebody = Address(world.description["operators"][0]["address"])
    held = world.balance(symbol, owner)
    data = interface("erc20")["transfer"].encode(somebody, held)
    assert world.send(owner, world.token(symbol), data)["status"] == "0x1"


def approve(world: World, symbol: str, owner: Address, spender: Address) -> None:
    """Let `spender` take everything."""
    data = interface("erc20")["approve"].encode(spender, UINT256_MAX)
    assert world.send(owner, world.token(symbol), data)["status"] == "0x1"


def accepted(world: World, opened: Opened, pool: Address, data: bytes, what: str) -> bool:
    """Send a call to the pool as the owner; remember it when the pool refuses."""
    if world.send(opened.owner, pool, data)["status"] == "0x1":
        return True
    opened.refused.append(what)
    return False


def call(world: World, to: Address, data: bytes) -> bytes:
    """Ask a contract at the newest block."""
    return bytes.fromhex(world.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")[2:])
