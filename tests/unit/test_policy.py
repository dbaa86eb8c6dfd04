from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from defilev.abi import Transaction, interface
from defilev.errors import PlanForAnotherChain, PolicyViolation
from defilev.execute.allowances import repay_all_limit
from defilev.execute.policy import Limits, Policy, check_plan, check_signed, check_transaction, policy_for
from defilev.execute.public_keys import PUBLIC_TEST_ACCOUNTS, assert_key_allowed
from defilev.execute.transaction import SignedTransaction, TransactionFields, decode_signed
from defilev.model.book import AddressBook, UniswapV3Entry
from defilev.model.plan import Borrow, Plan, Repay, RepayWithSupply, SetCollateral, SetEMode, Supply, Withdraw
from defilev.model.request import Address
from tests.factories import DAI, OWNER, USDC, WETH, a_borrow, a_supply, an_account
from tests.unit.policy_cases import (
    ACCOUNT,
    POLICY,
    POOL,
    ROUTER,
    STRANGER,
    TOKENS,
    Markets,
    a_plan,
    closing_plan,
    deleverage_plan,
    step_of,
    two_hop_plan,
    with_step,
)

PLANS = [deleverage_plan, two_hop_plan, closing_plan]
MINIMUM = 5_970 * 10**6


@pytest.mark.parametrize("make", PLANS)
def test_a_deleverage_of_the_owner_is_allowed(make: Callable[[], Plan]) -> None:
    """What the planner makes passes: one pool, two pools, closing."""
    check_plan(make(), policy=POLICY)


@given(st.sampled_from(PLANS), st.data())
def test_no_byte_of_any_call_can_be_changed(make: Callable[[], Plan], data: st.DataObject) -> None:
    """Any other byte at any place of the calldata of an allowed plan is refused."""
    plan = make()
    step = data.draw(st.sampled_from(plan.steps))
    call = bytearray.fromhex(step.data[2:])
    place = data.draw(st.integers(0, len(call) - 1))
    call[place] ^= data.draw(st.integers(1, 255))

    with pytest.raises(PolicyViolation):
        check_plan(with_step(plan, step.index, data="0x" + call.hex()), policy=POLICY)


@given(st.sampled_from(PLANS), st.data())
def test_nothing_can_be_appended_or_cut(make: Callable[[], Plan], data: st.DataObject) -> None:
    """Calldata that is longer or shorter than its one encoding is refused."""
    plan = make()
    step = data.draw(st.sampled_from(plan.steps))
    call = bytes.fromhex(step.data[2:])
    longer = call + data.draw(st.binary(min_size=1, max_size=64))
    shorter = call[: data.draw(st.integers(0, len(call) - 1))]

    for changed in (longer, shorter):
        with pytest.raises(PolicyViolation):
            check_plan(with_step(plan, step.index, data="0x" + changed.hex()), policy=POLICY)


@given(st.integers(0, 2**160 - 1), st.binary(max_size=200))
def test_unknown_calls_are_refused(target: int, data: bytes) -> None:
    """Default is deny: random bytes at random addresses, and at each allowed contract."""
    for to in (Address(f"0x{target:040x}"), POOL, ROUTER, USDC.address):
        with pytest.raises(PolicyViolation):
            check_plan(with_step(deleverage_plan(), 1, to=to, data="0x" + data.hex()), policy=POLICY)


def _pool(name: str, *arguments: Any) -> Transaction:
    return Transaction(POOL, "aave-v3 main", interface("aave_v3_pool")[name], arguments)


def _token(name: str, *arguments: Any) -> Transaction:
    return Transaction(USDC.address, "USDC", interface("erc20")[name], arguments)


def _router(*arguments: Any) -> Transaction:
    return Transaction(ROUTER, "router", interface("uniswap_v3_swap_router_02")["exactInputSingle"], (arguments,))


def _swap(**changes: Any) -> Transaction:
    usual = {
        "token_in": WETH.address,
        "token_out": USDC.address,
        "fee": 500,
        "recipient": OWNER,
        "amount": 2 * 10**18,
        "minimum": MINIMUM,
        "limit": 0,
    }
    return _router(*(usual | changes).values())


WITHDRAW = Withdraw(WETH, 10**18)
REPAY = Repay(USDC, 10**6)
ADD = Supply(WETH, 10**18)
SWAP: Any = deleverage_plan().steps[2].action
APPROVE: Any = deleverage_plan().steps[3].action

FORBIDDEN: list[tuple[str, Any, Transaction, str]] = [
    ("withdraw to a stranger", WITHDRAW, _pool("withdraw", WETH.address, 10**18, STRANGER), "to"),
    ("withdraw an unknown token", WITHDRAW, _pool("withdraw", STRANGER, 10**18, OWNER), "asset"),
    ("withdraw nothing", WITHDRAW, _pool("withdraw", WETH.address, 0, OWNER), "amount"),
    ("repay for a stranger", REPAY, _pool("repay", USDC.address, 10**6, 2, STRANGER), "onBehalfOf"),
    ("repay at the stable rate", REPAY, _pool("repay", USDC.address, 10**6, 1, OWNER), "interestRateMode"),
    ("borrow", Borrow(USDC, 10**6), _pool("borrow", USDC.address, 10**6, 2, 0, OWNER), "call"),
    ("supply what is no collateral", Supply(USDC, 10**6), _pool("supply", USDC.address, 10**6, OWNER, 0), "asset"),
    ("supply for a stranger", ADD, _pool("supply", WETH.address, 10**18, STRANGER, 0), "onBehalfOf"),
    ("supply by a referral", ADD, _pool("supply", WETH.address, 10**18, OWNER, 1), "referralCode"),
    ("supply nothing", ADD, _pool("supply", WETH.address, 0, OWNER, 0), "amount"),
    ("change the e-mode", WITHDRAW, _pool("setUserEMode", 1), "declared action"),
    ("change another e-mode than is said", SetEMode(2, ""), _pool("setUserEMode", 1), "declared action"),
    (
        "stop using collateral",
        WITHDRAW,
        _pool("setUserUseReserveAsCollateral", WETH.address, False),
        "declared action",
    ),
    (
        "stop using collateral for using it",
        SetCollateral(WETH, True),
        _pool("setUserUseReserveAsCollateral", WETH.address, False),
        "declared action",
    ),
    (
        "repay with supply what is not owed",
        RepayWithSupply(WETH, 1),
        _pool("repayWithATokens", WETH.address, 1, 2),
        "asset",
    ),
    (
        "repay with supply at the stable rate",
        RepayWithSupply(USDC, 1),
        _pool("repayWithATokens", USDC.address, 1, 1),
        "interestRateMode",
    ),
    ("transfer tokens", APPROVE, _token("transfer", STRANGER, 10**6), "call"),
    ("approve a stranger", APPROVE, _token("approve", STRANGER, MINIMUM), "spender"),
    ("approve the owner", APPROVE, _token("approve", OWNER, MINIMUM), "spender"),
    ("approve without limit", APPROVE, _token("approve", POOL, 2**256 - 1), "approved amount"),
    ("approve nearly without limit", APPROVE, _token("approve", POOL, 2**255), "approved amount"),
    ("swap to a stranger", SWAP, _swap(recipient=STRANGER), "recipient"),
    ("swap to the router itself", SWAP, _swap(recipient=Address("0x" + "0" * 39 + "2")), "recipient"),
    ("swap into an unknown token", SWAP, _swap(token_out=STRANGER), "tokenOut"),
    ("swap a token into itself", SWAP, _swap(token_out=WETH.address), "route"),
    ("swap what the router holds", SWAP, _swap(amount=0), "amountIn"),
    ("swap for nothing", SWAP, _swap(minimum=0), "amountOutMinimum"),
    ("swap with a price limit", SWAP, _swap(limit=1), "sqrtPriceLimitX96"),
    ("swap far below the oracle", SWAP, _swap(minimum=5_000 * 10**6), "against the oracle"),
    ("swap without a price", SWAP, _swap(token_out=DAI.address), "against the oracle"),
]


@pytest.mark.parametrize(("name", "action", "call", "rule"), FORBIDDEN, ids=[case[0] for case in FORBIDDEN])
def test_forbidden_calls_name_their_rule(name: str, action: Any, call: Transaction, rule: str) -> None:
    """Each forbidden call is refused with the step and the rule that it breaks, whatever its label says."""
    plan = a_plan([(action, call)])

    with pytest.raises(PolicyViolation, match=rf"^step 1 \({action.kind}\) is not allowed: .*{rule}"):
        check_plan(plan, policy=POLICY)


LIES: list[tuple[int, dict[str, Any], str]] = [
    (1, {"action": Withdraw(WETH, 10**18)}, "declared action"),
    (1, {"action": Withdraw(WETH, None)}, "declared action"),
    (1, {"action": Repay(WETH, 2 * 10**18)}, "declared action"),
    (1, {"action": Withdraw(replace(WETH, symbol="WETH2"), 2 * 10**18)}, "declared action"),
    (1, {"action": Withdraw(replace(WETH, decimals=6), 2 * 10**18)}, "declared action"),
    (1, {"function": "repay"}, "function"),
    (1, {"arguments": ()}, "arguments"),
    (1, {"value": 1}, "value"),
    (1, {"to": ROUTER}, "call"),
    (3, {"action": replace(SWAP, minimum_out=MINIMUM + 1)}, "declared action"),
    (3, {"action": replace(SWAP, amount_in=1)}, "declared action"),
    (3, {"action": replace(SWAP, route=())}, "declared action"),
    (4, {"action": replace(APPROVE, spender=ROUTER)}, "declared action"),
    (4, {"action": replace(APPROVE, amount=MINIMUM - 1)}, "declared action"),
]


@pytest.mark.parametrize(("index", "lie", "rule"), LIES)
def test_a_label_that_lies_is_refused(index: int, lie: dict[str, Any], rule: str) -> None:
    """The words of a step must say exactly what its bytes do."""
    with pytest.raises(PolicyViolation, match=rf"^step {index} .*: {rule}"):
        check_plan(with_step(deleverage_plan(), index, **lie), policy=POLICY)


def test_the_middle_of_a_route_is_checked() -> None:
    """A route with another fee or another token in the middle than the label's is refused."""
    plan = two_hop_plan()
    action: Any = plan.steps[2].action
    first, second = action.route

    for route in ((replace(first, fee=500), second), (replace(first, token_out=USDC), second), (first,)):
        with pytest.raises(PolicyViolation, match="declared action"):
            check_plan(with_step(plan, 3, action=replace(action, route=route)), policy=POLICY)


@pytest.mark.parametrize("data", ["", "0x", "0x1", "a9059cbb", "0xA9059CBB", "0xa9 05", "0xzz"])
def test_calldata_that_is_not_plain_hex_is_refused(data: str) -> None:
    """Only 0x and lower-case digits in pairs are calldata: no spaces, no capitals, no odd digit."""
    with pytest.raises(PolicyViolation, match="calldata"):
        check_plan(with_step(deleverage_plan(), 1, data=data), policy=POLICY)


def test_an_allowance_is_exactly_what_is_taken() -> None:
    """An approval above or below what the next calls take, or that nothing takes, is refused."""
    on = Markets()
    for amount in (MINIMUM + 1, MINIMUM - 1):
        calls = [on.approve(USDC, POOL, amount), on.repay(USDC, MINIMUM)]
        with pytest.raises(PolicyViolation, match="approved amount"):
            check_plan(a_plan(calls), policy=POLICY)
    with pytest.raises(PolicyViolation, match="approved amount"):
        check_plan(a_plan([on.approve(USDC, ROUTER, MINIMUM), on.repay(USDC, MINIMUM)]), policy=POLICY)


def test_one_allowance_may_serve_several_calls() -> None:
    """Approving the sum of what two repayments take is exact."""
    on = Markets()
    calls = [on.approve(USDC, POOL, 30), on.repay(USDC, 10), on.repay(USDC, 20)]

    check_plan(a_plan(calls), policy=POLICY)


def test_a_replaced_allowance_counts_from_its_replacement() -> None:
    """What a token wants, zero before a new amount, is exact as well."""
    on = Markets()
    calls = [on.approve(USDC, POOL, 0), on.approve(USDC, POOL, 20), on.repay(USDC, 20)]

    check_plan(a_plan(calls), policy=POLICY)


def test_repaying_all_is_bounded_and_cleaned_up() -> None:
    """To repay everything owed, at most the debt and a little interest is approved, and taken back afterwards."""
    on = Markets()
    limit = repay_all_limit(60_000 * 10**6)
    for amount, ending, allowed in ((limit, True, True), (limit + 1, True, False), (limit, False, False)):
        calls = [on.approve(USDC, POOL, amount), on.repay(USDC, None)]
        calls += [on.approve(USDC, POOL, 0)] if ending else []
        if allowed:
            check_plan(a_plan(calls), policy=POLICY)
            continue
        with pytest.raises(PolicyViolation, match="approved amount"):
            check_plan(a_plan(calls), policy=POLICY)


def test_repaying_all_after_repaying_a_part_allows_the_rest() -> None:
    """The bound for repaying everything shrinks by what was repaid before."""
    on = Markets()
    part = 50_000 * 10**6
    rest = repay_all_limit(60_000 * 10**6) - part
    for amount, allowed in ((rest, True), (rest + 1, False)):
        calls = [
            on.approve(USDC, POOL, part),
            on.repay(USDC, part),
            on.approve(USDC, POOL, amount),
            on.repay(USDC, None),
            on.approve(USDC, POOL, 0),
        ]
        if allowed:
            check_plan(a_plan(calls), policy=POLICY)
            continue
        with pytest.raises(PolicyViolation, match="step 3"):
            check_plan(a_plan(calls), policy=POLICY)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"owner": STRANGER}, "owner"),
        ({"market": "prime"}, "market"),
        ({"protocol": "morpho-blue"}, "protocol"),
        ({"steps": ()}, "steps"),
        ({"max_slippage": Decimal(0)}, "max slippage"),
        ({"max_slippage": Decimal("0.6")}, "max slippage"),
    ],
)
def test_a_plan_for_something_else_is_refused(change: dict[str, Any], rule: str) -> None:
    """Owner, market, protocol and slippage of the plan are those of this account and machine."""
    with pytest.raises(PolicyViolation, match=f"^the plan is not allowed: {rule}"):
        check_plan(replace(deleverage_plan(), **change), policy=POLICY)


def test_a_plan_for_another_chain_is_refused() -> None:
    """A plan for another chain than the account's has its own error, exit code 7."""
    with pytest.raises(PlanForAnotherChain) as raised:
        check_plan(replace(deleverage_plan(), chain_id=10), policy=POLICY)

    assert raised.value.exit_code == 7


def test_steps_out_of_order_are_refused() -> None:
    """Steps are numbered one after another."""
    plan = deleverage_plan()

    with pytest.raises(PolicyViolation, match="steps"):
        check_plan(replace(plan, steps=plan.steps[::-1]), policy=POLICY)


def test_the_oracle_may_drift_only_a_little_after_the_plan() -> None:
    """A minimum that was fair for the plan is refused once the price of the collateral has risen by two per cent."""
    risen = replace(POLICY, account=an_account(a_supply(WETH, "50", "3060"), a_borrow(USDC, "60000", "1")))
    drifted = replace(POLICY, account=an_account(a_supply(WETH, "50", "3030"), a_borrow(USDC, "60000", "1")))

    check_plan(deleverage_plan(), policy=drifted)
    with pytest.raises(PolicyViolation, match="against the oracle"):
        check_plan(deleverage_plan(), policy=risen)


def test_without_a_router_nothing_is_swapped() -> None:
    """Where the address book has no venue, a swap is a call to an unknown contract."""
    with pytest.raises(PolicyViolation, match="step 2"):
        check_plan(deleverage_plan(), policy=replace(POLICY, router=None))


def test_the_policy_comes_from_the_address_book() -> None:
    """The router is the book's, and the book must be of the account's chain."""
    venue = UniswapV3Entry(STRANGER, STRANGER, ROUTER)
    book = AddressBook(1, "ethereum", STRANGER, (), uniswap_v3=venue)

    assert POLICY == policy_for(ACCOUNT, pool=POOL, tokens=TOKENS, book=book, node_is_loopback_anvil=False)
    with pytest.raises(PlanForAnotherChain):
        policy_for(ACCOUNT, pool=POOL, tokens=TOKENS, book=replace(book, chain_id=10), node_is_loopback_anvil=False)


STEP = deleverage_plan().steps[0]
FIELDS = TransactionFields(1, 7, 10**8, 3 * 10**9, 400_000, POOL, 0, bytes.fromhex(STEP.data[2:]))


def test_a_transaction_of_its_step_is_allowed() -> None:
    """The fields that the broadcaster makes pass."""
    check_transaction(FIELDS, STEP, policy=POLICY)


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"chain_id": 0}, "chainId"),
        ({"chain_id": 10}, "chainId"),
        ({"to": STRANGER}, "to"),
        ({"value": 1}, "value"),
        ({"data": b""}, "data"),
        ({"data": FIELDS.data + b"\0"}, "data"),
        ({"gas_limit": 10_000_001}, "gas limit"),
        ({"max_fee_per_gas": 2001 * 10**9}, "max fee per gas"),
        ({"max_priority_fee_per_gas": 4 * 10**9}, "max fee minus tip"),
        ({"max_fee_per_gas": 2000 * 10**9}, "wei that the transaction can cost"),
    ],
)
def test_a_transaction_beside_its_step_is_refused(change: dict[str, Any], rule: str) -> None:
    """Chain, recipient, value, data, gas and fees are held against the step and the limits."""
    with pytest.raises(PolicyViolation, match=rule):
        check_transaction(replace(FIELDS, **change), STEP, policy=POLICY)


def test_limits_belong_to_the_machine() -> None:
    """A tighter limit refuses what the default one allows."""
    with pytest.raises(PolicyViolation, match="max fee per gas"):
        check_transaction(FIELDS, STEP, policy=replace(POLICY, limits=Limits(fee_per_gas=10**9)))


def _signed(fields: TransactionFields, key: bytes) -> bytes:
    from defilev.execute.secret import Secret
    from defilev.execute.signer import KeystoreSigner

    return KeystoreSigner(Secret(key)).sign(fields)


KEY = (7).to_bytes(32, "big")
KEY_OWNER = Address("0xd41c057fd1c78805AAC12B0A94a405c0461A6FBb")


def test_a_signed_transaction_decodes_to_its_fields() -> None:
    """Our decoder reads the library's bytes, and names the transaction as the chain will."""
    from eth_account import Account

    raw = _signed(FIELDS, KEY)

    assert FIELDS == decode_signed(raw).fields
    assert raw == decode_signed(raw).raw()
    fields: dict[str, Any] = {
        "type": 2,
        "chainId": 1,
        "nonce": 7,
        "maxPriorityFeePerGas": 10**8,
        "maxFeePerGas": 3 * 10**9,
    }
    fields |= {"gas": 400_000, "to": POOL, "value": 0, "data": FIELDS.data}
    assert "0x" + Account.sign_transaction(fields, KEY).hash.hex() == check_signed(
        raw, STEP, expected=FIELDS, owner=KEY_OWNER
    )


@pytest.mark.parametrize(
    "change",
    [
        {"chain_id": 2},
        {"nonce": 8},
        {"max_priority_fee_per_gas": 1},
        {"max_fee_per_gas": 1},
        {"gas_limit": 1},
        {"to": STRANGER},
        {"value": 1},
        {"data": b"\1"},
    ],
)
def test_a_signature_over_anything_else_is_refused(change: dict[str, Any]) -> None:
    """A signer that signs another field than it was asked to is found out."""
    with pytest.raises(PolicyViolation, match=f"signed {next(iter(change))}"):
        check_signed(_signed(replace(FIELDS, **change), KEY), STEP, expected=FIELDS, owner=KEY_OWNER)


def test_a_signature_of_another_account_is_refused() -> None:
    """The recovered sender must be the owner."""
    with pytest.raises(PolicyViolation, match="signer"):
        check_signed(_signed(FIELDS, KEY), STEP, expected=FIELDS, owner=OWNER)


@given(st.data())
def test_no_byte_of_a_signed_transaction_can_be_changed(data: st.DataObject) -> None:
    """Flipping any bits of the raw bytes is refused, the signature's as well."""
    raw = bytearray(_signed(FIELDS, KEY))
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= data.draw(st.integers(1, 255))

    with pytest.raises(PolicyViolation):
        check_signed(bytes(raw), STEP, expected=FIELDS, owner=KEY_OWNER)


@given(st.binary(max_size=200))
def test_random_bytes_are_not_a_transaction(noise: bytes) -> None:
    """The decoder raises nothing but ValueError."""
    for raw in (noise, b"\x02" + noise):
        with pytest.raises(ValueError, match=r".+"):
            decode_signed(raw)


def test_a_malleable_signature_is_refused() -> None:
    """The high twin of a signature, which the chain would refuse, is refused here."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
    signed = decode_signed(_signed(FIELDS, KEY))
    twin = SignedTransaction(signed.fields, 1 - signed.y_parity, signed.r, order - signed.s)

    with pytest.raises(PolicyViolation, match="signature"):
        check_signed(twin.raw(), STEP, expected=FIELDS, owner=KEY_OWNER)


def test_a_parity_of_older_transaction_types_is_refused() -> None:
    """36 means parity 1 in a legacy transaction, and some libraries recover the sender from it here too."""
    signed = decode_signed(_signed(FIELDS, KEY))

    for parity in (27 + signed.y_parity, 35 + signed.y_parity, 37 + signed.y_parity):
        with pytest.raises(PolicyViolation, match="signed transaction"):
            check_signed(replace(signed, y_parity=parity).raw(), STEP, expected=FIELDS, owner=KEY_OWNER)


def test_a_legacy_transaction_is_refused() -> None:
    """A signature without a chain id, which every chain would accept, is not a type 2 transaction."""
    from eth_account import Account

    fields = {"nonce": 7, "gasPrice": 1, "gas": 400_000, "to": POOL, "value": 0, "data": FIELDS.data}
    raw = bytes(Account.sign_transaction(fields, KEY).raw_transaction)

    with pytest.raises(PolicyViolation, match="signed transaction"):
        check_signed(raw, STEP, expected=FIELDS, owner=KEY_OWNER)


def test_the_public_test_accounts_are_those_of_the_mnemonic() -> None:
    """The table holds the first twenty accounts of anvil's mnemonic."""
    from eth_account import Account

    Account.enable_unaudited_hdwallet_features()
    words = "test test test test test test test test test test test junk"
    derived = {Account.from_mnemonic(words, account_path=f"m/44'/60'/0'/0/{index}").address for index in range(20)}

    assert derived == PUBLIC_TEST_ACCOUNTS


@pytest.mark.parametrize("address", sorted(PUBLIC_TEST_ACCOUNTS))
def test_public_keys_sign_on_a_local_anvil_only(address: Address) -> None:
    """A key that everybody knows is refused wherever money is real, before and while signing."""
    assert_key_allowed(address, node_is_loopback_anvil=True)
    with pytest.raises(PolicyViolation, match="public"):
        assert_key_allowed(address, node_is_loopback_anvil=False)
    public = Policy(replace(ACCOUNT, owner=address), POOL, ROUTER, TOKENS)
    check_transaction(FIELDS, STEP, policy=replace(public, public_keys=True))
    with pytest.raises(PolicyViolation, match="public"):
        check_transaction(FIELDS, STEP, policy=public)


def test_a_step_made_by_hand_matches_its_builder() -> None:
    """The cases above start from a step that the policy allows."""
    assert STEP == step_of(1, *Markets().withdraw(WETH, 2 * 10**18))
