"""What a plan says of itself beside what it does: where liquidation moves to, and what decided its size."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from defilev.model.token import Token

__all__ = ["BindingKind", "Bound", "LiquidationPrice"]

BindingKind = Literal[
    "target", "rounds", "wallet", "cap", "collateral", "liquidity", "loan-to-value", "floor", "slippage"
]


@dataclass(frozen=True, slots=True)
class LiquidationPrice:
    """The price of an asset at which the account is liquidated, in quote units, before the plan and after it.

    All assets on its price feed move with it; where no such move liquidates, it moves alone. `side` is where the
    account is liquidatable: `below` for what is supplied, `above` for what is owed. `price_now` is the oracle's.
    `None` where no price of it liquidates then; `after` is for the worst allowed fills, as late as the plan allows.
    """

    asset: Token
    side: Literal["below", "above"]
    price_now: Decimal
    before: Decimal | None
    after: Decimal | None


@dataclass(frozen=True, slots=True)
class Bound:
    """What decided how much a plan does: `kind` is stable, `text` is for people.

    kinds: `target`, what was asked for is reached with no more than it takes; `rounds`, as many as one plan has;
    `wallet`, all that it holds; `cap`, the most that was allowed to be spent; `collateral`, all that may be sold;
    `liquidity`, what the market pays out; `loan-to-value`, the market's limit on what leaves or is borrowed; `floor`,
    the lowest health factor on the way; `slippage`, what the venue takes within it.
    """

    kind: BindingKind
    text: str
