from __future__ import annotations

from typing import Any

import pytest
from eth_abi.abi import encode as reference_encode
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak as reference_keccak
from hypothesis import given, strategies as st

from defilev.abi import checksum, decode, encode, keccak, parse_address, revert_reason
from defilev.errors import InvalidAddress

WORDS: dict[str, st.SearchStrategy[Any]] = {
    "uint256": st.integers(0, 2**256 - 1),
    "uint24": st.integers(0, 2**24 - 1),
    "int256": st.integers(-(2**255), 2**255 - 1),
    "int16": st.integers(-(2**15), 2**15 - 1),
    "bool": st.booleans(),
    "address": st.binary(min_size=20, max_size=20).map(to_checksum_address),
    "bytes32": st.binary(min_size=32, max_size=32),
    "bytes4": st.binary(min_size=4, max_size=4),
    "bytes": st.binary(max_size=100),
    "string": st.text(max_size=40),
}


@st.composite
def typed(draw: st.DrawFn, depth: int = 2) -> tuple[str, Any]:
    """Draw an ABI type and a value of it."""
    kind = draw(st.integers(0, 3 if depth else 0))
    if kind <= 1:
        name = draw(st.sampled_from(sorted(WORDS)))
        return name, draw(WORDS[name])
    members = draw(st.lists(typed(depth=depth - 1), min_size=1, max_size=3))
    if kind == 2:
        return f"({','.join(name for name, _ in members)})", tuple(value for _, value in members)
    name, value = members[0]
    count = draw(st.integers(0, 3))
    fixed = draw(st.booleans()) and count > 0
    return f"{name}[{count if fixed else ''}]", (value,) * count


@given(st.lists(typed(), max_size=4))
def test_encoding_is_that_of_the_reference_library_and_decodes_back(members: list[tuple[str, Any]]) -> None:
    """For any types and values the bytes equal eth-abi's, and decoding returns the values."""
    types = [name for name, _ in members]
    values = [value for _, value in members]
    data = encode(types, values)

    assert reference_encode(types, values) == data
    assert tuple(values) == decode(types, data)


@given(st.lists(typed(), min_size=1, max_size=3), st.data())
def test_data_that_is_cut_off_is_never_decoded(members: list[tuple[str, Any]], data: st.DataObject) -> None:
    """Bytes that are missing from a static word, a string or an array are an error, not zeros."""
    types = [name for name, _ in members]
    whole = encode(types, [value for _, value in members])
    if not whole or any(name in ("bytes", "string") or "(" in name or "[" in name for name in types):
        return
    with pytest.raises(ValueError, match=r"ends|outside"):
        decode(types, whole[: data.draw(st.integers(0, len(whole) - 1))])


@given(st.binary(min_size=20, max_size=20), st.binary(max_size=200))
def test_checksums_and_hashes_are_those_of_the_reference_library(raw: bytes, data: bytes) -> None:
    """EIP-55 capitals and Keccak-256 equal eth-utils'; an address is accepted in one case or with its checksum."""
    address = "0x" + raw.hex()

    assert (
        str(to_checksum_address(raw)) == checksum(address) == parse_address(address) == parse_address(checksum(address))
    )
    assert reference_keccak(data) == keccak(data)


@given(st.binary(min_size=20, max_size=20), st.data())
def test_one_wrong_capital_is_refused(raw: bytes, data: st.DataObject) -> None:
    """An address in mixed case with one letter in the wrong case is not the address that was meant."""
    good = checksum("0x" + raw.hex())
    letters = [place for place, character in enumerate(good[2:], 2) if character.isalpha()]
    if len(letters) < 3:
        return
    place = data.draw(st.sampled_from(letters))
    wrong = good[:place] + good[place].swapcase() + good[place + 1 :]
    if wrong[2:] in (wrong[2:].lower(), wrong[2:].upper()):
        return
    with pytest.raises(InvalidAddress):
        parse_address(wrong)


@given(st.binary(max_size=200))
def test_revert_data_always_has_words(data: bytes) -> None:
    """Whatever a contract returns with a revert, there is one line to say about it."""
    assert revert_reason(data)
