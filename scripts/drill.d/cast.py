"""Who is in a drill: accounts in pairs that are alike, one of which is guarded, their reserves, keys and rules."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Literal

from defilev.abi import encode, interface, keccak
from defilev.execute.keystore import address_of, import_keystore
from defilev.execute.secret import Secret
from defilev.model.request import Address
from tests.support.wallets import approve, give
from tests.support.world import World

PASSWORD = b"a drill, and nothing else"
WORK_FACTOR = 2**4
"""Cheap: these keys hold nothing outside the local chain."""

THRESHOLDS = {"WETH": 0.83, "wstETH": 0.81}
PRICES = {"WETH": 3000.0, "wstETH": 3660.0}
DECIMALS = {"USDC": 6, "DAI": 18}
GAS_MONEY = 20 * 10**18
SLIPPAGES = {"normal": 0.02, "urgent": 0.05, "emergency": 0.1}
"""What a sale of each tier may lose against the feeds: the most that rules may say."""

GAS_PRICES = {"normal": 600, "urgent": 1000, "emergency": 2000}
"""Gwei that each tier pays."""

DEPTHS = {"urgent": 0.9, "emergency": 0.4}
"""Where a tier begins, as the part of the way from liquidation to the trigger."""

LOW, HIGH = 0.8, 1.04
"""Between which health factors accounts would be at the path's lowest price if nothing were done."""

LEAST = 1.06
"""The lowest health that an account begins with: the market lends no more."""

SHORT = 0.5
"""Of what keeps an account from liquidation at the lowest price, the part that a reserve which is too small holds."""

Authority = Literal["reserve", "owner", "alert-only"]
KINDS: tuple[Authority, ...] = ("reserve", "owner", "reserve", "owner", "alert-only")
SHORT_OF_TEN = (5,)
"""Which of ten accounts have a reserve that is too small."""


@dataclass(frozen=True)
class Part:
    """One guarded account as it begins, and its twin without a guard.

    `collateral` is worth `value` dollars, the debt is `owed` dollars of `debt`. `reserve` are the dollars that the
    payer holds: nothing where the authority is another. Prices are multiples of the first one.
    """

    name: str
    authority: Authority
    collateral: str
    debt: str
    value: float
    owed: float
    trigger: float
    goal: float
    reserve: float
    owner: Address
    payer: Address
    twin: Address
    twin_payer: Address

    def health(self, price: float) -> float:
        """Return the health factor at a price, when nothing was done."""
        return THRESHOLDS[self.collateral] * self.value * price / self.owed

    def need(self, price: float) -> float:
        """Return the dollars to repay so that the health is the goal at a price: capacity ÷ (debt - x) = goal."""
        return max(self.owed - THRESHOLDS[self.collateral] * self.value * price / self.goal, 0.0)

    def survival(self, price: float) -> float:
        """Return the dollars to repay so that the account is just not liquidatable at a price."""
        return max(self.owed - THRESHOLDS[self.collateral] * self.value * price, 0.0)

    def below(self, tier: str) -> float:
        """Return the health factor at which a tier begins."""
        return round(1 + (self.trigger - 1) * DEPTHS[tier], 3)

    def tier(self, health: float) -> str:
        """Return the tier that a health factor is in."""
        return next((tier for tier in ("emergency", "urgent") if health < self.below(tier)), "normal")

    @property
    def actor(self) -> Address | None:
        """Return whose key the guard has."""
        return {"reserve": self.payer, "owner": self.owner, "alert-only": None}[self.authority]


def cast(count: int, *, lowest: float, seed: int) -> list[Part]:
    """Return `count` accounts that a fall to `lowest` takes near liquidation or past it.

    Each begins a little above its trigger, whose distance is its own; every fourth reserve is too small to save it.
    """
    chance = random.Random(seed)  # noqa: S311 - a drill is to be repeatable
    return [_part(number, chance, lowest, seed) for number in range(count)]


ROLES = ("owner", "payer", "twin", "twin-payer")


def _part(number: int, chance: random.Random, lowest: float, seed: int) -> Part:
    authority = KINDS[number % len(KINDS)]
    is_short = authority == "reserve" and number % 10 in SHORT_OF_TEN
    collateral, value = chance.choice(("WETH", "wstETH")), float(chance.randrange(40_000, 400_000, 1_000))
    start = max(chance.uniform(LOW, 0.95 if is_short else HIGH) / lowest, LEAST)
    trigger = round(1 + (start - 1) * chance.uniform(0.6, 0.9), 3)
    owed = THRESHOLDS[collateral] * value / start
    keys = [address_of(Secret(_key(seed, number, role))) for role in ROLES]
    goal = round(1 + (start - 1) * 1.25, 3)
    part = Part(authority + f"-{number:02}", authority, collateral, chance.choice(("USDC", "DAI")), value, owed,
                trigger, goal, 0.0, *keys)  # fmt: skip
    if authority != "reserve":
        return part
    reserve = part.survival(lowest) * SHORT if is_short else part.need(lowest) * 1.05
    return replace(part, reserve=max(reserve, 500.0))


def _key(seed: int, number: int, role: str) -> bytes:
    return keccak(f"defilev drill {seed} {number} {role}".encode())


def enter(world: World, parts: Sequence[Part]) -> None:
    """Open every position, guarded or not, and fill the reserves."""
    for part in parts:
        for owner, payer in ((part.owner, part.payer), (part.twin, part.twin_payer)):
            _open(world, part, owner)
            if part.reserve:
                give(world, part.debt, payer, _raw(part.debt, part.reserve))
            for account in (owner, payer):
                world.rpc("anvil_setBalance", account, hex(GAS_MONEY))


def _open(world: World, part: Part, owner: Address) -> None:
    pool, token = world.pool("main"), world.token(part.collateral)
    amount = int(part.value / PRICES[part.collateral] * 10**18)
    give(world, part.collateral, owner, amount)
    approve(world, part.collateral, owner, pool)
    supply = keccak(b"supply(address,uint256,address,uint16)")[:4]
    _must(world, owner, pool, supply + encode(["address", "uint256", "address", "uint16"], [token, amount, owner, 0]))
    borrow = keccak(b"borrow(address,uint256,uint256,uint16,address)")[:4]
    owed = _raw(part.debt, part.owed)
    fields = encode(["address", "uint256", "uint256", "uint16", "address"], [world.token(part.debt), owed, 2, 0, owner])
    _must(world, owner, pool, borrow + fields)
    revoke = interface("erc20")["approve"].encode(pool, 0)
    _must(world, owner, token, revoke)
    sink = keccak(b"transfer(address,uint256)")[:4] + encode(["address", "uint256"], ["0x" + "11" * 20, owed])
    _must(world, owner, world.token(part.debt), sink)


def _must(world: World, sender: Address, to: Address, data: bytes) -> None:
    if world.send(sender, to, data)["status"] != "0x1":
        raise SystemExit(f"{to} refused {data[:4].hex()} of {sender}")


def _raw(symbol: str, dollars: float) -> int:
    scale: int = 10 ** (DECIMALS[symbol] - 2)
    return int(dollars * 100) * scale


def rules(world: World, parts: Sequence[Part], folder: Path, *, lowest: float, seed: int) -> Path:
    """Write keystores and the rules of all parts; return the rules file."""
    password = folder / "password"
    password.write_bytes(PASSWORD + b"\n")
    password.chmod(0o600)
    tables = ["[guard]\nsingle_endpoint = true"]
    for number, part in enumerate(parts):
        tables.append(_table(world, part, folder, fall=1 - lowest))
        if part.actor is not None:
            role = "payer" if part.authority == "reserve" else "owner"
            key = Secret(_key(seed, number, role))
            import_keystore(
                folder / "keys", part.name, private_key=key, password=Secret(PASSWORD), work_factor=WORK_FACTOR
            )
    file = folder / "guard.toml"
    file.write_text("\n".join(tables))
    return file


def _table(world: World, part: Part, folder: Path, *, fall: float) -> str:
    lines = [
        "[[account]]", f'name = "{part.name}"', f'owner = "{part.owner}"', 'protocol = "aave-v3"',
        f'chain = "{world.chain_id}"', f'authority = "{part.authority}"',
        f'goal = {{ health_factor = "{part.goal:.2f}" }}', f'rearm = "{(part.trigger + part.goal) / 2:.3f}"',
        "budget = { runs_per_day = 50 }",
    ]  # fmt: skip
    if part.authority == "reserve":
        lines += [f'payer = "{part.payer}"', f'reserve_for = "{Decimal(fall * 100):.2f}%"']
    if part.authority == "owner":
        lines.append("allow_hot_equity = true")
    if part.actor is not None:
        lines += [f'keystore = "{folder / "keys" / part.name}"', f'password_file = "{folder / "password"}"']
    for tier, share in SLIPPAGES.items():
        lines += [f"[account.tiers.{tier}]", f'slippage = "{share:.0%}"', f'divergence = "{share:.0%}"']
        lines += [f'gas_price = "{GAS_PRICES[tier]}gwei"']
        lines += [f'below = "{part.below(tier)}"'] if tier in DEPTHS else []
    lines += ["[[account.trigger]]", 'kind = "health"', f'below = "{part.trigger:.2f}"']
    return "\n".join(lines)
