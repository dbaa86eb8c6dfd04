"""Decisions of a guard, to tell, to write down and to show."""

from __future__ import annotations

from typing import Any

from defilev.model.guard import Decision, Fired
from defilev.model.request import Address, Block

__all__ = ["a_decision"]


def a_decision(**change: Any) -> Decision:
    """Return the decision to deleverage an account at block 100."""
    usual: dict[str, Any] = {
        "account": "main",
        "owner": Address("0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC"),
        "protocol": "aave-v3",
        "market": "main",
        "block": Block(number=100, hash="0xb10c", timestamp=1_767_225_600),
        "authority": "reserve",
        "health_factor": 1_210_000_000_000_000_000,
        "collateral_value": 166_277 * 10**8,
        "debt_value": 98_390 * 10**8,
        "quote_decimals": 8,
        "fired": (Fired("health", "1.21", "1.3"),),
        "verdict": "act",
        "reason": "health factor 1.210 is below 1.3",
        "next_check": 1_767_225_612,
        "tier": "normal",
    }
    return Decision(**(usual | change))
