"""The pool of WETH and USDC on the local chain: what its provider and its traders do between two looks."""

from __future__ import annotations

from math import floor, isqrt, log
from typing import NamedTuple

from defilev.abi import decode, encode, keccak
from defilev.model.request import Address
from tests.support.world import World

__all__ = ["Withdrawal", "trade_to", "withdrawal_of"]

FIRST_PRICE = 3000 * 10**8
"""What the pool's provider came at, 8 decimals."""

FEE, SPACING, WIDTH = 500, 10, 6000
"""Of the pool: its provider's liquidity reaches so many ticks to either side of its first price."""

TRADER = Address("0x00000000000000000000000000000000C0FFEE12")
WETH, USDC = 10**18, 10**6


class Withdrawal(NamedTuple):
    """A call by which the pool's only provider takes liquidity away."""

    sender: Address
    pool: Address
    data: bytes
    amount: int


def withdrawal_of(world: World, left: int | None) -> Withdrawal:
    """Return the call that leaves one part in `left` of the pool's liquidity, or nothing."""
    pool = Address(world.description["pools"]["WETH/USDC 0.05%"]["address"])
    manager = Address(world.description["uniswap_v3"]["position_manager"])
    tick = floor(log(WETH / USDC * 10**8 / FIRST_PRICE) / log(1.0001))
    lower, upper = ((tick + distance) // SPACING * SPACING for distance in (-WIDTH, WIDTH))
    found = world.rpc("eth_call", {"to": pool, "data": "0x" + keccak(b"liquidity()")[:4].hex()}, "latest")
    (liquidity,) = decode(["uint128"], bytes.fromhex(found[2:]))
    amount = liquidity - (liquidity // left if left is not None else 0)
    data = encode(["int24", "int24", "uint128"], [lower, upper, amount])
    return Withdrawal(manager, pool, keccak(b"burn(int24,int24,uint128)")[:4] + data, amount)


def trade_to(world: World, price: int) -> None:
    """Let somebody buy WETH until the pool's price, 8 decimals, is `price`."""
    router = Address(world.description["uniswap_v3"]["swap_router_02"])
    weth, usdc, amount = world.token("WETH"), world.token("USDC"), 10**15
    world.rpc("anvil_dealERC20", TRADER, usdc, hex(amount))
    allow = keccak(b"approve(address,uint256)")[:4] + encode(["address", "uint256"], [router, amount])
    assert world.send(TRADER, usdc, allow)["status"] == "0x1"
    fields = (usdc, weth, FEE, TRADER, amount, 0, isqrt((10**20 << 192) // price))
    types = "(address,address,uint24,address,uint256,uint256,uint160)"
    swap = keccak(f"exactInputSingle({types})".encode())[:4] + encode([types], [fields])
    assert world.send(TRADER, router, swap)["status"] == "0x1"
