"""Actions that move nothing through the wallet, in words: repaid with supply, counted as collateral, e-modes."""

from __future__ import annotations

from defilev.model.plan import RepayWithSupply, SetCollateral, SetEMode
from defilev.report import figures

__all__ = ["how_switched", "switched"]


def switched(action: RepayWithSupply | SetCollateral | SetEMode) -> str:
    """Return what a step is about: "5 WETH", "all WETH", "WBTC", "1 ETH correlated", "none"."""
    match action:
        case SetCollateral(asset):
            return figures.clean(asset.symbol)
        case SetEMode(category, label):
            return f"{category} {figures.clean(label)}".rstrip() if category else "none"
        case RepayWithSupply(asset, amount):
            symbol = figures.clean(asset.symbol)
            return f"all {symbol}" if amount is None else f"{figures.amount(amount, asset.decimals)} {symbol}"


def how_switched(action: RepayWithSupply | SetCollateral | SetEMode) -> str:
    """Return how it is done, or what it means."""
    match action:
        case SetCollateral(_, enabled):
            return "counts as collateral from here on" if enabled else "counts as collateral no more"
        case SetEMode(category):
            return "the market's own thresholds from here on" if category == 0 else "the thresholds of this e-mode"
        case RepayWithSupply():
            return "with what is supplied of it: no approval, no swap"
