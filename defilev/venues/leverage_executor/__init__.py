"""The project's own contract that borrows for a moment, repays, takes collateral out and sells it, in one call."""

from __future__ import annotations

from defilev.venues.leverage_executor.lenders import Lender, Market, read_lenders
from defilev.venues.leverage_executor.write import gas, transaction

__all__ = ["Lender", "Market", "gas", "read_lenders", "transaction"]
