"""Rules, readings and rules files of the guard."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

from defilev.guard.reading import Reading
from defilev.model.guard_rules import AccountRule, Budget, RuleGoal, TierRule, Trigger
from defilev.model.request import Address
from tests.factories import BLOCK, OWNER, USDC, WETH, a_borrow, a_supply, an_account

__all__ = ["PAYER", "a_reading", "a_rule", "rules_file", "rules_text"]

PAYER = Address("0xa0Ee7A142d267C1f36714E4a8F75612F20a79720")
GWEI = 10**9

_TIERS: dict[Any, TierRule] = {
    "normal": TierRule(None, Decimal("0.003"), Decimal("0.003"), 100 * GWEI, None, 60),
    "urgent": TierRule(Decimal("1.1"), Decimal("0.01"), Decimal("0.01"), 500 * GWEI, None, 12),
    "emergency": TierRule(Decimal("1.04"), Decimal("0.03"), Decimal("0.03"), 2000 * GWEI, None, 12),
}


def a_rule(**change: Any) -> AccountRule:
    """Return the rule of an account that a reserve takes from below 1.3 to 1.6, armed again from 1.45."""
    usual = AccountRule(
        name="main",
        owner=OWNER,
        protocol="aave-v3",
        market="main",
        chain="local",
        authority="reserve",
        triggers=(Trigger("health", acts=True, limit=Decimal("1.3")),),
        goal=RuleGoal("health-factor", Decimal("1.6")),
        tiers=_TIERS,
        budget=Budget(),
        rearm=Decimal("1.45"),
        payer=PAYER,
    )
    return replace(usual, **change)


def a_reading(debt: str = "100000", *, price: str = "3000", at: int = 0, **change: Any) -> Reading:
    """Return 50 WETH at `price` against `debt` USDC, `at` seconds and a block for each twelve after the usual one."""
    block = replace(BLOCK, number=BLOCK.number + at // 12, timestamp=BLOCK.timestamp + at)
    legs = [a_supply(WETH, "50", price, threshold=8300)]
    if Decimal(debt):
        legs.append(a_borrow(USDC, debt, "1"))
    account = an_account(*legs, block=block)
    prices = {"WETH": Decimal(price), "USDC": Decimal(1)}
    return replace(Reading(account=account, prices=prices), **change)


def rules_text(*, guard: Mapping[str, object] | None = None, triggers: str | None = None, **account: object) -> str:
    """Return a rules file with one account; what is given replaces, and `None` leaves out, what is usual."""
    usual: dict[str, object] = {
        "name": '"main"',
        "owner": f'"{OWNER}"',
        "protocol": '"aave-v3"',
        "chain": '"local"',
        "authority": '"reserve"',
        "payer": f'"{PAYER}"',
        "goal": '{ health_factor = "1.6" }',
    }
    usual |= account
    lines = ["[guard]", *(f"{key} = {value}" for key, value in (guard or {}).items()), "[[account]]"]
    lines += [f"{key} = {value}" for key, value in usual.items() if value is not None]
    return "\n".join([*lines, triggers or '[[account.trigger]]\nkind = "health"\nbelow = "1.3"', ""])


def rules_file(path: Path, **said: Any) -> Path:
    """Write a rules file."""
    path.write_text(rules_text(**said))
    return path
