"""The rules that single calls must keep, decoded from their bytes; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

from defilev.abi import checksum, interface
from defilev.model.account import Price
from defilev.model.plan import Action, Approve, Repay, Swap, Withdraw
from defilev.model.request import Address
from defilev.model.token import Token
from defilev.units import UINT256_MAX

__all__ = ["ADAPTERS", "Bounds", "Check", "DecodedCall", "checks", "decode_call", "same_action"]

ADAPTERS: Mapping[str, str] = {"aave-v3": "aave_v3_pool"}
"""The interface of each protocol's pool; a protocol that is not here cannot be acted on."""

VARIABLE_RATE = 2
UNLIMITED_FROM = 2**255
_ADDRESS_BYTES = 20
_FEE_BYTES = 3


@dataclass(frozen=True, slots=True)
class Bounds:
    """What the calls of one owner on one market may touch.

    `tokens` are the market's. `prices` are the oracle's of what the account holds and owes. `minimum_fill` is the part
    of the oracle's value that a swap's minimum must bring. `selectors` are those that the chain's list has for each
    role, `None` where no list is shipped: then the rules below decide alone. `is_for_another` says that the signer is
    not the owner: it repays exact amounts on the owner's behalf, and nothing else.
    """

    owner: Address
    protocol: str
    pool: Address
    router: Address | None
    tokens: Mapping[Address, Token]
    prices: Mapping[Address, Price]
    minimum_fill: Decimal
    selectors: Mapping[str, frozenset[bytes]] | None = None
    is_for_another: bool = False


@dataclass(frozen=True, slots=True)
class Check:
    """One rule applied to one call: what was found, and what would be allowed."""

    rule: str
    holds: bool
    found: object
    allowed: object


@dataclass(frozen=True, slots=True)
class DecodedCall:
    """A call as its bytes say it."""

    to: Address
    role: str
    function: str
    arguments: Mapping[str, Any]


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
    if known is None or (role, known.name) not in _RULES:
        raise ValueError(f"0x{data[:4].hex()} is not a call that is ever made to the {role}")
    if bounds.selectors is not None and known.selector not in bounds.selectors[role]:
        raise ValueError(f"0x{data[:4].hex()} is not in the chain's list of calls to the {role}")
    return DecodedCall(to, role, known.name, known.decode_arguments(data))


def checks(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """Yield every rule for this kind of call, with its outcome."""
    if bounds.is_for_another:
        yield from _for_another(call, bounds)
    yield from _RULES[call.role, call.function](call, bounds)


def same_action(call: DecodedCall, action: Action, bounds: Bounds) -> bool:
    """Tell whether `action` says exactly what the bytes do; names that are only shown are not compared."""
    arguments = call.arguments
    match action:
        case Withdraw() | Repay():
            amount = None if arguments.get("amount") == UINT256_MAX else arguments.get("amount")
            asset = bounds.tokens.get(arguments.get("asset", ""))
            return (call.role, call.function) == ("pool", action.kind) and (asset, amount) == (
                action.asset,
                action.amount,
            )
        case Approve():
            found = (call.role, bounds.tokens.get(call.to), arguments.get("spender"), arguments.get("amount"))
            return found == ("token", action.asset, action.spender, action.amount)
        case Swap():
            return call.role == "router" and _same_swap(swap_call(call), action, bounds)
        case _:
            return False


def swap_call(call: DecodedCall) -> SwapCall:
    """Return a swap in the one form that both functions have; raises `ValueError` for a path that is not one."""
    if call.function == "exactInputSingle":
        token_in, token_out, fee, recipient, amount_in, minimum_out, _ = call.arguments["params"]
        return SwapCall(((token_in, token_out, fee),), recipient, amount_in, minimum_out)
    path, recipient, amount_in, minimum_out = call.arguments["params"]
    return SwapCall(_hops(path), recipient, amount_in, minimum_out)


def _role(to: Address, bounds: Bounds) -> str | None:
    if to == bounds.pool:
        return "pool"
    if to == bounds.router:
        return "router"
    return "token" if to in bounds.tokens else None


def _interface_name(role: str, bounds: Bounds) -> str:
    return {"pool": ADAPTERS[bounds.protocol], "router": "uniswap_v3_swap_router_02", "token": "erc20"}[role]


def _withdraw(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _market_token("asset", call.arguments["asset"], bounds)
    yield _positive("amount", call.arguments["amount"])
    yield _owner("to", call.arguments["to"], bounds)


def _repay(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    yield _market_token("asset", call.arguments["asset"], bounds)
    yield _positive("amount", call.arguments["amount"])
    mode = call.arguments["interestRateMode"]
    yield Check("interestRateMode", mode == VARIABLE_RATE, mode, f"{VARIABLE_RATE} (variable)")
    yield _owner("onBehalfOf", call.arguments["onBehalfOf"], bounds)


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
        yield _market_token("tokenIn", token_in, bounds)
        yield _market_token("tokenOut", token_out, bounds)
    first, last = swap.hops[0][0], swap.hops[-1][1]
    yield Check("route", first != last, f"{first} to {last}", "two different tokens")
    yield _owner("recipient", swap.recipient, bounds)
    yield _positive("amountIn", swap.amount_in)
    yield _positive("amountOutMinimum", swap.minimum_out)
    yield _fair_minimum(swap, bounds)


_RULES: Mapping[tuple[str, str], Callable[[DecodedCall, Bounds], Iterator[Check]]] = {
    ("pool", "withdraw"): _withdraw,
    ("pool", "repay"): _repay,
    ("token", "approve"): _approve,
    ("router", "exactInputSingle"): _swap_single,
    ("router", "exactInput"): _swap,
}
"""Every call that is ever signed, by the contract's role and the function; all else is denied."""


def _for_another(call: DecodedCall, bounds: Bounds) -> Iterator[Check]:
    """What holds when a reserve pays for somebody: the pool alone takes tokens, in exact amounts."""
    allowed = ("approve", "repay")
    yield Check("call on behalf of another", call.function in allowed, call.function, " or ".join(allowed))
    if call.function == "repay":
        amount = call.arguments["amount"]
        yield Check("amount for another account", amount != UINT256_MAX, "everything", "a number")
    if call.function == "approve":
        spender = call.arguments["spender"]
        yield Check("spender for another account", spender == bounds.pool, spender, bounds.pool)


def _market_token(name: str, token: Address, bounds: Bounds) -> Check:
    return Check(name, token in bounds.tokens, token, "a token of the market")


def _owner(name: str, address: Address, bounds: Bounds) -> Check:
    return Check(name, address == bounds.owner, address, f"the owner, {bounds.owner}")


def _positive(name: str, amount: int) -> Check:
    return Check(name, amount > 0, amount, "above zero")


def _fair_minimum(swap: SwapCall, bounds: Bounds) -> Check:
    """The minimum against the oracle, one base unit below allowed for rounding."""
    sold, bought = swap.hops[0][0], swap.hops[-1][1]
    rate = _rate(sold, bought, bounds)
    rule = "amountOutMinimum against the oracle"
    if rate is None:
        return Check(
            rule, False, swap.minimum_out, "a swap of tokens that the account holds or owes, which have a price"
        )
    lowest = swap.amount_in * rate * Fraction(bounds.minimum_fill)
    return Check(
        rule, swap.minimum_out + 1 > lowest, swap.minimum_out, f"at least {-(-lowest.numerator // lowest.denominator)}"
    )


def _rate(sold: Address, bought: Address, bounds: Bounds) -> Fraction | None:
    """Return base units of `bought` per base unit of `sold` at the oracle's prices, `None` without both prices."""
    if not {sold, bought} <= bounds.prices.keys() & bounds.tokens.keys() or bounds.prices[bought].value <= 0:
        return None
    return _unit_value(sold, bounds) / _unit_value(bought, bounds)


def _unit_value(token: Address, bounds: Bounds) -> Fraction:
    price = bounds.prices[token]
    return Fraction(price.value, 10 ** (price.decimals + bounds.tokens[token].decimals))


def _hops(path: bytes) -> tuple[tuple[Address, Address, int], ...]:
    stride = _ADDRESS_BYTES + _FEE_BYTES
    if len(path) < stride + _ADDRESS_BYTES or (len(path) - _ADDRESS_BYTES) % stride:
        raise ValueError(f"0x{path.hex()} is not a path of tokens and fees")
    starts = range(0, len(path) - _ADDRESS_BYTES, stride)
    return tuple(
        (
            _token_at(path, start),
            _token_at(path, start + stride),
            int.from_bytes(path[start + _ADDRESS_BYTES : start + stride], "big"),
        )
        for start in starts
    )


def _token_at(path: bytes, start: int) -> Address:
    return checksum("0x" + path[start : start + _ADDRESS_BYTES].hex())


def _same_swap(swap: SwapCall, action: Swap, bounds: Bounds) -> bool:
    tokens = bounds.tokens
    found = tuple((tokens.get(token_in), tokens.get(token_out), fee) for token_in, token_out, fee in swap.hops)
    said = tuple((hop.token_in, hop.token_out, hop.fee) for hop in action.route)
    return (found, swap.amount_in, swap.minimum_out) == (said, action.amount_in, action.minimum_out)
