"""What the owners of a Safe are given to sign: hashes, packed calls, the file, and that nothing in it is changed."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from defilev.abi import checksum, safe
from defilev.abi.safe import execution_calldata, packed_calls, safe_hashes
from defilev.config.safe_contracts import load_safe_contracts
from defilev.errors import (
    BundleTampered,
    BundleUnreadable,
    Infeasible,
    KeystoreInsecure,
    PolicyViolation,
    Refused,
    SafeNonceUsed,
)
from defilev.execute.policy import check_plan
from defilev.execute.safe_calls import executed, hashes_of, unpacked
from defilev.execute.safe_policy import open_bundle, parts_left
from defilev.guard.bundling import write_bundle
from defilev.model.bundle import Bundle
from defilev.model.plan import Approve
from defilev.model.plan_hash import with_hash
from defilev.model.request import Address
from defilev.model.safe import SafeAccount, SafeCall, SafeTransaction
from defilev.plan.bundling import bundle_of
from defilev.plan.execution import execution_plan
from defilev.report.safe_bundle import builder_file, bundle_in, checksum_of
from tests.factories import OWNER
from tests.unit.policy_cases import POLICY, deleverage_plan

SOMEBODY = Address("0x00000000000000000000000000000000000000AA")
MOST_GAS = 10_000_000

PUBLISHED = {
    "version": "1.0",
    "chainId": "1",
    "createdAt": 1761326849944,
    "meta": {
        "name": "Transactions Batch",
        "description": "",
        "txBuilderVersion": "1.18.2",
        "createdFromSafeAddress": "0xA77DE01e157f9f57C7c4A326eeE9C4874D0598b6",
        "createdFromOwnerAddress": "",
    },
    "transactions": [
        {
            "to": "0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48",
            "value": "0",
            "data": None,
            "contractMethod": {
                "inputs": [
                    {"internalType": "address", "name": "spender", "type": "address"},
                    {"internalType": "uint256", "name": "value", "type": "uint256"},
                ],
                "name": "approve",
                "payable": False,
            },
            "contractInputsValues": {"spender": "0x474e5Ded6b5D078163BFB8F6dBa355C3aA5478C8", "value": "100000000000"},
        }
    ],
}
"""A file that the Transaction Builder itself wrote, without its checksum (github.com/5afe/safe-cli-nodejs)."""


hashes_of(1, OWNER, SafeTransaction(OWNER, 0, "0x", 0, 0))  # its libraries raise the recursion limit when imported


def a_safe(**change: Any) -> SafeAccount:
    """Return the Safe that owns the position of the policy's cases."""
    multi_send = load_safe_contracts().multi_send
    usual = SafeAccount(
        OWNER, deleverage_plan().chain_id, "1.4.1", load_safe_contracts().singletons[0].address, 7, 2,
        (SOMEBODY, OWNER, multi_send), (), None, None, multi_send,
    )  # fmt: skip
    return replace(usual, **change)


def a_bundle(*, most_gas: int = MOST_GAS) -> Bundle:
    """Return the bundle of a deleverage."""
    return bundle_of(deleverage_plan(), a_safe(), most_gas=most_gas, name="treasury")


numbers = st.integers(0, 2**256 - 1)
addresses = st.binary(min_size=20, max_size=20).map(lambda raw: checksum("0x" + raw.hex()))
bytes_ = st.binary(max_size=200).map(lambda raw: "0x" + raw.hex())
calls = st.builds(SafeCall, addresses, numbers, bytes_)
gas_fields = (numbers, numbers, numbers, addresses, addresses)
transactions = st.builds(SafeTransaction, addresses, numbers, bytes_, st.integers(0, 1), numbers, *gas_fields)


def test_the_checksum_is_the_builders_own() -> None:
    """A file that the Transaction Builder wrote has the checksum that is computed here, whatever its name."""
    expected = "0x8b5032f716845c8b08bab3d63dbd9ba92e056f3557793cd041e59b84e16aa989"

    assert expected == checksum_of(PUBLISHED)
    assert expected == checksum_of({**PUBLISHED, "meta": {**PUBLISHED["meta"], "name": "another"}})  # type: ignore[dict-item]


@given(st.integers(1, 2**64), addresses, transactions)
def test_two_implementations_hash_alike(chain_id: int, address: Address, transaction: SafeTransaction) -> None:
    """The hashes of whoever makes a bundle are those of the library that verifies it, for every field."""
    made = safe_hashes(chain_id, address, transaction)

    assert hashes_of(chain_id, address, transaction) == (made.domain, made.message, made.transaction)


@given(st.lists(calls, min_size=1, max_size=6), st.integers(0, 2**64), st.binary(max_size=130))
def test_what_is_packed_is_what_is_unpacked(packed: list[SafeCall], nonce: int, signatures: bytes) -> None:
    """Calls that were packed and put into an execution are taken apart again, to the byte."""
    made = SafeTransaction(load_safe_contracts().multi_send, 0, packed_calls(packed), 1, nonce)

    assert tuple(packed) == unpacked(made)
    assert (made, signatures) == executed(execution_calldata(made, signatures), nonce=nonce)


@given(st.lists(calls, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_bytes_that_are_not_exactly_calls_are_refused(packed: list[SafeCall], chance: random.Random) -> None:
    """Cut short, with an inner delegatecall, or with anything behind the last call: never read as something else."""
    data = bytes.fromhex(packed_calls(packed)[2:])
    for wrong in (data[: chance.randrange(4, len(data))], data + b"\0", data[:68] + b"\1" + data[69:]):
        with pytest.raises(ValueError, match=r"call|argument|function|encoding"):
            unpacked(SafeTransaction(load_safe_contracts().multi_send, 0, "0x" + wrong.hex(), 1, 0))


def test_the_bundle_has_every_call_of_the_plan_in_order() -> None:
    """Target, value and calldata of each step, for the Safe on its chain; and the checksum is of just that."""
    bundle = a_bundle()
    file, plan = builder_file(bundle, 0), bundle.plan

    assert [(step.to, str(step.value), step.data) for step in plan.steps] == [
        (call["to"], call["value"], call["data"]) for call in file["transactions"]
    ]
    assert (str(plan.chain_id), OWNER) == (file["chainId"], file["meta"]["createdFromSafeAddress"])
    assert bundle.parts[0].transaction_hash in file["meta"]["description"]
    meta = {name: value for name, value in file["meta"].items() if name != "checksum"}
    assert file["meta"]["checksum"] == checksum_of({**file, "meta": meta})
    assert bundle == bundle_in(json.loads(json.dumps(file)))


def test_a_single_call_goes_without_multi_send() -> None:
    """One call is a plain call to its own target; several are one delegated call to the pinned contract."""
    plan = deleverage_plan()
    alone = with_hash(replace(plan, steps=plan.steps[:1]))
    (part,) = bundle_of(alone, a_safe(), most_gas=MOST_GAS, name="one").parts
    (many,) = a_bundle().parts

    assert (0, plan.steps[0].to, plan.steps[0].data) == (
        part.transaction.operation, part.transaction.to, part.transaction.data,
    )  # fmt: skip
    assert (1, load_safe_contracts().multi_send) == (many.transaction.operation, many.transaction.to)


def test_too_much_gas_is_split_where_no_allowance_is_open() -> None:
    """Each transaction fits, takes the next nonce, and no approval is parted from the call that uses it."""
    plan = deleverage_plan()
    gas = max(sum(step.gas_limit for step in plan.steps[i : i + 2]) for i in range(len(plan.steps)))
    bundle = a_bundle(most_gas=gas + 150_000)

    assert len(bundle.parts) > 1
    assert [7 + place for place in range(len(bundle.parts))] == [part.transaction.nonce for part in bundle.parts]
    for part in bundle.parts:
        assert part.gas <= gas + 150_000
        last = next(step for step in plan.steps if step.index == part.last_step)
        assert not isinstance(last.action, Approve) or last.action.amount == 0
    assert len(open_bundle(bundle, safe=a_safe())) == len(bundle.parts)
    with pytest.raises(Infeasible, match="do not fit"):
        a_bundle(most_gas=200_000)


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the place of every value in a document."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _places(inner, (*path, key))
    else:
        yield path


def _mutated(value: Any, chance: random.Random) -> Any:
    """Return another value, as somebody who wants to be believed would write it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + chance.choice((-1, 1, 1000))
    if value is None:
        return chance.choice(("0x", "0", SOMEBODY))
    if value.startswith("0x") and len(value) > 2:
        place = chance.randrange(2, len(value))
        digit = chance.choice([each for each in "0123456789abcdef" if each != value[place].lower()])
        return value[:place] + digit + value[place + 1 :]
    if value.isdigit():
        return str(int(value) + chance.choice((1, 10, 10**6)))
    return chance.choice([other for other in (value + "x", "", value.upper(), value.lower()) if other != value])


def test_a_thousand_changed_fields_are_refused() -> None:
    """Whichever field of the file is changed, removed or added to, and however: 0 of 1,000 are accepted."""
    chance = random.Random(50)
    file = json.loads(json.dumps(builder_file(a_bundle(), 0)))
    places, accepted = list(_places(file)), []
    for number in range(1000):
        changed = copy.deepcopy(file)
        *path, last = places[number % len(places)] if number < len(places) else chance.choice(places)
        inside = changed
        for key in path:
            inside = inside[key]
        if number % 10 == 9 and isinstance(inside, dict):
            del inside[last]
        else:
            inside[last] = _mutated(inside[last], chance)
        try:
            open_bundle(bundle_in(changed), safe=a_safe())
        except (Refused, BundleUnreadable):
            continue
        accepted.append((path, last))

    assert len(places) > 150
    assert [] == accepted


def _sealed(bundle: Bundle, **fields: Any) -> Bundle:
    """Return a bundle whose transaction was changed by somebody who has computed all hashes anew."""
    part = bundle.parts[0]
    transaction = replace(part.transaction, **fields)
    hashes = safe_hashes(bundle.chain_id, bundle.safe, transaction)
    resealed = replace(
        part, transaction=transaction, domain_hash=hashes.domain, message_hash=hashes.message,
        transaction_hash=hashes.transaction,
    )  # fmt: skip
    return replace(bundle, parts=(resealed,))


CALLS = tuple(SafeCall(step.to, step.value, step.data) for step in deleverage_plan().steps)
SEALED: dict[str, Callable[[Bundle], Bundle]] = {
    "a delegatecall elsewhere": lambda bundle: _sealed(bundle, to=SOMEBODY),
    "a call of multiSend that is not delegated": lambda bundle: _sealed(bundle, operation=0),
    "a delegatecall to the Safe itself": lambda bundle: _sealed(bundle, to=OWNER),
    "ether": lambda bundle: _sealed(bundle, value=1),
    "a refund of gas": lambda bundle: _sealed(bundle, gas_price=1),
    "base gas": lambda bundle: _sealed(bundle, base_gas=21_000),
    "gas of the Safe's own": lambda bundle: _sealed(bundle, safe_tx_gas=1),
    "a gas token": lambda bundle: _sealed(bundle, gas_token=SOMEBODY),
    "a refund receiver": lambda bundle: _sealed(bundle, refund_receiver=SOMEBODY),
    "a call more": lambda bundle: _sealed(bundle, data=packed_calls([*CALLS, SafeCall(SOMEBODY, 0, "0x")])),
    "a call less": lambda bundle: _sealed(bundle, data=packed_calls(CALLS[:-1])),
    "the calls in another order": lambda bundle: _sealed(bundle, data=packed_calls(CALLS[::-1])),
    "another target": lambda bundle: _sealed(bundle, data=packed_calls([replace(CALLS[0], to=SOMEBODY), *CALLS[1:]])),
    "ether with a call": lambda bundle: _sealed(bundle, data=packed_calls([replace(CALLS[0], value=1), *CALLS[1:]])),
    "bytes behind the calls": lambda bundle: _sealed(bundle, data=bundle.parts[0].transaction.data + "00"),
}


@pytest.mark.parametrize("what", SEALED)
def test_what_was_sealed_anew_is_refused_for_what_it_does(what: str) -> None:
    """A bundle with all of its hashes right is refused when it does what none may, or not what its plan says."""
    changed = SEALED[what](a_bundle())
    file = json.loads(json.dumps(builder_file(changed, 0)))

    with pytest.raises((PolicyViolation, BundleTampered)):
        open_bundle(bundle_in(file), safe=a_safe())


def test_each_call_is_held_against_the_policy() -> None:
    """A plan that pays somebody else is refused, in a bundle as from a plain account; executing it is refused too."""
    plan = deleverage_plan()
    wrong = plan.steps[0].data.replace(OWNER[2:].lower(), SOMEBODY[2:].lower())
    stealing = with_hash(replace(plan, steps=(replace(plan.steps[0], data=wrong), *plan.steps[1:])))
    bundle = bundle_of(stealing, a_safe(), most_gas=MOST_GAS, name="theft")
    executing = execution_plan(bundle, bundle.parts, [b""], sender=SOMEBODY, nonce=0)

    open_bundle(bundle, safe=a_safe())
    with pytest.raises(PolicyViolation):
        check_plan(bundle.plan, policy=POLICY)
    with pytest.raises(PolicyViolation):
        check_plan(executing, policy=replace(POLICY, payer=SOMEBODY, safe=a_safe()))


def test_an_execution_is_the_transaction_that_was_signed() -> None:
    """The policy lets a sender execute just the Safe's next transaction, and nothing without a Safe that was read."""
    bundle = a_bundle()
    policy = replace(POLICY, payer=SOMEBODY, safe=a_safe())
    plan = execution_plan(bundle, bundle.parts, [bytes(130)], sender=SOMEBODY, nonce=0)

    assert len(bundle.plan.steps) == len(check_plan(plan, policy=policy))
    for other in (
        replace(policy, safe=a_safe(nonce=8)),
        replace(policy, safe=a_safe(address=SOMEBODY)),
        replace(policy, safe=None),
        replace(policy, payer=None),
    ):
        with pytest.raises(PolicyViolation):
            check_plan(plan, policy=other)
    with pytest.raises(PolicyViolation):
        check_plan(bundle.plan, policy=policy)


def test_a_nonce_that_is_past_or_to_come_is_refused() -> None:
    """A bundle is for one nonce of the Safe; of several transactions those that are left are executed."""
    plan = deleverage_plan()
    gas = max(sum(step.gas_limit for step in plan.steps[i : i + 2]) for i in range(len(plan.steps)))
    bundle = a_bundle(most_gas=gas + 150_000)

    assert bundle.parts == parts_left(bundle, safe=a_safe())
    assert bundle.parts[1:] == parts_left(bundle, safe=a_safe(nonce=8))
    for nonce in (6, 7 + len(bundle.parts)):
        with pytest.raises(SafeNonceUsed):
            parts_left(bundle, safe=a_safe(nonce=nonce))


def test_a_bundle_is_written_once_and_for_the_guards_user_alone(tmp_path: Path) -> None:
    """The same bundle is the same file, which nobody else reads; a folder that others look into is refused."""
    folder = tmp_path / "bundles"
    (file,) = write_bundle(a_bundle(), name="treasury", folder=str(folder))

    assert (file,) == write_bundle(a_bundle(), name="treasury", folder=str(folder))
    assert [file] == list(folder.iterdir())
    assert 0o600 == file.stat().st_mode & 0o777
    assert "1.0" == json.loads(file.read_text())["version"]
    folder.chmod(0o755)
    with pytest.raises(KeystoreInsecure):
        write_bundle(a_bundle(), name="treasury", folder=str(folder))


def test_the_typehashes_are_the_safes() -> None:
    """Domain and transaction types hash to the constants in the contract's source."""
    assert "47e79534a245952e8b16893a336b85a3d9ea9fa8c573f3d803afb92a79469218" == safe.DOMAIN_TYPE.hex()
    assert "bb8310d486368db6bd6f849402fdd73ad53d316b5a4b2644ad6efe0f941286d8" == safe.TRANSACTION_TYPE.hex()
