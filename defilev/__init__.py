"""Reads leveraged on-chain positions to the wei; plans, tries and sends the way out of liquidation's reach."""

__version__ = "0.1.0"
