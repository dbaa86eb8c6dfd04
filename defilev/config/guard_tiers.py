"""Tiers as they are written in a rules file: three, each looser than the one before, none beyond its bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

from defilev.config.guard_tables import TierTable
from defilev.config.guard_triggers import Refuse
from defilev.model.guard import Tier
from defilev.model.guard_rules import LARGEST_SLIPPAGE, MOST_GAS_PRICE, TIERS, TierRule

__all__ = ["tiers_from"]

GWEI = 10**9
_URGENT = Decimal("1.1")
"""Where the second tier begins when nothing is written; the third begins at two fifths of the way from 1 to it."""

_DEFAULTS: Mapping[Tier, TierRule] = {
    "normal": TierRule(None, Decimal("0.003"), Decimal("0.003"), 100 * GWEI, None, 60),
    "urgent": TierRule(None, Decimal("0.01"), Decimal("0.01"), 500 * GWEI, None, 12),
    "emergency": TierRule(None, Decimal("0.03"), Decimal("0.03"), MOST_GAS_PRICE, None, 12),
}


def tiers_from(written: Mapping[Tier, TierTable], *, highest: Decimal | None, refuse: Refuse) -> dict[Tier, TierRule]:
    """Return every tier, the defaults where nothing is written.

    Args:
        written: what stands in the file.
        highest: the highest health factor that sets off an action, `None` when health sets off none.
        refuse: raises with what is wrong.
    """
    usual = _usual(highest)
    found = {tier: _tier(tier, written.get(tier), usual[tier], refuse) for tier in TIERS}
    _require_begun(found, highest, refuse)
    _require_looser(found, refuse)
    return found


def _usual(highest: Decimal | None) -> dict[Tier, TierRule]:
    """Return the defaults, which never begin above the trigger."""
    urgent = _URGENT if highest is None else min(_URGENT, highest)
    begins = {"normal": None, "urgent": urgent, "emergency": 1 + (urgent - 1) * Decimal("0.4")}
    return {tier: replace(rule, below=begins[tier]) for tier, rule in _DEFAULTS.items()}


def _tier(tier: Tier, table: TierTable | None, usual: TierRule, refuse: Refuse) -> TierRule:
    if table is None:
        return usual
    if tier == "normal" and table.below is not None:
        refuse("tier normal has no below: it is where the others have not begun")
    rule = TierRule(
        below=table.below or usual.below,
        slippage=table.slippage or usual.slippage,
        divergence=table.divergence or table.slippage or usual.divergence,
        gas_price=table.gas_price or usual.gas_price,
        size=table.size,
        every=table.every or usual.every,
    )
    most = LARGEST_SLIPPAGE[tier]
    for name, found in (("slippage", rule.slippage), ("divergence", rule.divergence)):
        if found > most:
            refuse(f"tier {tier}: {name} {found:.3%} is above {most:.0%}, which no file may exceed")
    if rule.gas_price > MOST_GAS_PRICE:
        refuse(f"tier {tier}: gas_price is above {MOST_GAS_PRICE // GWEI} gwei, which no file may exceed")
    return rule


def _require_begun(tiers: Mapping[Tier, TierRule], highest: Decimal | None, refuse: Refuse) -> None:
    urgent, emergency = tiers["urgent"].below or Decimal(0), tiers["emergency"].below or Decimal(0)
    if not 1 < emergency < urgent:
        refuse(
            f"tiers: emergency begins at {emergency} and urgent at {urgent}; emergency begins above 1 and below urgent"
        )
    if highest is not None and urgent > highest:
        refuse(f"tier urgent begins at {urgent}, above the highest health trigger {highest}")


def _require_looser(tiers: Mapping[Tier, TierRule], refuse: Refuse) -> None:
    normal, urgent, emergency = (tiers[tier] for tier in TIERS)
    if not normal.slippage <= urgent.slippage <= emergency.slippage:
        refuse("tiers: slippage rises from normal to emergency")
    if not normal.gas_price <= urgent.gas_price <= emergency.gas_price:
        refuse("tiers: gas_price rises from normal to emergency")
    if not normal.every >= urgent.every >= emergency.every:
        refuse("tiers: every falls from normal to emergency")
