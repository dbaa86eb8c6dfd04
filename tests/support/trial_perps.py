"""Calls of Perp v2 that a signer must sign, and those that it must never, built without a state."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from defilev.abi import encode, keccak
from defilev.model.request import Address
from tests.factories import USDC
from tests.support.signing import PolicyToken

__all__ = ["HOUSE", "ILLEGAL_PERPS", "LEGAL_PERPS", "PERP_TOKENS", "VAULT", "VBTC", "VETH", "perp_call"]

VAULT = "0xAD7b4C162707E0B2b5f6fdDbD3f8538A5fbA0d60"
HOUSE = "0x82ac2CE43e33683c58BE4cDc40975E73aA50f459"
VETH = Address("0x8C835DFaA34e2AE61775e80EE29E2c724c6AE2BB")
VBTC = Address("0x86f1e0420c26a858fc203A3645dD1A36868F18e5")
UNLISTED = Address("0x34235C8489b06482A99bb7fcaB6d7c467b92d248")
PERP_TOKENS = (
    PolicyToken("vETH", VETH, 18, "3000", position="long"),
    PolicyToken("vBTC", VBTC, 18, "90000", position="short"),
)
OPEN = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
CLOSE = "closePosition((address,uint160,uint256,uint256,bytes32))"
DEPOSIT = "depositFor(address,address,uint256)"
LARGEST = 90_000
UNIT = 10**18
NONE = bytes(32)

Named = tuple[str, str, bytes]


def perp_call(signature: str, *values: Any) -> bytes:
    """Return the calldata of a function, whose one argument may be a struct."""
    inside = signature[signature.index("(") + 1 : -1]
    types = [inside] if inside.startswith("(") else inside.split(",")
    return keccak(signature.encode())[:4] + encode(types, list(values))


def _reduction(random: Random, **change: Any) -> bytes:
    """Less of the long in vETH, or of the short in vBTC, within two per cent of the price."""
    is_sale = change.pop("is_sale", random.random() < 0.5)
    base, price = (VETH, 3_000) if is_sale else (VBTC, 90_000)
    amount = random.randrange(UNIT // 1000, LARGEST * UNIT // price)
    limit = amount * price * (98 if is_sale else 102) // 100
    usual: dict[str, Any] = {
        "base": base, "is_sale": is_sale, "exact": is_sale, "amount": amount, "limit": limit,
        "deadline": random.randrange(2**32), "price_limit": 0, "referral": NONE,
    }  # fmt: skip
    return perp_call(OPEN, tuple((usual | change).values()))


def _closing(random: Random, **change: Any) -> bytes:
    usual: dict[str, Any] = {
        "base": random.choice((VETH, VBTC)), "price_limit": 0, "limit": random.randrange(1, 10**24),
        "deadline": random.randrange(2**32), "referral": NONE,
    }  # fmt: skip
    return perp_call(CLOSE, tuple((usual | change).values()))


def _reduce(random: Random, owner: str, other: str) -> list[Named]:
    del owner, other
    return [("reduce", HOUSE, _reduction(random))]


def _close(random: Random, owner: str, other: str) -> list[Named]:
    del owner, other
    return [
        ("close", HOUSE, _closing(random)),
        ("withdraw all", VAULT, perp_call("withdrawAll(address)", USDC.address)),
    ]


def _margin(random: Random, owner: str, other: str) -> list[Named]:
    amount = random.randrange(1, LARGEST * 10**6)
    approval = perp_call("approve(address,uint256)", VAULT, amount)
    deposit = perp_call(DEPOSIT, random.choice((owner, other)), USDC.address, amount)
    return [("approve", USDC.address, approval), ("add margin", VAULT, deposit)]


LEGAL_PERPS = (_reduce, _close, _margin)
"""Rounds for an owner and a protected account."""


def _some(random: Random) -> int:
    return random.randrange(1, 2**64)


def _stranger(random: Random) -> str:
    return "0x" + random.randbytes(20).hex()


ILLEGAL_PERPS: Mapping[str, tuple[str, Callable[[Random], bytes]]] = {
    "more of a long": (HOUSE, lambda random: _reduction(
        random, is_sale=False, base=VETH, amount=UNIT, limit=3_000 * UNIT)),
    "more of a short": (HOUSE, lambda random: _reduction(
        random, is_sale=True, base=VBTC, amount=UNIT // 10, limit=9_000 * UNIT)),
    "a trade far below the price": (HOUSE, lambda random: _reduction(
        random, is_sale=True, amount=UNIT, limit=random.randrange(1, 2_399 * UNIT))),
    "a trade far above the price": (HOUSE, lambda random: _reduction(
        random, is_sale=False, amount=UNIT, limit=random.randrange(94_501 * UNIT, 2**200))),
    "a trade at any price": (HOUSE, lambda random: _reduction(random, limit=0)),
    "a trade of nothing": (HOUSE, lambda random: _reduction(random, amount=0)),
    "a trade of an amount of quote": (HOUSE, lambda random: _reduction(random, is_sale=True, exact=False)),
    "a trade with a price limit": (HOUSE, lambda random: _reduction(random, price_limit=_some(random))),
    "a trade with a referral": (HOUSE, lambda random: _reduction(random, referral=random.randbytes(32))),
    "a trade that is too large": (HOUSE, lambda random: _reduction(
        random, is_sale=True, amount=random.randrange(34, 10**6) * UNIT, limit=10**30)),
    "a trade in another market": (HOUSE, lambda random: _reduction(random, base=UNLISTED)),
    "close in another market": (HOUSE, lambda random: _closing(random, base=UNLISTED)),
    "close a token that is no market": (HOUSE, lambda random: _closing(random, base=USDC.address)),
    "close at any price": (HOUSE, lambda random: _closing(random, limit=0)),
    "trade for somebody else": (HOUSE, lambda random: keccak(
        b"openPositionFor(address,(address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
    )[:4] + encode(["address"], [_stranger(random)]) + _reduction(random)[4:]),
    "margin for a stranger": (VAULT, lambda random: perp_call(DEPOSIT, _stranger(random), USDC.address, _some(random))),
    "margin of nothing": (VAULT, lambda random: perp_call(DEPOSIT, _stranger(random), USDC.address, 0)),
    "take margin out": (VAULT, lambda random: perp_call("withdraw(address,uint256)", USDC.address, _some(random))),
    "let somebody trade": (HOUSE, lambda random: perp_call("approve(address,uint8)", _stranger(random), 1)),
}  # fmt: skip
"""By what is wrong with it: the contract and its calldata."""
