from __future__ import annotations

import sys
from fractions import Fraction
from pathlib import Path

import pytest

from defilev_signer.errors import Unusable
from defilev_signer.loss import most_that_can_be_lost
from defilev_signer.policy import Policy
from defilev_signer.policy_file import load_policy, parse_policy
from defilev_signer.public_keys import PUBLIC_TEST_ACCOUNTS
from tests.factories import USDC, WETH
from tests.support.isolated_calls import MORPHO, PARAMS
from tests.support.signing import PolicyToken, policy_text
from tests.support.trial_legal import CHAIN_ID, OWNER, trial_policy
from tests.support.trial_perps import HOUSE, VAULT
from tests.unit.policy_cases import POOL, ROUTER

TEXT = trial_policy()


def parsed(text: str = TEXT) -> Policy:
    """The policy in `text`."""
    return parse_policy(text.encode())


def test_a_policy_says_whom_it_is_for_and_what_may_be_called() -> None:
    """Chain, owner, contracts by address, tokens with their prices, limits in base units."""
    policy = parsed()

    assert (CHAIN_ID, OWNER) == (policy.chain_id, policy.account.owner)
    assert {POOL, ROUTER, MORPHO, VAULT, HOUSE, *policy.tokens} == set(policy.contracts)
    assert {PARAMS.id} == policy.contracts[MORPHO].markets
    assert set() == policy.contracts[POOL].markets
    assert (Fraction(3000), Fraction(2400)) == (
        policy.tokens[WETH.address].price,
        policy.tokens[WETH.address].lowest_sale,
    )
    assert 500 * 10**9 == policy.limits.fee_per_gas


REFUSED = [
    ('"withdraw(address,uint256,address)"', '"borrow(address,uint256,uint256,uint16,address)"', "never signed"),
    ('"approve(address,uint256)"', '"transfer(address,uint256)"', "never signed"),
    ('"0x69328dec"', '"0xa415bcad"', "not the selector"),
    ('role = "uniswap-v3-router"', 'role = "safe"', "no contract has the role"),
    ('lowest_sale = "2400.000000"', 'lowest_sale = "749"', "lowest_sale must lie between"),
    ('highest_purchase = "3150.000000"', 'highest_purchase = "6001"', "highest_purchase between"),
    ('fee_per_gas_gwei = "500"', 'fee_per_gas_gwei = "2001"', "which no file may exceed"),
    ('transaction_cost_eth = "0.4"', 'transaction_cost_eth = "0.6"', "which no file may exceed"),
    ("transactions_per_day = 10000", "transactions_per_day = 10001", "which no file may exceed"),
    ("transactions_per_day = 10000", "transactions_per_day = 0", "not a number above zero"),
    ('value_per_day = "1000000000"', 'value_per_day = "1e9"', "not a number above zero"),
    ('value_per_day = "1000000000"', "", "value_per_day is missing"),
    ("may_close = true", 'may_close = "yes"', "neither true nor false"),
    ("may_close = true", "may_closed = true", "unknown key may_closed"),
    (OWNER, OWNER.lower(), "wrong capitals"),
    (OWNER, min(PUBLIC_TEST_ACCOUNTS), "is public"),
    (f'address = "{ROUTER}"', f'address = "{POOL}"', "listed twice"),
    ("decimals = 18", "decimals = 37", "decimals is not a whole number"),
    ("id = 1\n", "id = 0\n", "[chain] id is not"),
    ("[limits]", "[limit]", "unknown key limit"),
    (f'["{PARAMS.id}"]', '["0x12"]', "0x12 is not the id of a market"),
    (f'["{PARAMS.id}"]', f'["{PARAMS.id.upper()}"]', "small hex digits"),
    (f'["{PARAMS.id}"]', f'"{PARAMS.id}"', "markets is not a list"),
    ('role = "aave-v3-pool"', 'role = "aave-v3-pool"\nmarkets = []', "unknown key markets"),
]


@pytest.mark.parametrize(("old", "new", "said"), REFUSED, ids=[f"{case[2]}: {case[1]}" for case in REFUSED])
def test_a_policy_beyond_the_hard_bounds_is_refused(tmp_path: Path, old: str, new: str, said: str) -> None:
    """No file can list a borrow or a transfer, exceed the hard limits, or be misread: the signer does not start."""
    assert old in TEXT
    path = tmp_path / "policy.toml"
    path.write_text(TEXT.replace(old, new, 1))

    with pytest.raises(Unusable) as raised:
        load_policy(path)

    assert said in raised.value.fact


def test_a_policy_nested_without_end_is_refused(tmp_path: Path) -> None:
    """Brackets within brackets are refused like any other mistake, with the interpreter's own limit on recursion."""
    path = tmp_path / "policy.toml"
    path.write_text("chain = " + "[" * 5_000 + "]" * 5_000, encoding="utf-8")

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(1_000)
    try:
        with pytest.raises(Unusable, match="recursion"):
            load_policy(path)
    finally:
        sys.setrecursionlimit(before)


def test_a_policy_that_others_can_write_is_refused(tmp_path: Path) -> None:
    """Neither the file nor its folder may be writable by others, and a link is no file."""
    path = tmp_path / "policy.toml"
    path.write_text(TEXT)
    link = tmp_path / "link.toml"
    link.symlink_to(path)

    path.chmod(0o622)
    with pytest.raises(Unusable, match="0622"):
        load_policy(path)
    path.chmod(0o600)
    with pytest.raises(Unusable, match="cannot be read"):
        load_policy(link)
    tmp_path.chmod(0o777)
    with pytest.raises(Unusable, match="replace"):
        load_policy(path)


def test_public_keys_sign_on_the_local_chain_only() -> None:
    """Anvil's test accounts are accepted on chain 31337 and nowhere else."""
    owner = min(PUBLIC_TEST_ACCOUNTS)

    assert owner == parsed(trial_policy(chain_id=31337, owner=owner)).account.owner
    with pytest.raises(ValueError, match="is public"):
        parsed(trial_policy(chain_id=8453, owner=owner))


def test_the_most_that_can_be_lost_follows_from_the_policy() -> None:
    """A day's swaps at the worst allowed price, a day's gas, and nothing sent elsewhere."""
    tokens = [
        PolicyToken("WETH", WETH.address, 18, "3000", 0.9, 1.0),
        PolicyToken("USDC", USDC.address, 6, "1", 1.0, 1.0),
    ]
    text = policy_text(
        chain_id=1, owner=OWNER, pool=POOL, router=ROUTER, tokens=tokens,
        limits={"value_per_day": "50000", "gas_cost_per_day_eth": "0.2"},
    )  # fmt: skip

    lost = most_that_can_be_lost(parsed(text))

    assert ("5000.00", "0.2", "0") == (lost["swaps"], lost["gas"], lost["sent_elsewhere"])
