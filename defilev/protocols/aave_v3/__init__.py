"""Aave v3, releases 3.0 to 3.7: the family's rules, under its own name."""

from __future__ import annotations

from defilev.protocols.aave_family import AaveFamily

__all__ = ["AAVE_V3"]

AAVE_V3 = AaveFamily("aave-v3")
