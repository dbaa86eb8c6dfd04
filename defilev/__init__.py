"""Reads leveraged on-chain positions to the wei, says how close they are to liquidation, and plans, tries and sends the way out."""

__version__ = "0.1.0"
