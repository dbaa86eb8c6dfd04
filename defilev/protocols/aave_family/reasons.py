"""What the numeric errors of Aave v3 before 3.4 mean (`Errors.sol`)."""

from __future__ import annotations

__all__ = ["CODES"]

CODES = {
    "26": "invalid amount: zero",
    "27": "reserve inactive",
    "28": "reserve frozen",
    "29": "reserve paused",
    "30": "borrowing not enabled",
    "32": "not enough available user balance",
    "33": "invalid interest rate mode",
    "34": "collateral balance is zero",
    "35": "health factor lower than the liquidation threshold",
    "36": "collateral cannot cover the new borrow",
    "39": "no debt of the selected type",
    "40": "an explicit amount is needed to repay for another account",
    "43": "underlying balance is zero",
    "45": "health factor not below the threshold",
    "46": "collateral cannot be liquidated",
    "47": "this currency is not borrowed by the account",
    "50": "borrow cap exceeded",
    "51": "supply cap exceeded",
    "53": "debt ceiling exceeded",
    "57": "LTV validation failed: collateral with LTV zero must leave first",
    "58": "inconsistent e-mode category",
    "59": "the price oracle sentinel forbids it",
    "60": "asset not borrowable in isolation",
    "62": "account in isolation mode, or LTV zero",
    "89": "siloed borrowing violation",
    "91": "flash loans disabled",
    "93": "underlying cannot be transferred to its own aToken",
    "94": "supply to its own aToken",
    "97": "liquidation grace period",
    "100": "not borrowable in e-mode",
    "103": "a liquidation must not leave dust",
}
