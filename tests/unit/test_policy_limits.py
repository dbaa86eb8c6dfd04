from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from importlib.resources import files
from typing import Any

import pytest

from defilev.config.address_book import load_address_book
from defilev.config.call_list import load_call_list, parse_call_list
from defilev.errors import ConfigurationError, PolicyViolation
from defilev.execute.limits import Limits, Spending
from defilev.execute.policy import check_plan
from defilev.execute.rules import ADAPTERS
from defilev.model.call_list import CallList
from defilev.model.request import Address
from defilev_signer.policy import ROLES
from tests.unit.policy_cases import POLICY, POOL, ROUTER, STRANGER, closing_plan, deleverage_plan, two_hop_plan

PLANS = [deleverage_plan, two_hop_plan, closing_plan]
LIST = load_call_list(1)


@dataclass(frozen=True)
class Before:
    """What the last day saw."""

    spending: Spending

    def last_day(self, *, chain_id: int, owner: Address, quote: str) -> Spending:
        return self.spending


@pytest.mark.parametrize(
    ("limits", "before", "rule"),
    [
        ({"value_per_transaction": Decimal(5999)}, Spending(), "step 1 .*value of a transaction"),
        ({"value_per_day": Decimal(5999)}, Spending(), "value within 24 hours"),
        ({"value_per_day": Decimal(10_000)}, Spending(5, Fraction(4001)), "value within 24 hours"),
        ({"transactions_per_day": 4}, Spending(), "transactions within 24 hours"),
        ({"transactions_per_day": 9}, Spending(5), "transactions within 24 hours"),
    ],
)
def test_limits_bind_a_transaction_and_a_day(limits: dict[str, Any], before: Spending, rule: str) -> None:
    """A plan that withdraws 6,000 in five transactions is refused one unit above each limit."""
    policy = replace(POLICY, limits=Limits(**limits), spent=Before(before))

    with pytest.raises(PolicyViolation, match=rule):
        check_plan(deleverage_plan(), policy=policy)


def test_at_the_limits_a_plan_is_allowed() -> None:
    """Exactly the limit passes."""
    limits = Limits(value_per_transaction=Decimal(6000), value_per_day=Decimal(10_000), transactions_per_day=10)
    policy = replace(POLICY, limits=limits, spent=Before(Spending(5, Fraction(4000))))

    check_plan(deleverage_plan(), policy=policy)


def test_everything_counts_as_what_there_is() -> None:
    """Closing withdraws all 50 WETH, worth 150,000."""
    for limit, allowed in ((150_000, True), (149_999, False)):
        policy = replace(POLICY, limits=Limits(value_per_day=Decimal(limit)))
        if allowed:
            check_plan(closing_plan(), policy=policy)
            continue
        with pytest.raises(PolicyViolation, match="value within 24 hours"):
            check_plan(closing_plan(), policy=policy)


@pytest.mark.parametrize(
    "looser",
    [
        {"slippage": Decimal("0.11")},
        {"price_drift": Decimal("0.02")},
        {"fee_per_gas": 2001 * 10**9},
        {"gas": 10_000_001},
        {"transaction_cost": 5 * 10**17 + 1},
        {"transactions_per_day": 501},
        {"transactions_per_day": -1},
    ],
)
def test_no_limit_is_loosened_beyond_the_hard_bounds(looser: dict[str, Any]) -> None:
    """The bounds stand in the code: limits beyond them cannot even be made."""
    with pytest.raises(ValueError, match=next(iter(looser))):
        Limits(**looser)


@pytest.mark.parametrize("make", PLANS)
def test_plans_pass_the_shipped_list(make: Any) -> None:
    """What the planner makes on Ethereum's main market is in the shipped list."""
    check_plan(make(), policy=replace(POLICY, calls=LIST))


def _listed(text_old: str, text_new: str) -> CallList:
    text = (files("defilev.config") / "policies" / "ethereum.toml").read_text(encoding="utf-8")
    assert text_old in text
    return parse_call_list(text.replace(text_old, text_new), source="a test")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"pool": STRANGER}, "pool"),
        ({"router": STRANGER}, "router"),
        ({"calls": _listed(f'address = "{POOL}"', f'address = "{STRANGER}"')}, "pool"),
        ({"calls": _listed(f'address = "{ROUTER}"', f'address = "{STRANGER}"')}, "router"),
        ({"calls": _listed("id = 1", "id = 10")}, "chain of the list"),
    ],
)
def test_a_contract_that_the_list_does_not_name_is_refused(change: dict[str, Any], rule: str) -> None:
    """A node or an address book that names another pool or router than the shipped list is not followed."""
    with pytest.raises(PolicyViolation, match=f"the plan is not allowed: {rule}"):
        check_plan(deleverage_plan(), policy=replace(POLICY, **({"calls": LIST} | change)))


def test_a_function_that_the_list_leaves_out_is_refused() -> None:
    """The list can only take away from what the rules allow."""
    short = _listed('"0x573ade81" = "repay(address,uint256,uint256,address)"', "")

    with pytest.raises(PolicyViolation, match=r"step 5 .*not allowed: call"):
        check_plan(deleverage_plan(), policy=replace(POLICY, calls=short))


def test_the_list_cannot_add_what_the_rules_do_not_know() -> None:
    """A borrow that somebody writes into the list is still refused."""
    from defilev.abi import Transaction, interface
    from defilev.model.plan import Borrow
    from tests.factories import OWNER, USDC
    from tests.unit.policy_cases import a_plan

    wide = _listed(
        '"0x69328dec" = "withdraw',
        '"0xa415bcad" = "borrow(address,uint256,uint256,uint16,address)"\n"0x69328dec" = "withdraw',
    )
    borrow = Transaction(POOL, "pool", interface("aave_v3_pool")["borrow"], (USDC.address, 1, 2, 0, OWNER))

    with pytest.raises(PolicyViolation, match="not allowed: a call that raises leverage"):
        check_plan(a_plan([(Borrow(USDC, 1), borrow)]), policy=replace(POLICY, calls=wide))


@pytest.mark.parametrize("chain", ["ethereum", "arbitrum", "base", "optimism"])
def test_every_shipped_market_is_listed(chain: str) -> None:
    """Each chain's list names a pool for every market of a supported protocol, and the address book's router."""
    book = load_address_book(chain)
    listed = load_call_list(book.chain_id)

    assert listed is not None
    assert book.uniswap_v3 is not None
    assert book.uniswap_v3.swap_router_02 == listed.address("uniswap-v3-router", "uniswap-v3")
    for entry in book.markets:
        if entry.protocol in ADAPTERS:
            assert listed.address(f"{entry.protocol}-pool", f"{entry.protocol}/{entry.market}"), entry


REARRANGING = {
    "setUserUseReserveAsCollateral(address,bool)",
    "setUserEMode(uint8)",
    "borrow(address,uint256,uint256,uint16,address)",
}


@pytest.mark.parametrize("chain_id", [1, 10, 8453, 42161])
def test_signer_and_planner_agree_on_what_may_be_called(chain_id: int) -> None:
    """The shipped lists hold what the signer's own code knows, by role, of Perp v2 on Optimism alone.

    It knows neither Comet nor the executor, nor what rearranges a position.
    """
    listed = load_call_list(chain_id)

    assert listed is not None
    roles = {entry.role for entry in listed.contracts} - {"compound-v3-pool", "leverage-executor"}
    assert {role: ROLES[role] for role in roles} == {
        role: frozenset(name for entry in listed.contracts if entry.role == role for name in entry.functions.values())
        - REARRANGING
        for role in roles
    }
    perpetuals = {role for role in ROLES if role.startswith("perp-curie")}
    assert chain_id != 1 or roles == ROLES.keys() - perpetuals
    assert (chain_id == 10) == (perpetuals <= roles)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"0x69328dec"', '"0x69328ded"'),
        ("id = 1", "id = one"),
        ('role = "token"', 'roles = "token"'),
        (POOL, POOL.upper()),
    ],
)
def test_a_damaged_list_is_refused(old: str, new: str) -> None:
    """A wrong selector, address or key stops everything that would sign."""
    with pytest.raises(ConfigurationError, match="list of calls"):
        _listed(old, new)


def test_chains_without_a_list_have_none() -> None:
    """The local chain is served by the user's own address book."""
    assert load_call_list(31337) is None
