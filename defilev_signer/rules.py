"""Holds a transaction against the policy: denied unless every rule allows it; pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor

from defilev_signer.calls import (
    ALL,
    Action,
    Approve,
    Borrow,
    Deposit,
    Repay,
    RepayWithSupply,
    Supply,
    Swap,
    Trade,
    Withdraw,
    read_call,
)
from defilev_signer.errors import Denied
from defilev_signer.policy import MOST_CALLDATA, MOST_GAS, Policy, Token
from defilev_signer.transaction import Transaction

__all__ = ["Call", "Judgement", "judge"]

VARIABLE_RATE = 2
UNLIMITED_FROM = 2**255
MOST_FOLLOWING = 256
_QUOTE_DECIMALS = 18
MOST_NONCE = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Call:
    """A call that comes later, as whoever asks says it does."""

    to: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Judgement:
    """An allowed transaction: `action` is `None` for one that only uses up a nonce.

    The values count against the limits of a day, in the tokens' currency; what is borrowed is withdrawn too.
    """

    transaction: Transaction
    action: Action | None
    withdrawn: Fraction = Fraction(0)
    approved: Fraction = Fraction(0)
    swapped: Fraction = Fraction(0)


def judge(transaction: Transaction, following: Sequence[Call], policy: Policy) -> Judgement:
    """Return the judgement of a transaction that is allowed by itself; nonces and days are the ledger's.

    Args:
        following: what comes after it. Only an approval is held against it: it must be exactly what they take.

    Raises:
        Denied: names the rule.
    """
    _judge_fields(transaction, policy)
    if transaction.to == policy.account.owner:
        _require("data of a transaction to the owner", not transaction.data, "data", "none: it uses up a nonce")
        return Judgement(transaction, None)
    action = _read(Call(transaction.to, transaction.data), policy)
    match action:
        case Withdraw() | Borrow():
            taken = _borrowed(action, policy) if isinstance(action, Borrow) else _withdrawn(action, policy)
            return Judgement(transaction, action, withdrawn=taken)
        case Repay() | RepayWithSupply() | Supply() | Deposit():
            _judge_paid(action, policy)
            return Judgement(transaction, action)
        case Trade():
            return Judgement(transaction, action, swapped=_traded(action, policy))
        case Approve():
            return Judgement(transaction, action, approved=_approved(action, following, policy))
        case Swap():
            return Judgement(transaction, action, swapped=_swapped(action, policy))


def _judge_fields(transaction: Transaction, policy: Policy) -> None:
    limits = policy.limits
    _require("chainId", transaction.chain_id == policy.chain_id, transaction.chain_id, policy.chain_id)
    _at_most("nonce", transaction.nonce, MOST_NONCE)
    _require("value", transaction.value == 0, transaction.value, 0)
    _require("size of the data", len(transaction.data) <= MOST_CALLDATA, len(transaction.data), MOST_CALLDATA)
    _at_most("gas limit", transaction.gas, MOST_GAS)
    _at_most("fee per gas in wei", transaction.fee, limits.fee_per_gas)
    _at_most("tip per gas in wei", transaction.tip, transaction.fee)
    _at_most("wei that it can cost", transaction.most_it_can_cost, limits.transaction_cost)


def _read(call: Call, policy: Policy) -> Action:
    """Return what a call does, if it is one that the policy lists."""
    contract = policy.contracts.get(call.to)
    if contract is None:
        raise Denied("to", found=call.to, allowed="a contract of the policy")
    signature = contract.functions.get(call.data[:4])
    if signature is None:
        listed = ", ".join(contract.functions.values())
        raise Denied("function", found=f"0x{call.data[:4].hex()} of {contract.name}", allowed=listed)
    try:
        action = read_call(signature, call.to, call.data[4:])
    except ValueError as error:
        raise Denied("calldata", found=str(error), allowed=f"the one encoding of {signature}") from None
    if isinstance(action, Withdraw | Repay | Supply) and action.market is not None:
        listed = ", ".join(sorted(contract.markets)) or f"none: the policy lists no markets of {contract.name}"
        _require("market", action.market in contract.markets, action.market, listed)
    return action


def _withdrawn(action: Withdraw, policy: Policy) -> Fraction:
    token = _token("asset", action.asset, policy)
    owner = policy.account.owner
    _require("beneficiary", action.to in (None, owner), action.to, f"the owner, {owner}")
    _require("whose it is", action.of in (None, owner), action.of, f"the owner's, {owner}")
    if action.amount == ALL:
        _require("amount", policy.account.may_close, "everything", "a number, unless the policy says may_close")
        return policy.limits.value_per_transaction
    _require("amount", action.amount > 0, action.amount, "above zero")
    return _within_one("withdrawn value", token.value(action.amount), policy)


def _judge_paid(action: Repay | RepayWithSupply | Supply | Deposit, policy: Policy) -> None:
    if isinstance(action, Repay):
        _judge_repay(action, policy)
        return
    if isinstance(action, RepayWithSupply):
        _judge_terms(action, policy)
        return
    receiver = action.to if isinstance(action, Deposit) else action.on_behalf_of
    _token("asset", action.asset, policy)
    _require("amount", 0 < action.amount < ALL, action.amount, "a number above zero")
    _require("beneficiary", receiver in policy.account.protected, receiver, "a protected account")


def _judge_repay(action: Repay, policy: Policy) -> None:
    account = policy.account
    _judge_terms(action, policy)
    _require("beneficiary", action.on_behalf_of in account.protected, action.on_behalf_of, "a protected account")
    own = action.on_behalf_of == account.owner
    _require("amount for another account", own or action.amount != ALL, "everything", "a number")


def _judge_terms(action: Repay | RepayWithSupply, policy: Policy) -> None:
    _token("asset", action.asset, policy)
    _require("amount", action.amount > 0, action.amount, "above zero")
    mode = action.rate_mode
    _require("interest rate mode", mode in (None, VARIABLE_RATE), mode, f"{VARIABLE_RATE} (variable)")


def _traded(action: Trade, policy: Policy) -> Fraction:
    """Return the value of a trade against a position, which nothing here can see: only the side it is said to have.

    What closing whole brings is held against no price, since its amount is not in the bytes: it needs `may_close`.
    """
    base = _token("market", action.base, policy)
    _require("market", base.position is not None, base.symbol, "one whose token has a position in the policy")
    _require("terms of the trade", action.is_plain, "others", "base, no price limit, no referral")
    _require("limit of the trade", action.quote_limit > 0, action.quote_limit, "above zero")
    if action.amount == ALL:
        _require("amount", policy.account.may_close, "everything", "a number, unless the policy says may_close")
        return policy.limits.value_per_transaction
    side = "long" if action.is_sale else "short"
    _require("side", side == base.position, f"a trade against a {side}", f"one against the {base.position}")
    _require("amount", action.amount > 0, action.amount, "above zero")
    amount = Fraction(action.amount, 10**base.decimals) * 10**_QUOTE_DECIMALS
    if action.is_sale:
        least = max(1, ceil(amount * base.lowest_sale))
        _require("limit of the trade", action.quote_limit >= least, action.quote_limit, f"at least {least}")
    else:
        _at_most("limit of the trade", action.quote_limit, floor(amount * base.highest_purchase))
    return _within_one("traded value", base.value(action.amount), policy)


def _borrowed(action: Borrow, policy: Policy) -> Fraction:
    token = _token("asset", action.asset, policy)
    mode = action.rate_mode
    _require("interest rate mode", mode == VARIABLE_RATE, mode, f"{VARIABLE_RATE} (variable)")
    _require_own(action, policy)
    return _within_one("borrowed value", token.value(action.amount), policy)


def _require_own(action: Borrow, policy: Policy) -> None:
    """What raises leverage is a number, of the owner alone, and nobody is paid for it."""
    owner = policy.account.owner
    _require("amount", 0 < action.amount < UNLIMITED_FROM, action.amount, "a number above zero")
    _require("beneficiary", action.on_behalf_of == owner, action.on_behalf_of, f"the owner, {owner}")
    _require("referral", action.referral == 0, action.referral, 0)


def _approved(action: Approve, following: Sequence[Call], policy: Policy) -> Fraction:
    token = _token("token", action.token, policy)
    spenders = policy.spenders()
    _require("spender", action.spender in spenders, action.spender, " or ".join(sorted(spenders)))
    if action.amount == 0:
        return Fraction(0)
    _require("approved amount", action.amount < UNLIMITED_FROM, action.amount, "below 2^255")
    value = _within_one("approved value", token.value(action.amount), policy)
    _require("calls that follow", len(following) <= MOST_FOLLOWING, len(following), f"up to {MOST_FOLLOWING}")
    taken, is_replaced = _taken(action, [_read(call, policy) for call in following], following)
    if ALL in taken:
        _require("allowance afterwards", is_replaced, "left open", "an approval of 0 after everything is repaid")
    else:
        _require(
            "approved amount", action.amount == sum(taken), action.amount, f"what the next calls take, {sum(taken)}"
        )
    return value


def _taken(approval: Approve, actions: Sequence[Action], calls: Sequence[Call]) -> tuple[list[int], bool]:
    """Return what the spender takes until its allowance is replaced, and whether it is."""
    amounts: list[int] = []
    for action, call in zip(actions, calls, strict=True):
        match action:
            case Approve(approval.token, approval.spender, _):
                return amounts, True
            case Repay(approval.token, amount) | Supply(approval.token, amount) | Deposit(approval.token, amount) if (
                call.to == approval.spender
            ):
                amounts.append(amount)
            case Swap() if call.to == approval.spender and action.hops[0].token_in == approval.token:
                amounts.append(action.amount_in)
            case _:
                pass
    return amounts, False


def _swapped(action: Swap, policy: Policy) -> Fraction:
    for hop in action.hops:
        _token("tokenIn", hop.token_in, policy)
        _token("tokenOut", hop.token_out, policy)
    sold, bought = policy.tokens[action.hops[0].token_in], policy.tokens[action.hops[-1].token_out]
    _require("route", sold != bought, f"{sold.symbol} to {bought.symbol}", "two different tokens")
    owner = policy.account.owner
    _require("beneficiary", action.recipient == owner, action.recipient, f"the owner, {owner}")
    _require("price limit", action.price_limit == 0, action.price_limit, 0)
    _require("amountIn", action.amount_in > 0, action.amount_in, "above zero")
    lowest = _lowest_minimum(action.amount_in, sold, bought)
    _require("amountOutMinimum", action.minimum_out >= lowest, action.minimum_out, f"at least {lowest}")
    return _within_one("swapped value", sold.value(action.amount_in), policy)


def _lowest_minimum(amount: int, sold: Token, bought: Token) -> int:
    """Return the least that a sale must bring, in base units, rounded up; never nothing."""
    worth = Fraction(amount, 10**sold.decimals) * sold.lowest_sale
    units: Fraction = worth / bought.highest_purchase * 10**bought.decimals
    return max(1, ceil(units))


def _within_one(rule: str, value: Fraction, policy: Policy) -> Fraction:
    most = policy.limits.value_per_transaction
    _require(rule, value <= most, f"{float(value):.2f}", f"up to {float(most):.2f}")
    return value


def _token(rule: str, place: str, policy: Policy) -> Token:
    token = policy.tokens.get(place)
    if token is None:
        raise Denied(rule, found=place, allowed="a token of the policy")
    return token


def _at_most(rule: str, found: int, most: int) -> None:
    _require(rule, found <= most, found, f"up to {most}")


def _require(rule: str, holds: bool, found: object, allowed: object) -> None:  # noqa: FBT001 - it is the rule's outcome
    if not holds:
        raise Denied(rule, found=found, allowed=allowed)
