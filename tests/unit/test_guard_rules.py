"""Rules files of the guard: what they say, and every nonsense that is refused with its reason."""

from __future__ import annotations

import hashlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.config.guard_rules import load_guard_rules
from defilev.errors import KeyFailure, RulesInvalid
from defilev.model.guard_rules import KeyPlace, RuleGoal, Trigger
from tests.factories import OWNER, USDC
from tests.support.guards import PAYER, rules_file, rules_text

OTHER = USDC.address
SELL = {"authority": '"owner"', "payer": None}


def trigger(**keys: str) -> str:
    return "\n".join(["[[account.trigger]]", *(f"{key} = {value}" for key, value in keys.items())])


def test_a_rules_file_says_who_is_guarded_when_and_how(tmp_path: Path) -> None:
    """Every part is read exactly; the re-arm level lies halfway between trigger and goal when none is written."""
    rules = load_guard_rules(rules_file(tmp_path / "guard.toml", volatility='"65%"', reserve_for='"30%"'))
    (account,) = rules.accounts

    assert ("main", OWNER, "aave-v3", "main", "local") == (
        account.name, account.owner, account.protocol, account.market, account.chain
    )  # fmt: skip
    assert PAYER == account.actor
    assert (Trigger("health", acts=True, limit=Decimal("1.3")),) == account.triggers
    assert RuleGoal("health-factor", Decimal("1.6")) == account.goal
    assert (Decimal("1.45"), Decimal("0.3"), Decimal("0.65")) == (
        account.rearm, account.reserve_for, account.volatility
    )  # fmt: skip
    assert Decimal(25_000) == rules.max_hot_equity
    assert not rules.single_endpoint
    assert 64 == len(rules.digest)


def test_a_reserve_beside_the_owners_key_has_a_key_of_its_own(tmp_path: Path) -> None:
    """Both keys are known by address with their places, the reserve's first; without an owner's there is one."""
    said = {"keystore": '"owner.json"', "payer_signer": '"payer.sock"'}
    (both,) = load_guard_rules(rules_file(tmp_path / "both.toml", authority='"owner"', **said)).accounts
    (alone,) = load_guard_rules(rules_file(tmp_path / "alone.toml", signer='"payer.sock"')).accounts

    assert [(PAYER, KeyPlace(signer="payer.sock")), (OWNER, KeyPlace("owner.json"))] == list(both.keys.items())
    assert OWNER == both.actor
    assert {PAYER: KeyPlace(signer="payer.sock")} == alone.keys


def test_a_reserve_beside_an_owners_key_is_no_other_owners(tmp_path: Path) -> None:
    """Two actions would sign with it at once; several markets of one owner may share it."""
    path, beside = tmp_path / "guard.toml", rules_text(authority='"owner"')
    path.write_text(beside + rules_text(name='"other"', owner=f'"{OTHER}"').removeprefix("[guard]\n"))
    with pytest.raises(RulesInvalid, match="its payer also signs for other"):
        load_guard_rules(path)
    again = rules_text(name='"other"', market='"prime"', authority='"owner"')
    path.write_text(beside + again.removeprefix("[guard]\n"))
    assert [{PAYER, OWNER}] * 2 == [set(rule.keys) for rule in load_guard_rules(path).accounts]


def test_a_name_of_the_book_stands_for_its_address(tmp_path: Path) -> None:
    """`@main` is looked up among the names that are given, and refused where there is none of them."""
    path = rules_file(tmp_path / "guard.toml", owner='"@vault"')

    assert OWNER == load_guard_rules(path, names={"vault": OWNER}).accounts[0].owner
    with pytest.raises(RulesInvalid, match="no owner is called @vault"):
        load_guard_rules(path)


def test_the_digest_covers_what_a_name_stands_for(tmp_path: Path) -> None:
    """Another address under the same name is another file to review; without names it is the sha256 of the bytes."""
    path = rules_file(tmp_path / "guard.toml", owner='"@vault"')
    mine, others = (load_guard_rules(path, names={"vault": address}).digest for address in (OWNER, USDC.address))
    plain = rules_file(tmp_path / "plain.toml")

    assert mine != others
    assert hashlib.sha256(plain.read_bytes()).hexdigest() == load_guard_rules(plain).digest


def test_the_tiers_never_begin_above_the_trigger(tmp_path: Path) -> None:
    """With a trigger of 1.05 the second tier begins there, and the third nearer to 1."""
    low = trigger(kind='"health"', below='"1.05"')
    tiers = load_guard_rules(rules_file(tmp_path / "guard.toml", triggers=low)).accounts[0].tiers

    assert (None, Decimal("1.05"), Decimal("1.02")) == tuple(
        tiers[name].below for name in ("normal", "urgent", "emergency")
    )


def test_the_digest_is_of_the_bytes(tmp_path: Path) -> None:
    """A rules file with another comment is another file: what was reviewed is what runs."""
    path = rules_file(tmp_path / "guard.toml")
    before = load_guard_rules(path).digest
    path.write_text(path.read_text() + "# reviewed\n")

    assert before != load_guard_rules(path).digest


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": None}, "name: it is missing"),
    ({"name": '"Main Account"'}, "name"),
    ({"colour": '"red"'}, "colour: no such key"),
    ({"owner": '"0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A06"'}, "owner"),
    ({"owner": '"0x8F3Cf7ad23Cd3CaDbD9735AFf958023239c6A063"'}, "checksum"),
    ({"authority": '"everything"'}, "authority"),
    ({"authority": '"safe"'}, "authority"),
    ({"payer": None}, "authority reserve needs payer"),
    ({"payer": f'"{OWNER}"'}, "payer is the owner"),
    ({"goal": None}, "needs a goal"),
    ({"goal": '{ health_factor = "1.2" }'}, "the goal 1.2 is not above the trigger 1.3"),
    ({"goal": '{ health_factor = "1.3" }'}, "the goal 1.3 is not above the trigger 1.3"),
    ({"goal": '{ health_factor = "1.0" }'}, "the goal 1.0 is not between"),
    ({"goal": '{ health_factor = "50" }'}, "the goal 50 is not between"),
    ({"goal": '{ health_factor = "1.6", close = true }'}, "the goal is one of"),
    ({"goal": "{ close = true }"}, "a reserve repays and cannot withdraw"),
    ({"goal": "{ band = true }"}, "needs volatility"),
    ({"volatility": '"65"'}, "write it as a percentage"),
    ({"volatility": '"2000%"'}, "volatility is above 1000%"),
    ({"reserve_for": '"100%"'}, "reserve_for is a fall below 100%"),
    ({"rearm": '"1.2"'}, "rearm 1.2 does not lie between"),
    ({"rearm": '"1.7"'}, "rearm 1.7 does not lie between"),
    ({"cool_down": '"30d"'}, "cool_down is longer than a week"),
    ({"cool_down": '"soon"'}, "cool_down"),
    ({"budget": "{ runs_per_day = 0 }"}, "runs_per_day is not between 1 and 50"),
    ({"budget": "{ runs_per_day = 500 }"}, "runs_per_day is not between 1 and 50"),
    ({"budget": '{ gas_per_day = "0.2" }'}, "write it with its unit"),
    ({"budget": '{ value_per_day = "-5" }'}, "value_per_day"),
    ({"tiers": '{ normal = { slippage = "50%" } }'}, "slippage 50.000% is above 2%"),
    ({"tiers": '{ emergency = { slippage = "11%" } }'}, "slippage 11.000% is above 10%"),
    ({"tiers": '{ urgent = { divergence = "6%" } }'}, "divergence 6.000% is above 5%"),
    ({"tiers": '{ normal = { slippage = "1.5%" } }'}, "slippage rises from normal to emergency"),
    ({"tiers": '{ normal = { gas_price = "3000gwei" } }'}, "gas_price is above 2000 gwei"),
    ({"tiers": '{ urgent = { gas_price = "50gwei" } }'}, "gas_price rises"),
    ({"tiers": '{ normal = { below = "1.2" } }'}, "tier normal has no below"),
    ({"tiers": '{ urgent = { below = "1.4" } }'}, "tier urgent begins at 1.4, above the highest health trigger"),
    ({"tiers": '{ urgent = { below = "1.03" } }'}, "emergency begins at"),
    ({"tiers": '{ urgent = { every = "5m" } }'}, "every falls"),
    ({"tiers": "{ panic = {} }"}, "tiers"),
    ({"pool": '"0x1234"'}, "pool"),
    ({"keystore": '"a.json"', "signer": '"b.sock"'}, "keystore and signer contradict each other"),
    ({"authority": '"alert-only"'}, "signs nothing, and payer is given"),
    ({"authority": '"owner"', "payer": None, "reserve_for": '"30%"'}, "reserve_for belongs to a payer"),
    ({"payer_keystore": '"a.json"'}, "payer_keystore and the like are for a payer beside an owner's key"),
    ({"authority": '"owner"', "payer_keystore": '"a"', "payer_signer": '"b"'}, "keystore and signer contradict"),
    ({"authority": '"owner"', "payer": None, "payer_signer": '"b.sock"'}, "for a payer beside an owner's key"),
    ({"authority": '"owner"', "payer": f'"{OWNER}"'}, "payer is the owner"),
    ({"guard": {"max_hot_equity": '"0"'}}, "max_hot_equity"),
    ({"guard": {"single_endpoint": '"perhaps"'}}, "single_endpoint"),
    ({"guard": {"leverage": "50"}}, "leverage: no such key"),
    ({"triggers": trigger(kind='"health"', below='"1.0"')}, "health below 1.0 is not between 1.01 and 20"),
    ({"triggers": trigger(kind='"health"', above='"1.3"')}, "a trigger health needs below"),
    ({"triggers": trigger(kind='"health"')}, "a trigger health needs below"),
    ({"triggers": trigger(kind='"health"', below='"NaN"')}, "NaN"),
    ({"triggers": trigger(kind='"health"', below="true")}, "True"),
    ({"triggers": trigger(kind='"leverage"', above='"1"')}, "an account without debt has leverage 1"),
    ({"triggers": trigger(kind='"price"', below='"1500"')}, "a trigger price needs asset"),
    ({"triggers": trigger(kind='"health"', below='"1.3"', asset='"WETH"')}, "a trigger health has no asset"),
    ({"triggers": trigger(kind='"liquidation-probability"', above='"1%"')}, "needs within"),
    ({"triggers": trigger(kind='"liquidation-probability"', above='"1"', within='"24h"')}, "write it as a percentage"),
    ({"triggers": trigger(kind='"liquidation-probability"', above='"1%"', within='"24h"')}, "needs volatility"),
    ({"triggers": trigger(kind='"utilisation"', above='"120%"')}, "can never be meant"),
    ({"triggers": trigger(kind='"utilisation"', above='"95%"', then='"act"')}, "a trigger utilisation only tells"),
    ({"triggers": trigger(kind='"utilisation"', above='"95%"')}, "needs a trigger that acts"),
    ({"triggers": trigger(kind='"parameter-change"', below='"1"')}, "a trigger parameter-change has no below"),
    ({"triggers": trigger(kind='"moon"', above='"1"')}, "kind"),
]


@pytest.mark.parametrize(("said", "reason"), BAD, ids=[f"{place} {reason}" for place, (_, reason) in enumerate(BAD)])
def test_nonsense_is_refused_with_its_reason(tmp_path: Path, said: dict[str, Any], reason: str) -> None:
    """No value beyond its bounds, and no two that contradict each other, come out of a file."""
    with pytest.raises(RulesInvalid) as refused:
        load_guard_rules(rules_file(tmp_path / "guard.toml", **said))
    assert reason in refused.value.fact
    assert refused.value.fix


def test_one_position_and_one_name_are_guarded_once(tmp_path: Path) -> None:
    """Two accounts of one name, or one position under two names, would each act for the other."""
    one, path = rules_text(), tmp_path / "guard.toml"
    path.write_text(one + rules_text().removeprefix("[guard]\n"))
    with pytest.raises(RulesInvalid, match="two accounts have this name"):
        load_guard_rules(path)
    path.write_text(one + rules_text(name='"other"').removeprefix("[guard]\n"))
    with pytest.raises(RulesInvalid, match="it is the position of main once more"):
        load_guard_rules(path)


@pytest.mark.parametrize("content", [b"", b"[guard", b"\xff\xfe", b"account = 3", b"[guard]\n[guard]\n"])
def test_what_is_no_rules_file_is_refused(tmp_path: Path, content: bytes) -> None:
    """Anything else than a table of accounts is refused in one sentence."""
    path = tmp_path / "guard.toml"
    path.write_bytes(content)

    with pytest.raises(RulesInvalid):
        load_guard_rules(path)
    with pytest.raises(RulesInvalid, match="cannot be read"):
        load_guard_rules(tmp_path / "nowhere.toml")


def test_a_private_key_in_a_rules_file_is_refused_and_not_repeated(tmp_path: Path) -> None:
    """Keys are referred to, never written: whatever looks like one is refused without being shown."""
    key = "0x" + "c0ffee" * 10 + "abcd"
    with pytest.raises(KeyFailure) as refused:
        load_guard_rules(rules_file(tmp_path / "guard.toml", keystore=f'"{key}"'))
    assert key not in str(refused.value)
