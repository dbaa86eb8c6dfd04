"""The short messages that Perp v2's contracts revert with, in words; from their sources."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["REASONS"]

REASONS: Mapping[str, str] = {
    "CH_TE": "the deadline of the trade has passed",
    "CH_MNO": "the market is not open",
    "CH_NEFCI": "too little margin for a larger position",
    "CH_NEFCM": "too little margin for what would remain",
    "CH_TLRS": "the sale brings less than its limit",
    "CH_TMRS": "the sale takes more than its limit",
    "CH_TLRL": "the purchase brings less than its limit",
    "CH_TMRL": "the purchase costs more than its limit",
    "CH_PSZ": "there is no position to close",
    "EX_OPLAS": "the price would move further than one block may move it",
    "EX_OPB": "the market would stand further from its index than it may",
    "EX_MIP": "the market is paused",
    "V_GTSTBC": "the vault takes no more of the settlement token",
    "V_NEFC": "too little free collateral to withdraw that much",
    "V_ZA": "nothing was to be deposited",
    "V_IBA": "the vault received another amount than was sent",
}
