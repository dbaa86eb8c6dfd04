"""How an owner's account comes to its goal: from the reserve beside it first, and by slices where pools are thin."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from defilev.abi import encode, keccak
from defilev.model.request import Address
from tests.support.cli import Cli
from tests.support.guards import rules_file
from tests.support.liquidity import trade_to, withdrawal_of
from tests.support.world import World

pytestmark = pytest.mark.world

WHO, PAYER = "comfortable", "empty"
USDC = 10**6


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Return `defilev` on the local chain with a journal of its own."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setenv("DEFILEV_JOURNAL", str(tmp_path / "journal.db"))
    return Cli.on(world, capsys)


def rules(cli: Cli, folder: Path, *, trigger: str, goal: str, **said: Any) -> Path:
    """Write the rules of an account of health 2.07 that the owner's key takes from below `trigger` to `goal`."""
    health = {
        "goal": f'{{ health_factor = "{goal}" }}',
        "triggers": f'[[account.trigger]]\nkind = "health"\nbelow = "{trigger}"',
    }
    return written(cli, folder, **(health | said))


def written(cli: Cli, folder: Path, **said: Any) -> Path:
    """Write the rules of an account that the owner's key guards, with the trigger and the goal that are said."""
    keystore, password_file = cli.world.credentials(WHO)
    usual: dict[str, Any] = {
        "owner": f'"{cli.world.account(WHO)}"', "payer": None, "authority": '"owner"', "allow_hot_equity": "true",
        "keystore": f'"{keystore}"', "password_file": f'"{password_file}"',
        "guard": {"single_endpoint": "true"},
        "tiers": '{ normal = { slippage = "2%", divergence = "0.3%" }, urgent = { below = "1.5", slippage = "2%" } }',
    }  # fmt: skip
    return rules_file(folder / "guard.toml", **(usual | said))


def with_a_reserve(cli: Cli, holds: int) -> dict[str, Any]:
    """Return what the rules say of a reserve beside the owner's key, which holds so many base units of USDC."""
    world, (keystore, password_file) = cli.world, cli.world.credentials(PAYER)
    operator = Address(world.description["operators"][0]["address"])
    words = encode(["address", "uint256"], [world.account(PAYER), holds])
    assert (
        world.send(operator, world.token("USDC"), keccak(b"transfer(address,uint256)")[:4] + words)["status"] == "0x1"
    )
    return {
        "payer": f'"{world.account(PAYER)}"',
        "payer_keystore": f'"{keystore}"',
        "payer_password_file": f'"{password_file}"',
    }


def look(cli: Cli, file: Path) -> dict[str, Any]:
    """Look once with the right to sign."""
    printed = cli("guard", "run", "--once", "--rules", file, "--broadcast", "--json")
    assert printed.out.startswith('{"'), printed
    document: dict[str, Any] = json.loads(printed.out.splitlines()[0])
    return document


def acted(tick: dict[str, Any]) -> list[tuple[str, str | None]]:
    """Return what came of a tick's actions, and which way each took."""
    return [(one["outcome"], one["way"]) for one in tick["acted"]]


def health(cli: Cli) -> float:
    """Return the account's health factor."""
    (account,) = cli.world.read("main", [cli.world.account(WHO)])
    assert account.health_factor is not None
    return account.health_factor / 10**18


def test_a_reserve_beside_the_owners_key_is_used_first(cli: Cli, tmp_path: Path) -> None:
    """While it suffices it repays and the owner's key signs nothing; the journal says whose transactions they were."""
    owner, payer = cli.world.account(WHO), cli.world.account(PAYER)
    beside = with_a_reserve(cli, 20_000 * USDC)
    nonce = cli.world.node.nonce(owner)
    tick = look(cli, rules(cli, tmp_path, trigger="2.1", goal="2.2", **beside))

    assert [("done", "reserve")] == acted(tick), tick["acted"]
    assert 2.2 <= health(cli) < 2.21
    assert nonce == cli.world.node.nonce(owner)
    assert 0 < cli.world.balance("USDC", payer) < 20_000 * USDC
    assert 0 == cli("journal", "verify").code


def test_a_reserve_that_falls_short_gives_way_to_a_sale(cli: Cli, tmp_path: Path) -> None:
    """What reaches the goal comes before a part of it: the reserve is kept, and the owner's key sells."""
    beside = with_a_reserve(cli, 1_000 * USDC)
    file = rules(cli, tmp_path, trigger="2.1", goal="2.2", **beside)

    assert [("done", "wallet-and-sale")] == acted(look(cli, file))
    assert 1_000 * USDC == cli.world.balance("USDC", cli.world.account(PAYER))


def test_a_reserve_that_falls_short_is_used_where_nothing_can_be_sold(cli: Cli, tmp_path: Path) -> None:
    """When no pool gives what the tier asks for, the reserve repays what it has, and people are called for the rest."""
    beside = with_a_reserve(cli, 1_000 * USDC)
    tiers = '{ normal = { slippage = "0.01%" }, urgent = { slippage = "0.01%" } }'
    tick = look(cli, rules(cli, tmp_path, trigger="2.1", goal="2.2", tiers=tiers, **beside))

    assert [("partial", "reserve")] == acted(tick), tick["acted"]
    assert 0 == cli.world.balance("USDC", cli.world.account(PAYER))
    assert ("critical", "action-partial") in [(alert["severity"], alert["kind"]) for alert in tick["alerts"]]


def test_equity_above_the_limit_keeps_the_owners_key_still_and_not_the_reserve(cli: Cli, tmp_path: Path) -> None:
    """A reserve cannot take more than it holds, whatever the account is worth; the owner's key is asked for by name."""
    beside = with_a_reserve(cli, 20_000 * USDC)
    tick = look(cli, rules(cli, tmp_path, trigger="2.1", goal="2.2", allow_hot_equity="false", **beside))
    assert [("done", "reserve")] == acted(tick), tick["acted"]


def test_a_thin_pool_is_sold_into_by_slices_until_the_goal(cli: Cli, tmp_path: Path) -> None:
    """A sale that would lose more than the tier allows is made smaller, and goes on a minute later up to the goal.

    The last slices are made although no trigger fires any more; between two the pool comes back to the market's price.
    """
    file = rules(cli, tmp_path, trigger="2.1", goal="2.4", budget="{ runs_per_day = 20 }")
    taken = withdrawal_of(cli.world, 400)
    assert cli.world.send(taken.sender, taken.pool, taken.data)["status"] == "0x1"
    told = [look(cli, file)]
    while told[-1]["acted"] and told[-1]["acted"][0]["goes_on"]:
        at_once = look(cli, file)
        assert "cooling down" in at_once["decisions"][0]["reason"], at_once
        trade_to(cli.world, 3000 * 10**8)
        cli.world.advance(61)
        told.append(look(cli, file))

    outcomes = [one["acted"][0]["outcome"] for one in told]
    assert len(outcomes) > 1, told
    assert [*["partial"] * (len(outcomes) - 1), "done"] == outcomes, [one["acted"] for one in told]
    assert "the last action was a slice" in told[1]["decisions"][0]["reason"]
    assert 2.4 <= health(cli) < 2.41
    cli.world.advance(61)
    assert ("nothing", "no trigger fires") == (
        (after := look(cli, file)["decisions"][0])["verdict"],
        after["reason"],
    )


def test_slices_are_within_the_days_budget(cli: Cli, tmp_path: Path) -> None:
    """Each slice is an action; when the day's are used the guard waits and people are called."""
    file = rules(cli, tmp_path, trigger="2.1", goal="2.4", budget="{ runs_per_day = 1 }")
    taken = withdrawal_of(cli.world, 400)
    assert cli.world.send(taken.sender, taken.pool, taken.data)["status"] == "0x1"
    first = look(cli, file)
    assert [("partial", "wallet-and-sale")] == acted(first), first["acted"]
    trade_to(cli.world, 3000 * 10**8)
    cli.world.advance(61)
    tick = look(cli, file)

    assert [] == tick["acted"]
    assert "1 of 1 actions of 24 hours are used" == tick["decisions"][0]["reason"]
    assert ("critical", "action-waits") in [(alert["severity"], alert["kind"]) for alert in tick["alerts"]]


def test_gas_above_the_tier_is_waited_out_unless_liquidation_is_near(cli: Cli, tmp_path: Path) -> None:
    """The first tier begins nothing above its gas price, and says both; the last pays what a liquidation is worth."""
    beside = with_a_reserve(cli, 50_000 * USDC)
    tiers = (
        '{ normal = { gas_price = "10gwei" }, urgent = { gas_price = "10gwei" }, emergency = { gas_price = "10gwei" } }'
    )
    file = rules(cli, tmp_path, trigger="2.1", goal="2.2", tiers=tiers, **beside)
    cli.world.rpc("anvil_setNextBlockBaseFeePerGas", hex(40 * 10**9))
    cli.world.rpc("evm_mine")
    refused = look(cli, file)
    assert [("refused", None)] == acted(refused)
    assert "gas costs more than this tier pays" == refused["acted"][0]["text"]

    cli.world.set_price("WETH", 1_480 * 10**8)
    cli.world.rpc("anvil_setNextBlockBaseFeePerGas", hex(40 * 10**9))
    cli.world.rpc("evm_mine")
    near = look(cli, file)
    assert "emergency" == near["decisions"][0]["tier"]
    assert ["reserve"] == [way for _, way in acted(near)], near["acted"]


def test_a_size_paces_the_way_to_the_goal(cli: Cli, tmp_path: Path) -> None:
    """No action repays more than the tier's size, and the next one waits for the whole cool-down."""
    tiers = '{ normal = { slippage = "2%", size = "3000" }, urgent = { below = "1.5", slippage = "2%" } }'
    file = rules(cli, tmp_path, trigger="2.1", goal="2.2", tiers=tiers)
    (before,) = cli.world.read("main", [cli.world.account(WHO)])
    assert [("partial", "wallet-and-sale")] == acted(look(cli, file))
    (after,) = cli.world.read("main", [cli.world.account(WHO)])
    cli.world.advance(130)

    assert 2_000 < (before.debt_value - after.debt_value) / 10**8 <= 3_000
    assert "cooling down" in look(cli, file)["decisions"][0]["reason"]
    cli.world.advance(600)
    assert acted(look(cli, file)) in ([("partial", "wallet-and-sale")], [("done", "wallet-and-sale")])


def test_the_goal_band_is_the_level_that_target_trades_to(cli: Cli, tmp_path: Path) -> None:
    """Outside the no-trade band the account is brought to its edge, which is above where it was."""
    cli.world.set_price("WETH", 1_800 * 10**8)
    start = health(cli)
    band = {"goal": "{ band = true }", "triggers": '[[account.trigger]]\nkind = "no-trade-band"'}
    file = written(cli, tmp_path, volatility='"150%"', **band)
    tick = look(cli, file)

    assert ["done"] == [outcome for outcome, _ in acted(tick)], tick["acted"]
    wanted = float(tick["decisions"][0]["goal"]["value"])
    assert wanted > start
    assert wanted <= health(cli) < wanted + 0.01
