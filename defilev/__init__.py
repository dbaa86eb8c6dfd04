"""Reads leveraged on-chain positions to the wei; plans, tries and sends the way out of liquidation's reach."""

from __future__ import annotations

from defilev.version import __version__

__all__ = ["__version__"]
