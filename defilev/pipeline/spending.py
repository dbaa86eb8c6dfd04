"""What the last 24 hours moved for an owner, from the journal: the memory behind the limits of a day."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

from defilev.execute.limits import Spending
from defilev.journal import JournalReader
from defilev.model.codec import from_document, parse_json
from defilev.model.plan import Plan, Repay, RepayWithSupply, Withdraw
from defilev.model.request import Address

__all__ = ["JournalSpent"]

DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class JournalSpent:
    """Remembers what was signed for sending; implements `execute.limits.Spent`."""

    journal: JournalReader

    def last_day(self, *, chain_id: int, owner: Address, quote: str) -> Spending:
        """Return all transactions, and the value that was withdrawn or repaid, whichever is more, in that currency."""
        since = (datetime.now(UTC) - DAY).isoformat(timespec="microseconds")
        signed = self.journal.signed_since(since, chain_id=chain_id, account=owner)
        sums = {"withdraw": Fraction(0), "repay": Fraction(0), "repay-with-supply": Fraction(0)}
        for run, steps in signed.items():
            account, plan = self.journal.documents(run)
            for kind, value in _moved(json.loads(account), plan, steps, quote):
                sums[kind] += value
        return Spending(sum(map(len, signed.values())), max(sums.values()))


def _moved(account: Mapping[str, Any], plan: str, steps: set[int], quote: str) -> Iterator[tuple[str, Fraction]]:
    """Yield what the steps of a run that were signed for move, at the prices that it was planned with."""
    if account.get("quote", "USD") != quote:
        return
    legs = account["legs"]
    for step in from_document(Plan, parse_json(plan.encode())).steps:
        for action in step.actions if step.index in steps else ():
            if isinstance(action, Withdraw | Repay | RepayWithSupply):
                side = "supply" if isinstance(action, Withdraw) else "borrow"
                yield action.kind, _worth(legs, side, action.asset.address, action.amount)


def _worth(legs: list[Mapping[str, Any]], side: str, asset: Address, amount: int | None) -> Fraction:
    """Return the value of `amount` base units, of all of the leg's for `None`; an asset without a leg has none."""
    for leg in legs:
        if leg["asset"]["address"] == asset and (amount is not None or leg["side"] == side):
            held = int(leg["amount"]) if amount is None else amount
            scale = int(leg["price"]["decimals"]) + int(leg["asset"]["decimals"])
            return Fraction(held * int(leg["price"]["value"]), 10**scale)
    return Fraction(0)
