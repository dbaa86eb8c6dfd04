"""The rules that single calls must keep, decoded from their bytes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction

from defilev.abi import interface
from defilev.execute.aave_v3_calls import AAVE_V3
from defilev.execute.checks import (
    Bounds,
    Check,
    DecodedCall,
    MarketMove,
    MarketRules,
    is_above_zero,
    is_of_market,
    is_owner,
)
from defilev.execute.compound_v3_calls import COMPOUND_V3
from defilev.execute.executor_calls import (
    EXECUTOR,
    allowed_to_executor,
    same_unwind,
    taken_by,
    unwind_move,
)
from defilev.execute.morpho_blue_calls import MORPHO_BLUE
from defilev.execute.paths import hops_of, unit_rate
from defilev.execute.perp_curie_calls import PERP_CURIE, same_trade
from defilev.model.plan import (
    Action,
    Approve,
    Borrow,
    Reduce,
    Repay,
    RepayWithSupply,
    SetCollateral,
    SetEMode,
    Supply,
    Swap,
    Unwind,
    Withdraw,
)
from defilev.model.request import Address

__all__ = ["ADAPTERS", "SwapCall", "checks", "decode_call", "same_action", "swap_call"]

ADAPTERS: Mapping[str, MarketRules] = {
    "aave-v3": AAVE_V3,
    "sparklend": AAVE_V3,
    "morpho-blue": MORPHO_BLUE,
    "compound-v3": COMPOUND_V3,
    "perp-curie": PERP_CURIE,
}
"""What may be called of each protocol; one that is not here cannot be acted on."""

_MARKET = ("pool", "house")
UNLIMITED_FROM = 2**255


@dataclass(frozen=True, slots=True)
class SwapCall:
    """Both forms of an exact-input swap."""

    hops: tuple[tuple[Address, Address, int], ...]
    recipient: Address
    amount_in: int
    minimum_out: int


def decode_call(to: Address, data: bytes, bounds: Bounds) -> DecodedCall:
    """Return what `data` does at `to`.

    Raises:
        ValueError: no contract of the bounds, no function of the table, or not its canonical encoding.
    """
    role = _role(to, bounds)
    if role is None:
        raise ValueError(f"{to} is neither the market's pool, nor one of its tokens, nor the swap router")
    known = interface(_interface_name(role, bounds)).by_selector(data)
    if known is None or known.name not in _rules_of(role, bounds):
        raise ValueError(f"0x{data[:4].hex()} is not a call that is ever made to the {role}")
    if bounds.selectors is not None and known.selector not in bounds.selectors[role]:
        raise ValueError(f"0x{data[:4].hex()} is not in the chain's list of calls to the {role}")
    arguments = known.decode_arguments(data)
    if role == "executor":
        pulled = taken_by(arguments, bounds)
        return DecodedCall(to, role, known.name, arguments, unwind_move(arguments), pulled)
    move = ADAPTERS[bounds.protocol].move(known.name, arguments) if role in _MARKET else None
    return DecodedCall(to, role, known.name, arguments, move)


def checks(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """Yield every rule for this kind of call, with its outcome."""
    if bounds.is_for_another:
        yield from _for_another(call, bounds)
    yield from _rules_of(call.role, bounds)[call.function](call, bounds)


def same_action(call: DecodedCall, action: Action, bounds: Bounds) -> bool:
    """Tell whether `action` says exactly what the bytes do; names that are only shown are not compared."""
    arguments, move = call.arguments, call.move
    match action:
        case Withdraw() | Repay() | Supply() | Borrow() | RepayWithSupply():
            return move is not None and _same_move(move, action, bounds)
        case Reduce():
            return call.role == "house" and same_trade(call, action, bounds)
        case Unwind():
            return call.role == "executor" and same_unwind(call, action, bounds)
        case Approve():
            token = bounds.receipts[call.to][0] if call.role == "receipt" else bounds.tokens.get(call.to)
            found = (token, arguments.get("spender"), arguments.get("amount"))
            return call.function == "approve" and found == (action.asset, action.spender, action.amount)
        case SetCollateral() | SetEMode():
            return call.role == "pool" and _same_switch(call, action, bounds)
        case Swap():
            return call.role == "router" and _same_swap(swap_call(call), action, bounds)


def _same_switch(call: DecodedCall, action: SetCollateral | SetEMode, bounds: Bounds) -> bool:
    arguments = call.arguments
    if isinstance(action, SetEMode):
        return (call.function, arguments.get("categoryId")) == ("setUserEMode", action.category)
    found = (call.function, bounds.tokens.get(arguments.get("asset", "")), arguments.get("useAsCollateral"))
    return found == ("setUserUseReserveAsCollateral", action.asset, action.enabled)


def _same_move(move: MarketMove, action: Withdraw | Repay | Supply | Borrow | RepayWithSupply, bounds: Bounds) -> bool:
    """Tell whether a market's call is the action; of a number that stands for everything the whole plan tells."""
    kind = "supply" if move.or_supply and move.asset not in bounds.debts else move.kind
    if (kind, bounds.tokens.get(move.asset)) != (action.kind, action.asset):
        return False
    shares = action.shares if isinstance(action, Repay) else None
    if action.amount is None and bounds.holdings is not None:
        return True
    if shares is not None:
        return (move.amount, move.shares) == (None, shares)
    return (move.amount, move.shares) == (action.amount, None)


def swap_call(call: DecodedCall) -> SwapCall:
    """Return a swap in the one form that both functions have; raises `ValueError` for a path that is not one."""
    if call.function == "exactInputSingle":
        token_in, token_out, fee, recipient, amount_in, minimum_out, _ = call.arguments["params"]
        return SwapCall(((token_in, token_out, fee),), recipient, amount_in, minimum_out)
    path, recipient, amount_in, minimum_out = call.arguments["params"]
    return SwapCall(hops_of(path), recipient, amount_in, minimum_out)


def _role(to: Address, bounds: Bounds) -> str | None:
    if to == bounds.pool:
        return "pool"
    if to == bounds.house:
        return "house"
    if to == bounds.router:
        return "router"
    if to == bounds.executor:
        return "executor"
    if to in bounds.receipts:
        return "receipt"
    return "token" if to in bounds.tokens else None


def _interface_name(role: str, bounds: Bounds) -> str:
    if role in _MARKET:
        return ADAPTERS[bounds.protocol].interface
    return {
        "router": "uniswap_v3_swap_router_02",
        "token": "erc20",
        "receipt": "erc20",
        "executor": "leverage_executor",
    }[role]


def _rules_of(role: str, bounds: Bounds) -> Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]]:
    if role == "house":
        return ADAPTERS[bounds.protocol].house
    if role != "pool":
        return _RULES[role]
    adapter = ADAPTERS[bounds.protocol]
    return {**adapter.rules, **adapter.by_goal.get(bounds.goal, {}), **(adapter.levering if bounds.levers else {})}


def _approve(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    spenders = [spender for spender in (bounds.pool, bounds.router) if spender is not None]
    spender, amount = call.arguments["spender"], call.arguments["amount"]
    yield Check("spender", spender in spenders, spender, " or ".join(spenders))
    yield Check("approved amount", amount < UNLIMITED_FROM, amount, "below 2^255")


def _swap_single(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    limit = call.arguments["params"][-1]
    yield Check("sqrtPriceLimitX96", limit == 0, limit, 0)
    yield from _swap(call, bounds)


def _swap(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    swap = swap_call(call)
    for token_in, token_out, _ in swap.hops:
        yield is_of_market("tokenIn", token_in, bounds)
        yield is_of_market("tokenOut", token_out, bounds)
    first, last = swap.hops[0][0], swap.hops[-1][1]
    yield Check("route", first != last, f"{first} to {last}", "two different tokens")
    yield is_owner("recipient", swap.recipient, bounds)
    yield is_above_zero("amountIn", swap.amount_in)
    yield is_above_zero("amountOutMinimum", swap.minimum_out)
    yield _fair_minimum(swap, bounds)


_RULES: Mapping[str, Mapping[str, Callable[[DecodedCall, Bounds], Iterator[Check]]]] = {
    "token": {"approve": _approve},
    "router": {"exactInputSingle": _swap_single, "exactInput": _swap},
    "receipt": {"approve": allowed_to_executor},
    "executor": EXECUTOR,
}
"""Every call that is ever signed beside the market's own, by the contract's role and function; all else is denied."""


def _for_another(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """What holds when a reserve pays for somebody: the market alone takes tokens, by calls named for it."""
    named = ADAPTERS[bounds.protocol].for_another
    if call.role == "token":
        spender = call.arguments["spender"]
        yield Check("spender for another account", spender == bounds.pool, spender, bounds.pool)
        yield Check("call on behalf of another", bool(named), call.function, f"nothing on {bounds.protocol}")
        return
    is_named = call.role == "pool" and call.function in named
    allowed = " or ".join(("approve", *named)) if named else f"nothing on {bounds.protocol}"
    yield Check("call on behalf of another", is_named, call.function, allowed)
    if is_named:
        yield from named[call.function](call, bounds)


def _fair_minimum(swap: SwapCall, bounds: Bounds) -> Check:
    """The minimum against the oracle, one base unit below allowed for rounding."""
    sold, bought = swap.hops[0][0], swap.hops[-1][1]
    rate = unit_rate(sold, bought, bounds)
    rule = "amountOutMinimum against the oracle"
    if rate is None:
        return Check(
            rule, False, swap.minimum_out, "a swap of tokens that the account holds or owes, which have a price"
        )
    lowest = swap.amount_in * rate * Fraction(bounds.minimum_fill)
    return Check(
        rule, swap.minimum_out + 1 > lowest, swap.minimum_out, f"at least {-(-lowest.numerator // lowest.denominator)}"
    )


def _same_swap(swap: SwapCall, action: Swap, bounds: Bounds) -> bool:
    tokens = bounds.tokens
    found = tuple((tokens.get(token_in), tokens.get(token_out), fee) for token_in, token_out, fee in swap.hops)
    said = tuple((hop.token_in, hop.token_out, hop.fee) for hop in action.route)
    return (found, swap.amount_in, swap.minimum_out) == (said, action.amount_in, action.minimum_out)
