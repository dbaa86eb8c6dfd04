"""What a call does, read from its bytes: only the functions written here, and only in their one encoding."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from defilev_signer.hashing import ADDRESS_BYTES, address, keccak

__all__ = [
    "ALL", "FUNCTIONS", "Action", "Approve", "Borrow", "Deposit", "Hop", "Repay", "RepayWithSupply", "Supply", "Swap",
    "Trade", "Withdraw", "read_call",
]  # fmt: skip

ALL = 2**256 - 1
"""Stands for everything that is there, and for what shares turn out to be worth: no amount that a rule can know."""

_WORD = 32
_FEE_BYTES = 3
_PATH_HEAD = 4
_PARAMS = 5


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Take `amount` base units of what `of` has out of the market, to `to`; either is `None` for whoever signs.

    `market` is the id of an isolated market, `None` where the contract is the market; `shares` is what is taken in
    place of an amount, `None` where the call has an amount.
    """

    asset: str
    amount: int
    to: str | None
    of: str | None = None
    market: str | None = None
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Repay:
    """Pay back `amount` base units of what `on_behalf_of` owes; `rate_mode` is `None` where debts have one rate.

    `market` and `shares` are as in `Withdraw`.
    """

    asset: str
    amount: int
    rate_mode: int | None
    on_behalf_of: str
    market: str | None = None
    shares: int | None = None


@dataclass(frozen=True, slots=True)
class Borrow:
    """Borrow `amount` base units, which `on_behalf_of` then owes."""

    asset: str
    amount: int
    rate_mode: int
    referral: int
    on_behalf_of: str


@dataclass(frozen=True, slots=True)
class Supply:
    """Add `amount` base units to the collateral of `on_behalf_of`; `market` is as in `Withdraw`."""

    asset: str
    amount: int
    on_behalf_of: str
    market: str | None = None


@dataclass(frozen=True, slots=True)
class RepayWithSupply:
    """Pay back `amount` base units of what the signer owes with what the signer has supplied of the same asset."""

    asset: str
    amount: int
    rate_mode: int


@dataclass(frozen=True, slots=True)
class Approve:
    """Let `spender` take `amount` base units of `token`."""

    token: str
    spender: str
    amount: int


@dataclass(frozen=True, slots=True)
class Hop:
    """One pool on a route; `fee` in hundredths of a basis point."""

    token_in: str
    token_out: str
    fee: int


@dataclass(frozen=True, slots=True)
class Swap:
    """Sell exactly `amount_in` along `hops` for at least `minimum_out`, paid to `recipient`."""

    hops: tuple[Hop, ...]
    recipient: str
    amount_in: int
    minimum_out: int
    price_limit: int = 0


@dataclass(frozen=True, slots=True)
class Deposit:
    """Pay `amount` base units in as the margin of `to`."""

    asset: str
    amount: int
    to: str


@dataclass(frozen=True, slots=True)
class Trade:
    """Sell or buy `amount` base units of a perpetual's base, `ALL` for closing whatever position there is.

    `quote_limit`, 18 decimals, is the least that a sale brings or the most that a purchase costs. `is_sale` is `None`
    where the contract finds the side itself. `deadline` is the last Unix second at which it may happen. `is_plain` says
    that the amount is of the base, that no price limit leaves the rest undone, and that nobody is paid for it.
    """

    base: str
    is_sale: bool | None
    amount: int
    quote_limit: int
    deadline: int
    is_plain: bool


Action: TypeAlias = Withdraw | Borrow | Repay | RepayWithSupply | Supply | Approve | Swap | Deposit | Trade


class _Words:
    """The 32-byte words of a call's arguments; every word must be of its type, and none may be left over."""

    def __init__(self, data: bytes, count: int | None = None) -> None:
        if len(data) % _WORD or (count is not None and len(data) != count * _WORD):
            raise ValueError(f"{len(data)} bytes of arguments")
        self._data = data

    def uint(self, place: int, bits: int = 256) -> int:
        word = self._data[place * _WORD : (place + 1) * _WORD]
        value = int.from_bytes(word, "big")
        if len(word) != _WORD or value >= 2**bits:
            raise ValueError(f"argument word {place} is not a uint{bits}")
        return value

    def address(self, place: int) -> str:
        return address(self.uint(place, 160).to_bytes(ADDRESS_BYTES, "big"))


def read_call(signature: str, to: str, arguments: bytes) -> Action:
    """Return what calling the function `signature` of `to` does; raises `ValueError` unless it is the one encoding."""
    return FUNCTIONS[signature](to, arguments)


def _withdraw(_: str, data: bytes) -> Withdraw:
    words = _Words(data, 3)
    return Withdraw(words.address(0), words.uint(1), words.address(2))


def _repay(_: str, data: bytes) -> Repay:
    words = _Words(data, 4)
    return Repay(words.address(0), words.uint(1), words.uint(2), words.address(3))


def _repay_with_supply(_: str, data: bytes) -> RepayWithSupply:
    words = _Words(data, 3)
    return RepayWithSupply(words.address(0), words.uint(1), words.uint(2))


def _borrow(_: str, data: bytes) -> Borrow:
    words = _Words(data, 5)
    return Borrow(words.address(0), words.uint(1), words.uint(2), words.uint(3, 16), words.address(4))


def _withdraw_collateral(_: str, data: bytes) -> Withdraw:
    words, market = _isolated(data, 8)
    return Withdraw(words.address(1), words.uint(5), words.address(7), words.address(6), market)


def _withdraw_lent(_: str, data: bytes) -> Withdraw:
    words, market = _isolated(data, 9)
    amount, shares = _amount_or_shares(words)
    return Withdraw(words.address(0), amount, words.address(8), words.address(7), market, shares)


def _supply(_: str, data: bytes) -> Supply:
    words = _Words(data, 4)
    if words.uint(3, 16):
        raise ValueError("a referral code is given")
    return Supply(words.address(0), words.uint(1), words.address(2))


def _supply_collateral(_: str, data: bytes) -> Supply:
    words, market = _isolated(data, 9)
    _require_no_callback(words, 7)
    return Supply(words.address(1), words.uint(5), words.address(6), market)


def _repay_isolated(_: str, data: bytes) -> Repay:
    words, market = _isolated(data, 10)
    _require_no_callback(words, 8)
    amount, shares = _amount_or_shares(words)
    return Repay(words.address(0), amount, None, words.address(7), market, shares)


def _isolated(data: bytes, count: int) -> tuple[_Words, str]:
    """Return the words of a call that begins with a market's five parameters, and the market: the hash of them."""
    words = _Words(data, count)
    for place in range(4):
        words.address(place)
    return words, "0x" + keccak(data[: _PARAMS * _WORD]).hex()


def _require_no_callback(words: _Words, place: int) -> None:
    """Raise `ValueError` unless the bytes whose offset stands at `place`, the last argument, are none."""
    if words.uint(place) != (place + 1) * _WORD or words.uint(place + 1):
        raise ValueError("there is data for a callback, or its offset is not where the encoding has it")


def _amount_or_shares(words: _Words) -> tuple[int, int | None]:
    """Return the amount in the sixth word, or the shares in the seventh, whose amount nobody can tell here."""
    assets, shares = words.uint(5), words.uint(6)
    if (assets == 0) == (shares == 0):
        raise ValueError("of assets and shares one must be above zero and the other zero")
    return (assets, None) if assets else (ALL, shares)


def _approve(to: str, data: bytes) -> Approve:
    words = _Words(data, 2)
    return Approve(to, words.address(0), words.uint(1))


def _swap_one(_: str, data: bytes) -> Swap:
    words = _Words(data, 7)
    hop = Hop(words.address(0), words.address(1), words.uint(2, 24))
    return Swap((hop,), words.address(3), words.uint(4), words.uint(5), words.uint(6, 160))


def _swap_along(_: str, data: bytes) -> Swap:
    words = _Words(data)
    if words.uint(0) != _WORD or words.uint(1) != _PATH_HEAD * _WORD:
        raise ValueError("an offset is not where the encoding has it")
    length = words.uint(1 + _PATH_HEAD)
    start = (2 + _PATH_HEAD) * _WORD
    if length > len(data) or len(data) != start + length + -length % _WORD or any(data[start + length :]):
        raise ValueError("the path is not as long as it says")
    return Swap(_hops(data[start : start + length]), words.address(2), words.uint(3), words.uint(4))


def _hops(path: bytes) -> tuple[Hop, ...]:
    stride = ADDRESS_BYTES + _FEE_BYTES
    if len(path) < stride + ADDRESS_BYTES or (len(path) - ADDRESS_BYTES) % stride:
        raise ValueError("it is not a path of tokens and fees")
    return tuple(
        Hop(
            address(path[start : start + ADDRESS_BYTES]),
            address(path[start + stride : start + stride + ADDRESS_BYTES]),
            int.from_bytes(path[start + ADDRESS_BYTES : start + stride], "big"),
        )
        for start in range(0, len(path) - ADDRESS_BYTES, stride)
    )


def _deposit_for(_: str, data: bytes) -> Deposit:
    words = _Words(data, 3)
    return Deposit(words.address(1), words.uint(2), words.address(0))


def _withdraw_all(_: str, data: bytes) -> Withdraw:
    return Withdraw(_Words(data, 1).address(0), ALL, None)


def _open_position(_: str, data: bytes) -> Trade:
    words = _Words(data, 8)
    is_sale, is_exact_input = words.uint(1, 1) == 1, words.uint(2, 1) == 1
    is_plain = is_sale == is_exact_input and words.uint(6, 160) == 0 and words.uint(7) == 0
    return Trade(words.address(0), is_sale, words.uint(3), words.uint(4), words.uint(5), is_plain)


def _close_position(_: str, data: bytes) -> Trade:
    words = _Words(data, 5)
    is_plain = words.uint(1, 160) == 0 and words.uint(4) == 0
    return Trade(words.address(0), None, ALL, words.uint(2), words.uint(3), is_plain)


FUNCTIONS: Mapping[str, Callable[[str, bytes], Action]] = {
    "withdraw(address,uint256,address)": _withdraw,
    "repay(address,uint256,uint256,address)": _repay,
    "borrow(address,uint256,uint256,uint16,address)": _borrow,
    "supply(address,uint256,address,uint16)": _supply,
    "supplyCollateral((address,address,address,address,uint256),uint256,address,bytes)": _supply_collateral,
    "repayWithATokens(address,uint256,uint256)": _repay_with_supply,
    "withdrawCollateral((address,address,address,address,uint256),uint256,address,address)": _withdraw_collateral,
    "withdraw((address,address,address,address,uint256),uint256,uint256,address,address)": _withdraw_lent,
    "repay((address,address,address,address,uint256),uint256,uint256,address,bytes)": _repay_isolated,
    "depositFor(address,address,uint256)": _deposit_for,
    "withdrawAll(address)": _withdraw_all,
    "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))": _open_position,
    "closePosition((address,uint160,uint256,uint256,bytes32))": _close_position,
    "approve(address,uint256)": _approve,
    "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))": _swap_one,
    "exactInput((bytes,address,uint256,uint256))": _swap_along,
}
"""Everything that a policy can list. What sends tokens away or runs other code is in none."""
