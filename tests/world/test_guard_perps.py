"""The guard on perpetuals: it reduces, closes or adds margin by margin ratios, and names what it cannot."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.config.settings import Settings
from defilev.errors import PolicyViolation
from defilev.execute.policy import check_plan
from defilev.model.plan import Goal
from defilev.pipeline.acting import policy_of
from defilev.pipeline.session import connect
from defilev.protocols.perp_curie import PERP_CURIE_LOANS
from defilev.units import WAD
from tests.support.cli import Cli, Printed, assert_refused, untouched
from tests.support.curie import Curie
from tests.support.guards import rules_file

pytestmark = pytest.mark.world

WHO, PAYER = "perp-near", "empty"
TRIGGER = '[[account.trigger]]\nkind = "margin-ratio"\nbelow = "1.3"'
TIERS = "\n".join(f'[account.tiers.{tier}]\nslippage = "2%"' for tier in ("normal", "urgent", "emergency"))


@pytest.fixture
def cli(world: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Return `defilev` on the local chain, 140 columns wide, with a journal of its own."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("DEFILEV_JOURNAL", str(tmp_path / "journal.db"))
    return Cli.on(world, capsys)


def rules(cli: Cli, folder: Path, *, who: str = WHO, **said: Any) -> Path:
    """Write the rules of a position that its owner's key keeps above a margin ratio of 1.3 and takes to 2."""
    keystore, password_file = cli.world.credentials(who)
    usual: dict[str, Any] = {
        "owner": f'"{cli.world.account(WHO)}"',
        "protocol": '"perp-curie"',
        "authority": '"owner"',
        "allow_hot_equity": "true",
        "payer": None,
        "keystore": f'"{keystore}"',
        "password_file": f'"{password_file}"',
        "goal": '{ margin_ratio = "2" }',
        "triggers": f"{TRIGGER}\n{TIERS}",
        "guard": {"single_endpoint": "true"},
    }
    return rules_file(folder / "guard.toml", **(usual | said))


def reserved(cli: Cli, folder: Path, **said: Any) -> Path:
    """Write the rules of a position that another's key adds margin for."""
    payer = f'"{cli.world.account(PAYER)}"'
    return rules(cli, folder, who=PAYER, authority='"reserve"', payer=payer, allow_hot_equity=None, **said)


def once(cli: Cli, file: Path, *more: str) -> Printed:
    """Look once."""
    return cli("guard", "run", "--once", "--rules", file, "--json", *more)


def tick(printed: Printed) -> dict[str, Any]:
    """Return the one line of JSON that a look printed."""
    document: dict[str, Any] = json.loads(printed.out.splitlines()[0])
    return document


def ratio(cli: Cli) -> float:
    """Return the margin ratio that the contracts make of the account."""
    found = Curie(cli.world).account(WHO).margin_ratio
    assert found is not None
    return found / WAD


def outcomes(printed: Printed) -> list[tuple[str, str]]:
    """Return outcome and way of what was done."""
    return [(acted["outcome"], acted["way"]) for acted in tick(printed)["acted"]]


def test_a_dry_run_plans_a_reduction_and_signs_nothing(cli: Cli, tmp_path: Path) -> None:
    """A margin ratio below the trigger is planned for and tried on a fork, and leaves the chain as it was."""
    with untouched(cli.world):
        printed = once(cli, rules(cli, tmp_path))

    assert 5 == printed.code, printed.err
    (decision,) = tick(printed)["decisions"]
    goal = decision["goal"]
    assert ("act", "margin-ratio", "2") == (decision["verdict"], goal["kind"], goal["value"])
    assert "margin-ratio" == decision["fired"][0]["kind"]
    assert [("dry-run", "wallet-and-sale")] == outcomes(printed)


def test_the_owner_s_key_reduces_to_the_margin_ratio(cli: Cli, tmp_path: Path) -> None:
    """What is sent ends at the goal by the contracts' own figures; the next look finds nothing to do."""
    file = rules(cli, tmp_path)
    printed = once(cli, file, "--broadcast")

    assert 0 == printed.code, printed.err
    assert [("done", "wallet-and-sale")] == outcomes(printed)
    assert 2 <= ratio(cli) < 2.2
    assert ["nothing"] == [each["verdict"] for each in tick(once(cli, file, "--broadcast"))["decisions"]]


def test_the_goal_close_leaves_no_position(cli: Cli, tmp_path: Path) -> None:
    """With the goal close everything is closed and withdrawn, and a later look sees an account without positions."""
    file = rules(cli, tmp_path, goal="{ close = true }")
    printed = once(cli, file, "--broadcast")

    assert 0 == printed.code, printed.err
    assert () == Curie(cli.world).read([cli.world.account(WHO)])
    assert ["nothing"] == [each["verdict"] for each in tick(once(cli, file))["decisions"]]


def test_a_reserve_adds_margin_on_the_owner_s_behalf(cli: Cli, tmp_path: Path) -> None:
    """The payer's dollars become the owner's margin, exactly as much as the goal takes; the owner signs nothing."""
    owner, payer = cli.world.account(WHO), cli.world.account(PAYER)
    cli.world.rpc("anvil_dealERC20", payer, cli.world.token("USDC"), hex(50_000 * 10**6))
    nonce, held = cli.world.node.nonce(owner), cli.world.balance("USDC", owner)
    printed = once(cli, reserved(cli, tmp_path), "--broadcast")

    assert 0 == printed.code, printed.err
    assert [("done", "reserve")] == outcomes(printed)
    assert 2 <= ratio(cli) < 2.1
    assert (nonce, held) == (cli.world.node.nonce(owner), cli.world.balance("USDC", owner))


def test_a_small_reserve_adds_what_it_has(cli: Cli, tmp_path: Path) -> None:
    """A reserve that does not suffice is added whole, and called partial: a person is needed."""
    before = ratio(cli)
    cli.world.rpc("anvil_dealERC20", cli.world.account(PAYER), cli.world.token("USDC"), hex(100 * 10**6))
    printed = once(cli, reserved(cli, tmp_path), "--broadcast")

    assert [("partial", "reserve")] == outcomes(printed), printed.err
    assert before < ratio(cli) < 2
    assert 0 == cli.world.balance("USDC", cli.world.account(PAYER))


def test_alert_only_tells(cli: Cli, tmp_path: Path) -> None:
    """Without authority a margin ratio below the trigger is told, and nothing is planned."""
    printed = once(
        cli,
        rules(cli, tmp_path, authority='"alert-only"', keystore=None, password_file=None, allow_hot_equity=None),
    )

    assert 5 == printed.code, printed.err
    assert ["alert"] == [each["verdict"] for each in tick(printed)["decisions"]]
    assert [] == tick(printed)["acted"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"protocol": '"aave-v3"'}, "aave-v3 has no margin ratio"),
        ({"protocol": '"gmx-v2"'}, "gmx-v2 is read and not acted on"),
        ({"goal": "{ band = true }", "volatility": '"60%"'}, "perp-curie has no no-trade band"),
        ({"triggers": TRIGGER + '\n[[account.trigger]]\nkind = "withdrawable"\nbelow = "10%"'}, "no trigger withdraw"),
        ({"triggers": TRIGGER + '\n[[account.trigger]]\nkind = "health"\nbelow = "1.1"'}, "are mixed"),
        ({"goal": '{ margin_ratio = "1.2" }'}, "is not above the trigger 1.3"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(cli: Cli, tmp_path: Path, change: dict[str, str], said: str) -> None:
    """`guard check` names what a protocol has not, before the first look."""
    printed = cli("guard", "check", rules(cli, tmp_path, **change))

    assert_refused(printed, code=2, said=said)


def test_a_reserve_that_a_fall_is_worked_out_for_is_refused(cli: Cli, tmp_path: Path) -> None:
    """What a reserve of margin must hold for a fall is not worked out, and so not taken from a file."""
    printed = cli("guard", "check", reserved(cli, tmp_path, reserve_for='"30%"'))

    assert_refused(printed, code=2, said="leave reserve_for out")


def test_a_payer_s_key_is_allowed_margin_for_the_owner_alone(cli: Cli, tmp_path: Path) -> None:
    """A payer may approve and deposit for the owner; another recipient is refused, and so is a trade."""
    curie, payer = Curie(cli.world), cli.world.account(PAYER)
    account = PERP_CURIE_LOANS.loan(curie.account(WHO))
    with closing(connect(Settings(rpc_url=(cli.world.rpc_url,), address_book=(cli.world.address_book,)))) as session:
        policy = policy_of(session, account, payer=payer)
    plan = replace(curie.plan(WHO, Goal("margin-ratio", Decimal("1.4")), via="margin"), payer=payer)
    approval, deposit = plan.steps
    elsewhere = deposit.data.replace(account.owner[2:].lower(), payer[2:].lower())

    assert ["approve", "depositFor"] == [call.function for call in check_plan(plan, policy=policy)]
    with pytest.raises(PolicyViolation, match="to"):
        check_plan(replace(plan, steps=(approval, replace(deposit, data=elsewhere))), policy=policy)
    trade = replace(curie.plan(WHO, Goal("margin-ratio", Decimal(2))), payer=payer)
    with pytest.raises(PolicyViolation, match="call on behalf of another"):
        check_plan(trade, policy=policy)
