from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from defilev.abi import interface
from defilev.errors import SelfCheckFailed
from defilev.model.account import LendingAccount
from defilev.model.request import Batch, Call, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols import PROTOCOLS
from defilev.protocols.aave_family.releases import candidates
from tests.support.world import World

pytestmark = pytest.mark.world

POOL = interface("aave_v3_pool")
RELEASE = {"main": "3.6", "spark": "3.0"}
Change = Callable[[Call, CallResult], CallResult]


@dataclass(frozen=True)
class Changed:
    """Answers of the chain, of which some are changed on the way."""

    world: World
    change: Change

    def fetch(self, batch: Batch) -> Results:
        results = self.world.reader(self.world.head()).fetch(batch)
        return [self.change(call, result) for call, result in zip(batch, results, strict=True)]


def read(world: World, market: str, change: Change) -> list[LendingAccount]:
    owners = list(world.accounts().values())
    block = world.head()
    entry = world.market(market)
    asked = PROTOCOLS[entry.protocol].read_accounts(entry, owners, chain_id=world.chain_id, block=block)
    return list(drive(asked, Changed(world, change).fetch).accounts)


def says_revision(number: int) -> Change:
    def change(call: Call, result: CallResult) -> CallResult:
        is_asked = call.data == POOL["POOL_REVISION"].selector
        return CallResult(True, number.to_bytes(32, "big")) if is_asked else result

    return change


@pytest.mark.parametrize("market", RELEASE)
@pytest.mark.parametrize("revision", [0, 6, 99])
def test_an_unknown_revision_takes_the_rules_that_reproduce_the_contract(
    market: str, revision: int, world: World
) -> None:
    """A pool with a revision that nobody knows is read under the one release whose figures are the contract's."""
    accounts = read(world, market, says_revision(revision))

    assert {account.self_check.result for account in accounts} == {"exact"}
    assert {dict(account.details)["rules"] for account in accounts} == {RELEASE[market]}


def test_a_revision_that_the_getters_contradict_is_not_believed(world: World) -> None:
    """A fork that numbers its pools its own way is known by what it can be asked."""
    accounts = read(world, "main", says_revision(1))

    assert {dict(account.details)["rules"] for account in accounts} == {"3.6"}


@pytest.mark.parametrize("market", RELEASE)
def test_a_figure_that_no_release_reproduces_is_an_error_with_both_numbers(market: str, world: World) -> None:
    """One unit in the last place of the contract's health factor is enough to refuse the account."""
    unknown = says_revision(99)

    def change(call: Call, result: CallResult) -> CallResult:
        if call.data[:4] != POOL["getUserAccountData"].selector or result.data[-32:] == b"\xff" * 32:
            return unknown(call, result)
        health_factor = int.from_bytes(result.data[-32:], "big") + 1
        return CallResult(True, result.data[:-32] + health_factor.to_bytes(32, "big"))

    with pytest.raises(SelfCheckFailed) as caught:
        read(world, market, change)

    facts = caught.value.facts
    assert isinstance(facts["computed"], int)
    assert facts["contract"] == facts["computed"] + 1


def test_known_revisions_are_one_release_and_unknown_ones_are_bounded_by_the_probes() -> None:
    """Probes narrow an unknown revision down before any figure is compared."""
    up_to_3_4 = {"3.1", "3.2", "3.3", "3.4"}

    assert candidates(9, up_to_3_4) == ("3.5",)
    assert candidates(8, up_to_3_4) == ("3.4",)
    assert candidates(77, up_to_3_4)[:2] == ("3.5", "3.4")
    assert candidates(11, {*up_to_3_4, "3.6", "3.7"}) == ("3.7",)
    assert candidates(1, set()) == ("3.0",)
