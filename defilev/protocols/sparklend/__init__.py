"""SparkLend: a fork of Aave v3.0, with debt at a stable rate and e-modes that may have a price source of their own."""

from __future__ import annotations

from dataclasses import replace

from defilev.protocols.aave_family import ABILITIES, AaveFamily

__all__ = ["SPARKLEND"]

SPARKLEND = AaveFamily("sparklend", replace(ABILITIES, versions=("3.0",)))
