"""Random transactions that a signer must never sign, each illegal by how it is made and not by what a policy says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_abi.abi import encode
from eth_utils.crypto import keccak

from tests.factories import USDC, WETH
from tests.support.isolated_calls import MORPHO, OTHER_MARKET, PARAMS
from tests.support.trial_legal import CHAIN_ID, GWEI, OWNER, Call, Draft
from tests.support.trial_perps import ILLEGAL_PERPS
from tests.unit.policy_cases import POOL, ROUTER

__all__ = ["ILLEGAL", "Illegal"]

MULTISEND = "0x40A2aCCbd92BCA938b02010E17A5b8929b49130D"
ALL = 2**256 - 1
UNKNOWN = "0x6B3595068778DD592e39A122f4f5a5cF09C90fE2"
WITH_SUPPLY = "repayWithATokens(address,uint256,uint256)"
REPAY = "repay(address,uint256,uint256,address)"
_MARKET = "((address,address,address,address,uint256)"
TAKE_COLLATERAL = f"withdrawCollateral{_MARKET},uint256,address,address)"
TAKE_LENT = f"withdraw{_MARKET},uint256,uint256,address,address)"
REPAY_ISOLATED = f"repay{_MARKET},uint256,uint256,address,bytes)"
SWAP_ONE = "exactInputSingle((address,address,uint24,address,uint256,uint256,uint160))"
SWAP_ALONG = "exactInput((bytes,address,uint256,uint256))"


@dataclass(frozen=True)
class Illegal:
    """The bytes that are asked to be signed, and what is said to come after them."""

    payload: bytes
    following: tuple[Call, ...] = ()


Make = Callable[[Random, Draft], Illegal]


def call(signature: str, *values: Any) -> bytes:
    """Return calldata, encoded by the library that neither side uses."""
    inside = signature[signature.index("(") + 1 : -1]
    return keccak(text=signature)[:4] + encode(_types(inside), values)


def _types(inside: str) -> list[str]:
    found, depth, word = [], 0, ""
    for letter in inside + ",":
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and not depth:
            found.append(word)
            word = ""
        else:
            word += letter
    return [kind for kind in found if kind]


def stranger(random: Random) -> str:
    """Return an address that nobody knows, now and then one that looks like the owner's or is special."""
    raw = random.randbytes(20)
    alike = OWNER[:6] + random.randbytes(16).hex() + OWNER[-4:]
    return random.choice(["0x" + raw.hex(), alike, "0x" + "0" * 39 + "1", "0x" + "0" * 39 + "2", "0x" + "0" * 40])


def _to(address: str, signature: str, *values: Any, following: tuple[Call, ...] = ()) -> Callable[[Draft], Illegal]:
    def made(draft: Draft) -> Illegal:
        return Illegal(replace(draft, to=address, data=call(signature, *values)).payload(), following)

    return made


def _fields(**changes: Any) -> Make:
    return lambda _, draft: Illegal(replace(draft, **changes).payload(), draft.following)


def _amount(random: Random) -> int:
    return random.randrange(1, 10**10)


def _pool(signature: str, *values: Callable[[Random], Any]) -> Make:
    return lambda random, draft: _to(POOL, signature, *(value(random) for value in values))(draft)


def _token(signature: str, *values: Callable[[Random], Any]) -> Make:
    return lambda random, draft: _to(USDC.address, signature, *(value(random) for value in values))(draft)


def _morpho(signature: str, *values: Callable[[Random], Any]) -> Make:
    return lambda random, draft: _to(MORPHO, signature, *(value(random) for value in values))(draft)


def _perp(to: str, data: Callable[[Random], bytes]) -> Make:
    return lambda random, draft: Illegal(replace(draft, to=to, data=data(random)).payload())


def _is(value: Any) -> Callable[[Random], Any]:
    return lambda _: value


def _swap(random: Random, draft: Draft, **changes: Any) -> Illegal:
    usual: dict[str, Any] = {
        "sold": WETH.address, "bought": USDC.address, "fee": 500, "to": OWNER, "amount": 10**18,
        "minimum": 2990 * 10**6, "limit": 0,
    }  # fmt: skip
    chosen = usual | changes
    if chosen["limit"] or random.random() < 0.5:
        return _to(ROUTER, SWAP_ONE, tuple(chosen.values()))(draft)
    path = bytes.fromhex(chosen["sold"][2:]) + chosen["fee"].to_bytes(3, "big") + bytes.fromhex(chosen["bought"][2:])
    return _to(ROUTER, SWAP_ALONG, (path, chosen["to"], chosen["amount"], chosen["minimum"]))(draft)


def _path_through_a_stranger(random: Random, draft: Draft) -> Illegal:
    hops = (WETH.address, UNKNOWN, USDC.address)
    path = b"\x00\x01\xf4".join(bytes.fromhex(token[2:]) for token in hops)
    return _to(ROUTER, SWAP_ALONG, (path, OWNER, 10**18, 2990 * 10**6))(draft)


def _approve(amount: int, *, spender: str = POOL, spent: int | None = None, draft: Draft) -> Illegal:
    following = ((POOL, call(REPAY, USDC.address, spent, 2, OWNER)),) if spent else ()
    return _to(USDC.address, "approve(address,uint256)", spender, amount, following=following)(draft)


def _approve_too_much(random: Random, draft: Draft) -> Illegal:
    spent = _amount(random)
    return _approve(spent + random.choice([1, random.randrange(1, 10**10)]), spent=spent, draft=draft)


def _approve_too_valuable(random: Random, draft: Draft) -> Illegal:
    """Exactly what the next call takes, and more than one transaction may move."""
    amount = 100_000 * 10**6 + random.randrange(1, 10**15)
    return _approve(amount, spent=amount, draft=draft)


def _approve_to_repay_all_and_keep(_: Random, draft: Draft) -> Illegal:
    return _approve(10**9, spent=ALL, draft=draft)


def _delegatecall(random: Random, draft: Draft) -> Illegal:
    types = "(address,uint256,bytes,uint8,uint256,uint256,uint256,address,address,bytes)"
    inner = call("multiSend(bytes)", random.randbytes(85))
    zero = "0x" + "0" * 40
    values = (MULTISEND, 0, inner, 1, 0, 0, 0, zero, zero, random.randbytes(65))
    safe = random.choice([stranger(random), POOL, ROUTER])
    return _to(safe, "execTransaction" + types, *values)(draft)


def _multicall(random: Random, draft: Draft) -> Illegal:
    inner = [draft.data, call("unwrapWETH9(uint256,address)", 0, stranger(random))]
    signature = random.choice(["multicall(bytes[])", "multicall(uint256,bytes[])"])
    values = (inner,) if signature == "multicall(bytes[])" else (2**40, inner)
    return _to(ROUTER, signature, *values)(draft)


def _of_type(number: int) -> Make:
    def made(random: Random, draft: Draft) -> Illegal:
        items = draft.items()
        if number == 4:
            items.append([[b"\x01", random.randbytes(20), b"", b"\x01", random.randbytes(32), random.randbytes(32)]])
        if number == 3:
            items += [b"\x01", [random.randbytes(32)]]
        if number == 1:
            items.pop(2)
        return Illegal(bytes([number]) + rlp.encode(items), draft.following)

    return made


def _legacy(random: Random, draft: Draft) -> Illegal:
    _, nonce, _, fee, gas, to, value, data, _ = draft.items()
    replay = [] if random.random() < 0.5 else [bytes([CHAIN_ID]), b"", b""]
    return Illegal(rlp.encode([nonce, fee, gas, to, value, data, *replay]), draft.following)


def _changed(place: int, value: Callable[[Random, Any], Any]) -> Make:
    """Replace one of the nine fields by something that it cannot be."""

    def made(random: Random, draft: Draft) -> Illegal:
        items = draft.items()
        items[place] = value(random, items[place])
        return Illegal(b"\x02" + rlp.encode(items), draft.following)

    return made


def _shape(change: Callable[[Random, list[object]], list[object]]) -> Make:
    return lambda random, draft: Illegal(b"\x02" + rlp.encode(change(random, draft.items())), draft.following)


def _bytes(change: Callable[[Random, bytes], bytes]) -> Make:
    return lambda random, draft: Illegal(change(random, draft.payload()), draft.following)


def _data(change: Callable[[Random, bytes], bytes]) -> Make:
    def made(random: Random, draft: Draft) -> Illegal:
        data = draft.data or call(REPAY, USDC.address, 1, 2, OWNER)
        to = draft.to if draft.data else POOL
        return Illegal(replace(draft, to=to, data=change(random, data)).payload(), draft.following)

    return made


def _dirty_word(random: Random, _: bytes) -> bytes:
    """An address whose unused upper bytes are not zero."""
    word = random.randbytes(11) + b"\x01" + bytes.fromhex(USDC.address[2:])
    rest = encode(["uint256", "uint256", "address"], [_amount(random), 2, OWNER])
    return keccak(text=REPAY)[:4] + word + rest


def _moved_offset(random: Random, _: bytes) -> bytes:
    """The same swap with its path somewhere else: what one decoder reads another may not."""
    good = call(
        SWAP_ALONG, (bytes.fromhex(WETH.address[2:]) + b"\0\1\xf4" + bytes.fromhex(USDC.address[2:]), OWNER, 1, 1)
    )
    return good[:4] + encode(["uint256"], [64]) + bytes(32) + good[36:]


def _long_form(_: Random, payload: bytes) -> bytes:
    """The list's length written in a form that it does not need."""
    body = rlp.encode(rlp.decode(payload[1:]))
    inner = rlp.codec.consume_length_prefix(body, 0)
    content = body[inner[3] :]
    return b"\x02\xfa" + len(content).to_bytes(3, "big") + content


def _another_contract(random: Random, draft: Draft) -> Illegal:
    """The same bytes to an address that differs in one digit, or to nobody known."""
    digits = list(draft.to[2:])
    place = random.randrange(40)
    digits[place] = random.choice([digit for digit in "0123456789abcdef" if digit != digits[place].lower()])
    data = draft.data or b"\0"
    to = random.choice(["0x" + "".join(digits), stranger(random)])
    return Illegal(replace(draft, to=to, data=data).payload(), draft.following)


def _too_valuable(random: Random, draft: Draft) -> Illegal:
    """More than one transaction may move: from just above the limit to 2^255."""
    amount = random.choice([100_000 * 10**6 + 1, random.randrange(10**12, 10**20), 2**255, ALL - 1])
    return _to(POOL, "withdraw(address,uint256,address)", USDC.address, amount, OWNER)(draft)


def _too_dear(random: Random, draft: Draft) -> Illegal:
    kind = random.randrange(4)
    changes: dict[str, int] = [
        {"fee": 501 * GWEI, "gas": 21_000},
        {"gas": 10_000_001, "fee": GWEI, "tip": 1},
        {"gas": 900_000, "fee": 499 * GWEI},
        {"tip": draft.fee + 1},
    ][kind]
    return Illegal(replace(draft, **changes).payload(), draft.following)  # type: ignore[arg-type]


def _any_address(random: Random) -> str:
    return random.choice([stranger(random), OWNER])


def _other_market(random: Random) -> Any:
    """Return a market that is not listed: the same with another oracle, rate model, threshold, or nothing."""
    words = list(PARAMS.words)
    place = random.randrange(2, 5)
    words[place] = random.randrange(10**18) if place == 4 else stranger(random)
    return random.choice([tuple(words), OTHER_MARKET.words])


_HERE = _is(PARAMS.words)
_NO_SHARES = _NO_AMOUNT = _is(0)
_BOTH_OR_NEITHER = ((0, 0), (1, 1), (10**9, 10**15))


def _both_or_neither(random: Random, draft: Draft) -> Illegal:
    assets, shares = random.choice(_BOTH_OR_NEITHER)
    if random.random() < 0.5:
        return _to(MORPHO, TAKE_LENT, PARAMS.words, assets, shares, OWNER, OWNER)(draft)
    return _to(MORPHO, REPAY_ISOLATED, PARAMS.words, assets, shares, OWNER, b"")(draft)


def _approve_shares_and_keep(_: Random, draft: Draft) -> Illegal:
    """Approve to repay a number of shares, and leave open what that does not take."""
    following = ((MORPHO, call(REPAY_ISOLATED, PARAMS.words, 0, 10**15, OWNER, b"")),)
    return _to(USDC.address, "approve(address,uint256)", MORPHO, 10**9, following=following)(draft)


ILLEGAL: Mapping[str, Make] = {
    "transfer": _token("transfer(address,uint256)", stranger, _amount),
    "transferFrom": _token("transferFrom(address,address,uint256)", _is(OWNER), stranger, _amount),
    "increaseAllowance": _token("increaseAllowance(address,uint256)", _any_address, _amount),
    "permit": _token("permit(address,address,uint256,uint256,uint8,bytes32,bytes32)", _is(OWNER), stranger, _is(ALL),
                     _is(ALL), _is(27), lambda random: random.randbytes(32), lambda random: random.randbytes(32)),
    "approve without limit": lambda random, draft: _approve(
        random.choice([ALL, 2**255, ALL - 1]), spent=ALL, draft=draft),
    "approve a stranger": lambda random, draft: _approve(
        random.choice([0, 10**6]), spender=stranger(random), spent=10**6, draft=draft),
    "approve more than is spent": _approve_too_much,
    "approve too much value": _approve_too_valuable,
    "approve what nothing spends": lambda random, draft: _approve(_amount(random), draft=draft),
    "approve to repay all and keep": _approve_to_repay_all_and_keep,
    "borrow": _pool("borrow(address,uint256,uint256,uint16,address)", _is(USDC.address), _amount, _is(2), _is(0),
                    _any_address),
    "supply for a stranger": _pool("supply(address,uint256,address,uint16)", _is(USDC.address), _amount, stranger,
                                   _is(0)),
    "supply with a referral": _pool("supply(address,uint256,address,uint16)", _is(USDC.address), _amount, _is(OWNER),
                                    lambda random: random.randrange(1, 2**16)),
    "set the e-mode": _pool("setUserEMode(uint8)", lambda random: random.randrange(256)),
    "stop using collateral": _pool("setUserUseReserveAsCollateral(address,bool)", _is(WETH.address), _is(False)),
    "delegate credit": _token("approveDelegation(address,uint256)", stranger, _amount),
    "flash loan": _pool("flashLoanSimple(address,address,uint256,bytes,uint16)", stranger, _is(USDC.address), _amount,
                        lambda random: random.randbytes(8), _is(0)),
    "withdraw to a stranger": _pool("withdraw(address,uint256,address)", _is(USDC.address), _amount, stranger),
    "withdraw an unknown token": _pool("withdraw(address,uint256,address)", stranger, _amount, _is(OWNER)),
    "repay for a stranger": _pool(REPAY, _is(USDC.address), _amount, _is(2), stranger),
    "repay with supply at the stable rate": _pool(WITH_SUPPLY, _is(USDC.address), _amount, _is(1)),
    "repay with supply nothing": _pool(WITH_SUPPLY, _is(USDC.address), _is(0), _is(2)),
    "repay with supply an unknown token": _pool(WITH_SUPPLY, _is(UNKNOWN), _amount, _is(2)),
    "repay at the stable rate": _pool(REPAY, _is(USDC.address), _amount, _is(1), _is(OWNER)),
    "swap to a stranger": lambda random, draft: _swap(random, draft, to=stranger(random)),
    "swap below the floor": lambda random, draft: _swap(random, draft, minimum=random.randrange(2285 * 10**6)),
    "swap into an unknown token": lambda random, draft: _swap(random, draft, bought=UNKNOWN),
    "swap through an unknown token": _path_through_a_stranger,
    "swap with a price limit": lambda random, draft: _swap(random, draft, limit=random.randrange(1, 2**160)),
    "swap nothing": lambda random, draft: _swap(random, draft, amount=0, minimum=random.randrange(2)),
    "authorise": _morpho("setAuthorization(address,bool)", _any_address, _is(True)),
    "authorise by signature": _morpho(
        "setAuthorizationWithSig((address,address,bool,uint256,uint256),(uint8,bytes32,bytes32))",
        lambda random: (OWNER, stranger(random), True, 0, ALL),
        lambda random: (27, random.randbytes(32), random.randbytes(32))),
    "borrow in an isolated market": _morpho(
        f"borrow{_MARKET},uint256,uint256,address,address)", _HERE, _amount, _NO_SHARES, _is(OWNER), _any_address),
    "supply an isolated market": _morpho(
        f"supply{_MARKET},uint256,uint256,address,bytes)", _HERE, _amount, _NO_SHARES, _any_address, _is(b"")),
    "supply collateral for a stranger": _morpho(
        f"supplyCollateral{_MARKET},uint256,address,bytes)", _HERE, _amount, stranger, _is(b"")),
    "supply collateral with a callback": _morpho(
        f"supplyCollateral{_MARKET},uint256,address,bytes)", _HERE, _amount, _is(OWNER),
        lambda random: random.randbytes(8)),
    "flash loan of all markets": _morpho(
        "flashLoan(address,uint256,bytes)", _is(USDC.address), _amount, lambda random: random.randbytes(8)),
    "liquidate": _morpho(f"liquidate{_MARKET},address,uint256,uint256,bytes)",
                         _HERE, _any_address, _amount, _is(0), _is(b"")),
    "make a market": _morpho("createMarket((address,address,address,address,uint256))", _other_market),
    "repay in an unlisted market": _morpho(
        REPAY_ISOLATED, _other_market, _amount, _NO_SHARES, _is(OWNER), _is(b"")),
    "take collateral out of an unlisted market": _morpho(
        TAKE_COLLATERAL, _other_market, _amount, _is(OWNER), _is(OWNER)),
    "take what is lent out of an unlisted market": _morpho(
        TAKE_LENT, _other_market, _amount, _NO_SHARES, _is(OWNER), _is(OWNER)),
    "repay with a callback": _morpho(REPAY_ISOLATED, _HERE, _amount, _NO_SHARES, _is(OWNER),
                                     lambda random: random.randbytes(random.randrange(1, 70))),
    "repay shares of a stranger": _morpho(REPAY_ISOLATED, _HERE, _NO_AMOUNT, _amount, stranger, _is(b"")),
    "take collateral to a stranger": _morpho(TAKE_COLLATERAL, _HERE, _amount, _is(OWNER), stranger),
    "take a stranger's collateral": _morpho(TAKE_COLLATERAL, _HERE, _amount, stranger, _is(OWNER)),
    "take what is lent to a stranger": _morpho(TAKE_LENT, _HERE, _NO_AMOUNT, _amount, _is(OWNER), stranger),
    "take what a stranger lends": _morpho(TAKE_LENT, _HERE, _amount, _NO_SHARES, stranger, _is(OWNER)),
    "both an amount and shares, or neither": _both_or_neither,
    "approve shares and keep": _approve_shares_and_keep,
    "several calls in one": _multicall,
    "delegatecall": _delegatecall,
    "create a contract": _changed(5, lambda *_: b""),
    "address of another length": _changed(5, lambda random, to: random.choice([to[1:], to + b"\0", bytes(32)])),
    "legacy": _legacy,
    "type 0": _of_type(0),
    "type 1": _of_type(1),
    "type 3": _of_type(3),
    "type 4": _of_type(4),
    "no chain id": _changed(0, lambda *_: b""),
    "another chain": lambda random, draft: _fields(
        chain_id=random.choice([10, 137, 8453, 31337, 2**64]))(random, draft),
    "value": lambda random, draft: _fields(value=random.choice([1, 10**18]))(random, draft),
    "access list": lambda random, draft: _fields(access_list=[[random.randbytes(20), []]])(random, draft),
    "too dear": _too_dear,
    "too valuable": _too_valuable,
    "leading zero": lambda random, draft: _changed(random.randrange(5), lambda _, word: b"\0" + word)(random, draft),
    "a list for a value": lambda random, draft: _changed(random.randrange(8), lambda *_: [])(random, draft),
    "a field more": _shape(lambda random, items: [*items, random.randbytes(random.randrange(3))]),
    "a field less": _shape(lambda random, items: items[: random.randrange(9)]),
    "something after the end": _bytes(lambda random, payload: payload + random.randbytes(random.randrange(1, 40))),
    "cut off": _bytes(lambda random, payload: payload[: random.randrange(len(payload))]),
    "length in a long form": _bytes(_long_form),
    "random bytes": _bytes(lambda random, _: b"\x02" + random.randbytes(random.randrange(200))),
    "data and more": _data(lambda random, data: data + random.randbytes(random.randrange(1, 64))),
    "data cut off": _data(lambda random, data: data[: random.randrange(len(data))]),
    "unknown function": _data(lambda random, data: random.randbytes(4) + data[4:]),
    "dirty address": lambda random, draft: Illegal(replace(draft, to=POOL, data=_dirty_word(random, b"")).payload()),
    "path elsewhere": lambda random, draft: Illegal(
        replace(draft, to=ROUTER, data=_moved_offset(random, b"")).payload()),
    "another contract": _another_contract,
    "data to the owner": lambda random, draft: Illegal(
        replace(draft, to=OWNER, data=random.randbytes(random.randrange(1, 68))).payload()),
    "a nonce that was used": lambda random, draft: Illegal(replace(
        draft, nonce=draft.last, to=POOL, tip=draft.tip * 4, fee=100 * GWEI, gas=100_000,
        data=call(REPAY, USDC.address, _amount(random) + 10**15, 2, OWNER)).payload()),
    "a nonce far ahead": lambda random, draft: _fields(
        nonce=draft.nonce + random.choice([101, 10**6, 2**63, 2**64 - 1, 2**200]))(random, draft),
    **{name: _perp(to, data) for name, (to, data) in ILLEGAL_PERPS.items()},
}  # fmt: skip
"""By what is wrong with it."""
