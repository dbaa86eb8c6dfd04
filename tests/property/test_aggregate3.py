"""The handmade encoding of `aggregate3` and the general codecs are one and the same."""

from __future__ import annotations

import eth_abi.abi
import pytest
from hypothesis import given, strategies as st

from defilev.abi import checksum, decode, encode
from defilev.chain.aggregate3 import SELECTOR, call_size, decode_results, encode_calls
from defilev.model.request import Call, CallResult

addresses = st.binary(min_size=20, max_size=20).map(lambda raw: checksum("0x" + raw.hex()))
calls = st.lists(st.builds(Call, addresses, st.binary(max_size=200)), max_size=20)
results = st.lists(st.builds(CallResult, st.booleans(), st.binary(max_size=200)), max_size=20)

ARGUMENTS = ["(address,bool,bytes)[]"]
RETURNED = ["(bool,bytes)[]"]


@given(calls)
def test_calls_encode_as_the_codecs_encode_them(batch: list[Call]) -> None:
    """The calldata is byte for byte what eth-abi and our own codec make of the same calls."""
    values = [(call.to, True, call.data) for call in batch]
    encoded = encode_calls(batch)
    assert SELECTOR + eth_abi.abi.encode(ARGUMENTS, [values]) == encoded
    assert SELECTOR + encode(ARGUMENTS, [values]) == encoded
    assert len(encoded) == 4 + 64 + sum(call_size(call) for call in batch)


@given(results)
def test_results_decode_as_the_codecs_decode_them(expected: list[CallResult]) -> None:
    """What a contract returns is decoded to the results that it encoded."""
    data = eth_abi.abi.encode(RETURNED, [[(result.success, result.data) for result in expected]])
    assert expected == decode_results(data, count=len(expected))
    assert expected == [CallResult(*pair) for pair in decode(RETURNED, data)[0]]


@given(results.filter(bool), st.data())
def test_cut_results_are_refused(expected: list[CallResult], data: st.DataObject) -> None:
    """Results whose last words are missing, or that are fewer than the calls, are an error and never a shorter list."""
    encoded = eth_abi.abi.encode(RETURNED, [[(result.success, result.data) for result in expected]])
    needed = len(encoded) - (-len(expected[-1].data) % 32)
    cut = data.draw(st.integers(0, needed - 1))
    with pytest.raises(ValueError, match=r"ends inside|another number|not one"):
        decode_results(encoded[:cut], count=len(expected))
    with pytest.raises(ValueError, match="another number"):
        decode_results(encoded, count=len(expected) + 1)


@given(st.binary(max_size=300))
def test_noise_is_refused_or_fits(noise: bytes) -> None:
    """Arbitrary bytes raise nothing but `ValueError`."""
    try:
        decoded = decode_results(noise, count=2)
    except ValueError:
        return
    assert 2 == len(decoded)
