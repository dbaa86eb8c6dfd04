"""What whoever commands this signer could at most take from the account, by its policy alone."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from defilev_signer.policy import ETHER, Policy, Token

__all__ = ["most_that_can_be_lost"]


def most_that_can_be_lost(policy: Policy) -> dict[str, Any]:
    """Return the bounds for any 24 hours, in the tokens' currency at the policy's prices, gas in the native currency.

    `swaps` is what can be lost to whoever takes the other side of sales at the worst allowed price. What can be
    withdrawn, borrowed or left approved stays the owner's; it is stated since it can make a liquidation more likely.
    `trades` is what perpetuals traded at the worst allowed price lose; the signer cannot see a position, so that trades
    beyond it may open the other side, up to `opened_the_other_way`.
    """
    worst, pair = max(
        (_shortfall(sold, bought), f"{sold.symbol} to {bought.symbol}") for sold, bought in _pairs(policy)
    )
    limits, traded = policy.limits, max((_worst_trade(token) for token in _perpetuals(policy)), default=Fraction(0))
    whole = ", or a whole position at any price (may_close)" if _perpetuals(policy) and policy.account.may_close else ""
    everything = ", or everything there is (may_close)" if policy.account.may_close else ""
    return {
        "swaps": f"{float(limits.value_per_day * worst):.2f}",
        "worst_pair": f"{pair}, {float(worst):.2%} below the policy's prices",
        "trades": f"{float(limits.value_per_day * traded):.2f}{whole}",
        "opened_the_other_way": f"{float(limits.value_per_day) if traded else 0:.2f}",
        "gas": f"{limits.gas_cost_per_day / ETHER:g}",
        "withdrawn_to_the_owner": f"{float(limits.value_per_day):.2f}{everything}",
        "borrowed_by_the_owner": f"{float(limits.value_per_day) if policy.account.may_lever else 0:.2f}",
        "left_approved_to_listed_contracts": f"{float(limits.value_per_day):.2f}",
        "sent_elsewhere": "0",
    }


def _pairs(policy: Policy) -> list[tuple[Token, Token]]:
    tokens = [token for token in policy.tokens.values() if token.position is None]
    found = [(sold, bought) for sold in tokens for bought in tokens if sold != bought]
    return found or [(token, token) for token in list(policy.tokens.values())[:1]]


def _perpetuals(policy: Policy) -> list[Token]:
    return [token for token in policy.tokens.values() if token.position is not None]


def _worst_trade(token: Token) -> Fraction:
    """Return which part of its value a trade of a perpetual loses at the worst allowed price."""
    if token.position == "long":
        return 1 - token.lowest_sale / token.price
    return token.highest_purchase / token.price - 1


def _shortfall(sold: Token, bought: Token) -> Fraction:
    """Return which part of the value is lost when `sold` goes for its lowest and `bought` costs its highest price."""
    return 1 - sold.lowest_sale / sold.price * bought.price / bought.highest_purchase
