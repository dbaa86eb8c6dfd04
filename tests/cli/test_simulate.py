"""`defilev simulate`: a plan file tried on a fork of its own block, by both engines."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.cli import Cli, assert_refused, untouched
from tests.support.http_node import http_node

pytestmark = pytest.mark.world

ENGINES = ("anvil", "simulate-v1")


@pytest.mark.parametrize("engine", ENGINES)
def test_every_step_and_condition_is_reported(cli: Cli, tmp_path: Path, engine: str) -> None:
    """Each step with its gas, movements and health, each post-condition with its mark; nothing on the chain changes."""
    path = tmp_path / "plan.json"
    plan = cli.plan(path, "mixed", "--to-health-factor", "2")
    with untouched(cli.world, tmp_path):
        printed = cli("simulate", path, "--engine", engine)

    assert 0 == printed.code, printed.err
    assert ("an anvil fork of block" if engine == "anvil" else "eth_simulateV1") in printed.out.splitlines()[0]
    for step in plan["steps"]:
        assert any(line.startswith(f"  {step['index']} {step['action']['kind']}") for line in printed.out.splitlines())
    assert len(plan["post_conditions"]) == sum(line.startswith("  ✓") for line in printed.out.splitlines())
    assert "proved" not in printed.out


def test_the_engines_agree_step_by_step(cli: Cli, tmp_path: Path) -> None:
    """Both engines report the same gas, movements and health factors for every step."""
    path = tmp_path / "plan.json"
    cli.plan(path, "short", "--close")
    mined, asked = (cli("simulate", path, "--engine", engine, "--json").document for engine in ENGINES)

    assert [True, True] == [mined["succeeded"], asked["succeeded"]]
    for left, right in zip(mined["steps"], asked["steps"], strict=True):
        assert left["movements"] == right["movements"]
        assert (left["health_factor"] is None) == (right["health_factor"] is None)
        if left["health_factor"] is not None:
            assert float(left["health_factor"]) == pytest.approx(float(right["health_factor"]), rel=1e-6)


def test_auto_takes_anvil_where_the_node_cannot_simulate(cli: Cli, tmp_path: Path) -> None:
    """A node that does not know eth_simulateV1 is forked, and the report says so."""
    path = tmp_path / "plan.json"
    cli.plan(path, "short", "--to-health-factor", "2")
    unknown = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32601,"message":"method not found"}}'
    with http_node({"eth_simulateV1": lambda _: unknown}, forward=cli.world.rpc_url) as url:
        printed = cli.through(url)("simulate", path, "--json")

    assert 0 == printed.code, printed.err
    assert "anvil" == printed.document["engine"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_plan_that_reverts_says_at_which_step_and_why(cli: Cli, tmp_path: Path, engine: str) -> None:
    """When the price has moved against it, the report shows the step, the reason, and what was not run: exit 6."""
    path = tmp_path / "plan.json"
    cli.plan(path, "comfortable", "--to-health-factor", "3")
    cli.world.set_price("WETH", 1500 * 10**8)
    printed = cli("simulate", path, "--engine", engine, "--block", "latest")
    document = cli("simulate", path, "--engine", engine, "--block", "latest", "--json").document

    assert_refused(printed, code=6, said="step 1 reverts on a fork of block")
    assert "✗" in printed.out
    assert "step 1 reverted: HealthFactorLowerThanLiquidationThreshold" in printed.out
    assert not document["succeeded"]
    assert ["reverted", *["not-run"] * 4] == [step["status"] for step in document["steps"]]


def test_a_broken_promise_is_found(cli: Cli, tmp_path: Path) -> None:
    """When every step runs and the promise does not hold, the broken condition is marked with what was found: 6."""
    path = tmp_path / "plan.json"
    cli.plan(path, "short", "--to-health-factor", "2")
    cli.world.set_price("WETH", 3006 * 10**8)
    printed = cli("simulate", path, "--block", "latest")

    assert_refused(printed, code=6, said="the plan does not keep its promise on a fork of block")
    assert "✗ health factor at least 2.000: 1.9" in printed.out


def test_a_plan_for_a_block_that_the_node_does_not_have(cli: Cli, tmp_path: Path) -> None:
    """A plan made at a block that this node has not reached is a matter of data: exit 4."""
    path = tmp_path / "plan.json"
    snapshot = cli.world.rpc("evm_snapshot")
    cli.world.rpc("anvil_mine", "0x5", "0xc")
    cli.plan(path, "short", "--to-health-factor", "2")
    cli.world.rpc("evm_revert", snapshot)

    assert_refused(cli("simulate", path), code=4, said="the node has no block")


def test_a_plan_made_on_another_fork_of_the_chain(cli: Cli, tmp_path: Path) -> None:
    """When the node has another block of the plan's number, it is not silently taken for the plan's: exit 4."""
    path = tmp_path / "plan.json"
    snapshot = cli.world.rpc("evm_snapshot")
    cli.world.set_price("WETH", 3001 * 10**8)
    cli.plan(path, "short", "--to-health-factor", "2")
    cli.world.rpc("evm_revert", snapshot)
    cli.world.set_price("WETH", 3002 * 10**8)

    assert_refused(cli("simulate", path), code=4, said="has another block")
    assert cli("simulate", path, "--block", "latest").code in (0, 6)
