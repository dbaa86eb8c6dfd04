"""What a transaction does, in words, from its bytes alone."""

from __future__ import annotations

from fractions import Fraction

from defilev_signer.calls import ALL, Approve, Borrow, Deposit, Repay, RepayWithSupply, Supply, Swap, Trade, Withdraw
from defilev_signer.policy import ETHER, Policy
from defilev_signer.rules import Judgement

__all__ = ["summary"]


def summary(judged: Judgement, policy: Policy) -> tuple[str, ...]:
    """Return the lines that say what is signed: chain and cost, the call, the hash."""
    transaction = judged.transaction
    cost = _decimal(Fraction(transaction.most_it_can_cost, ETHER), 18)
    head = (
        f"chain {transaction.chain_id} ({policy.chain_name}) · from {policy.account.owner} · nonce {transaction.nonce} "
        f"· costs at most {cost} of the native currency"
    )
    return head, _sentence(judged, policy), f"signing hash 0x{transaction.signing_hash.hex()}"


def _sentence(judged: Judgement, policy: Policy) -> str:
    to = policy.name_of(judged.transaction.to)
    match judged.action:
        case Withdraw() as taken:
            moved, receiver = _moved(taken, policy), policy.name_of(taken.to or policy.account.owner)
            return f"withdraw {moved} from {to}{_market(taken.market)} to {receiver}"
        case Repay() | RepayWithSupply() | Supply() | Borrow() as given:
            return _given(given, to, policy)
        case Deposit() | Trade():
            return _of_perpetuals(judged.action, to, policy)
        case Approve(token, spender, amount):
            return f"allow {policy.name_of(spender)} to take {_amount(token, amount, policy)}"
        case Swap():
            return _swap(judged.action, to, policy)
        case None:
            return f"nothing: uses up nonce {judged.transaction.nonce}"


def _given(action: Repay | RepayWithSupply | Supply | Borrow, to: str, policy: Policy) -> str:
    match action:
        case RepayWithSupply(asset, amount):
            return f"repay {_amount(asset, amount, policy)} at {to} with what is supplied of it"
        case Repay(on_behalf_of=owner):
            return f"repay {_moved(action, policy)} at {to}{_market(action.market)} for {policy.name_of(owner)}"
        case Supply(asset, amount, owner):
            added = _amount(asset, amount, policy)
            return f"supply {added} to {to}{_market(action.market)} for {policy.name_of(owner)}"
        case Borrow(asset, amount, on_behalf_of=owner):
            return f"RAISES RISK: borrow {_amount(asset, amount, policy)} at {to} for {policy.name_of(owner)}"


def _moved(action: Withdraw | Repay, policy: Policy) -> str:
    if action.shares is None:
        return _amount(action.asset, action.amount, policy)
    token = policy.tokens[action.asset]
    return f"what {action.shares} shares are of {token.symbol} ({token.address})"


def _market(market: str | None) -> str:
    return "" if market is None else f", market {market},"


def _swap(action: Swap, to: str, policy: Policy) -> str:
    bought = action.hops[-1].token_out
    steps = (f"{policy.tokens[hop.token_out].symbol} ({hop.fee / 10_000:g} %)" for hop in action.hops)
    route = " → ".join((policy.tokens[action.hops[0].token_in].symbol, *steps))
    return (
        f"sell {_amount(action.hops[0].token_in, action.amount_in, policy)} at {to} "
        f"for at least {_amount(bought, action.minimum_out, policy)} to {policy.name_of(action.recipient)}: {route}"
    )


def _of_perpetuals(trade: Deposit | Trade, to: str, policy: Policy) -> str:
    if isinstance(trade, Deposit):
        return f"add {_amount(trade.asset, trade.amount, policy)} to the margin of {policy.name_of(trade.to)} at {to}"
    base, limit = policy.tokens[trade.base], _decimal(Fraction(trade.quote_limit, ETHER), 18)
    last = f"until the Unix time {trade.deadline}"
    if trade.is_sale is None:
        return f"close the whole position in {base.symbol} ({trade.base}) at {to}, its limit {limit}, {last}"
    amount = _amount(trade.base, trade.amount, policy)
    if trade.is_sale:
        return f"sell {amount} at {to} for at least {limit}, {last}: less of a long, if it is as large"
    return f"buy {amount} at {to} for at most {limit}, {last}: less of a short, if it is as large"


def _amount(place: str, amount: int, policy: Policy) -> str:
    token = policy.tokens[place]
    if amount == ALL:
        return f"all {token.symbol} ({place})"
    return f"{_decimal(Fraction(amount, 10**token.decimals), token.decimals)} {token.symbol} ({amount} of {place})"


def _decimal(value: Fraction, places: int) -> str:
    """Return an exact decimal number without trailing zeros."""
    digits = f"{value.numerator * 10**places // value.denominator:0{places + 1}d}"
    whole, part = digits[: len(digits) - places], digits[len(digits) - places :].rstrip("0")
    return f"{whole}.{part}" if part else whole
