from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
import rlp  # type: ignore[import-untyped]
from eth_abi.abi import encode
from eth_account import Account
from eth_account.typed_transactions.typed_transaction import TypedTransaction
from hypothesis import given, strategies as st

from defilev.execute.transaction import TransactionFields, decode_signed
from defilev_signer import rlp as own_rlp
from defilev_signer.calls import Hop, Swap, read_call
from defilev_signer.errors import Denied
from defilev_signer.hashing import address, keccak, parse_address
from defilev_signer.keystore import Key
from defilev_signer.policy_file import parse_policy
from defilev_signer.rules import Call, judge
from defilev_signer.summary import summary
from defilev_signer.transaction import read_transaction
from tests.factories import DAI, USDC, WETH
from tests.support.trial_legal import KEY, OWNER, Draft, legal_drafts, trial_policy
from tests.unit.policy_cases import POOL, ROUTER

POLICY = parse_policy(trial_policy().encode())
ITEMS = st.recursive(st.binary(max_size=80), lambda inner: st.lists(inner, max_size=4), max_leaves=12)
SWAP_ALONG = "exactInput((bytes,address,uint256,uint256))"


@given(ITEMS)
def test_rlp_agrees_with_another_library(item: Any) -> None:
    """What the library encodes is read back, and encoded to the same bytes."""
    assert rlp.encode(item) == own_rlp.encode(item)
    if _depth(item) <= 4:
        assert item == own_rlp.decode(rlp.encode(item))


def _depth(item: Any) -> int:
    return 1 + max(map(_depth, item), default=0) if isinstance(item, list) else 0


@given(st.binary(max_size=60))
def test_rlp_reads_only_the_one_encoding(data: bytes) -> None:
    """Whatever bytes are read as a value, that value's encoding is those bytes."""
    try:
        item = own_rlp.decode(data)
    except ValueError:
        return
    assert data == own_rlp.encode(item)


@given(st.binary(min_size=20, max_size=20))
def test_addresses_have_their_capitals(raw: bytes) -> None:
    """The capitals are EIP-55's, as another library writes them."""
    from eth_utils.address import to_checksum_address

    assert to_checksum_address(raw) == address(raw) == parse_address(address(raw))


HOPS = st.tuples(st.sampled_from([100, 500, 3000, 2**24 - 1]), st.binary(min_size=20, max_size=20))
WORDS = st.integers(0, 2**256 - 1)


@given(st.lists(HOPS, min_size=1, max_size=5), WORDS, WORDS)
def test_paths_agree_with_another_library(hops: list[tuple[int, bytes]], amount: int, minimum: int) -> None:
    """A multi-hop swap that another library encoded is read as its hops, recipient and amounts."""
    path = bytes.fromhex(WETH.address[2:]) + b"".join(fee.to_bytes(3, "big") + token for fee, token in hops)
    tokens = [WETH.address, *(address(token) for _, token in hops)]
    wanted = tuple(Hop(one, two, fee) for one, two, (fee, _) in zip(tokens, tokens[1:], hops, strict=False))

    data = encode(["(bytes,address,uint256,uint256)"], [(path, OWNER, amount, minimum)])

    assert Swap(wanted, OWNER, amount, minimum) == read_call(SWAP_ALONG, ROUTER, data)


def test_a_signature_is_the_one_of_another_library() -> None:
    """For the same fields this signer and eth-account give the same bytes, and its client decodes them."""
    draft = Draft("repay", 7, POOL, b"\x01\x02")
    fields = TransactionFields(1, 7, draft.tip, draft.fee, draft.gas, POOL, 0, b"\x01\x02")
    dictionary = {
        "type": 2, "chainId": 1, "nonce": 7, "maxPriorityFeePerGas": draft.tip, "maxFeePerGas": draft.fee,
        "gas": draft.gas, "to": POOL, "value": 0, "data": b"\x01\x02", "accessList": [],
    }  # fmt: skip

    raw = Key(KEY).sign(read_transaction(draft.payload()))

    assert bytes(Account.sign_transaction(dictionary, KEY).raw_transaction) == raw
    assert fields == decode_signed(raw).fields
    assert bytes(TypedTransaction.from_dict(dictionary).hash()) == keccak(draft.payload())


@given(st.integers(0, 10**6), st.data())
def test_what_is_shown_is_what_the_bytes_say(seed: int, data: st.DataObject) -> None:
    """Another byte anywhere in the calldata is denied, or shown as other words; the hash is always another one."""
    draft = _any_draft(seed)
    shown = _shown(draft)
    changed = bytearray(draft.data)
    place = data.draw(st.integers(0, len(changed) - 1))
    changed[place] ^= data.draw(st.integers(1, 255))

    try:
        after = _shown(replace(draft, data=bytes(changed)))
    except Denied:
        return

    assert shown[1] != after[1]
    assert shown[2] != after[2]


def _any_draft(seed: int) -> Draft:
    for draft in legal_drafts(Random(seed)):
        if draft.data:
            return draft
    raise AssertionError("it never ends")


def _shown(draft: Draft) -> tuple[str, ...]:
    calls = [Call(to, data) for to, data in draft.following]
    return summary(judge(read_transaction(draft.payload()), calls, POLICY), POLICY)


def test_the_words_name_amounts_and_places() -> None:
    """Human amounts beside base units, full addresses with their names, the cost at most."""
    from tests.unit.policy_cases import Markets

    _, call = Markets(owner=OWNER).swap([(WETH, DAI, 3000), (DAI, USDC, 100)], 2 * 10**18, 5_970_500_000)

    head, words, _ = _shown(Draft("swap", 7, call.to, call.data, fee=10**10, gas=500_000))

    assert head == f"chain 1 (test) · from {OWNER} · nonce 7 · costs at most 0.005 of the native currency"
    assert words == (
        f"sell 2 WETH (2000000000000000000 of {WETH.address}) at uniswap-v3-router {ROUTER} "
        f"for at least 5970.5 USDC (5970500000 of {USDC.address}) to the owner {OWNER}: "
        "WETH → DAI (0.3 %) → USDC (0.01 %)"
    )


def test_repaying_all_for_another_account_is_denied() -> None:
    """The market forbids it, and an amount without a number is no amount."""
    from tests.support.trial_legal import PROTECTED
    from tests.unit.policy_cases import Markets

    _, call = Markets(owner=PROTECTED).repay(USDC, None)  # type: ignore[arg-type]

    with pytest.raises(Denied, match="amount for another account"):
        _shown(Draft("repay", 1, call.to, call.data))
