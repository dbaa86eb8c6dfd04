"""Bundles of a Safe with a position in another market than Aave's: made, signed and executed by the real Safe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from defilev.abi import checksum, encode, interface, keccak
from defilev.units import WAD
from tests.support.cli import Cli, credentials
from tests.support.isolated_positions import params_of
from tests.support.safes import FACTORY, Treasury, open_treasury
from tests.support.wallets import give
from tests.support.world import World

pytestmark = [pytest.mark.world, pytest.mark.usefixtures("folder")]

GOAL = 2 * WAD
ISOLATED_MARKET = "wstETH/USDC"


def by_the_safe(treasury: Treasury, calls: list[tuple[str, bytes]]) -> None:
    """Make the Safe call contracts, as its owners could have it do; the Safe pays for nothing."""
    world = treasury.world
    for to, data in calls:
        assert "0x1" == world.send(treasury.address, checksum(to), data)["status"]
    world.rpc("anvil_setBalance", treasury.address, "0x0")
    world.rpc("anvil_stopImpersonatingAccount", treasury.address)


def pledge(treasury: Treasury) -> None:
    """Let the Safe pledge wstETH in an isolated market and borrow USDC there."""
    world, owner = treasury.world, treasury.address
    functions, morpho, words = interface("morpho_blue"), world.pool(ISOLATED_MARKET), params_of(world, ISOLATED_MARKET)
    amount = 20 * 10**18
    give(world, "wstETH", owner, amount)
    by_the_safe(
        treasury,
        [
            (world.token("wstETH"), interface("erc20")["approve"].encode(morpho, amount)),
            (morpho, functions["supplyCollateral"].encode(words.words, amount, owner, b"")),
            (morpho, functions["borrow"].encode(words.words, 40_000 * 10**6, 0, owner, owner)),
        ],
    )


def lend(treasury: Treasury) -> None:
    """Let the Safe supply WETH to SparkLend and borrow USDC there."""
    world, owner = treasury.world, treasury.address
    functions, pool, amount = interface("aave_v3_pool"), world.pool("spark"), 20 * 10**18
    give(world, "WETH", owner, amount)
    by_the_safe(
        treasury,
        [
            (world.token("WETH"), interface("erc20")["approve"].encode(pool, amount)),
            (pool, functions["supply"].encode(world.token("WETH"), amount, owner, 0)),
            (pool, functions["borrow"].encode(world.token("USDC"), 30_000 * 10**6, 2, 0, owner)),
        ],
    )


def health(world: World, market: str, owner: str) -> int:
    """Return the health factor in wad."""
    return world.read(market, [checksum(owner)])[0].health_factor or 0


def give_away(treasury: Treasury) -> None:
    """Let the Safe send its USDC to somebody else."""
    world = treasury.world
    transfer = keccak(b"transfer(address,uint256)")[:4]
    amount = world.balance("USDC", treasury.address)
    to = encode(["address", "uint256"], [FACTORY, amount])
    by_the_safe(treasury, [(world.token("USDC"), transfer + to)])


def planned(cli: Cli, treasury: Treasury, market: str) -> dict[str, Any]:
    """Return the plan to the goal, which no Safe has tried yet."""
    printed = cli("plan", treasury.address, *cli.world.flags(market), "--to-health-factor", "2", "--json")
    assert 0 == printed.code, printed.err
    return dict(printed.document)


@pytest.mark.parametrize(("market", "open_position"), [(ISOLATED_MARKET, pledge), ("spark", lend)])
def test_a_bundle_for_another_market_is_executed(
    cli: Cli, market: str, open_position: Callable[[Treasury], None]
) -> None:
    """Owners of a Safe with a position in an isolated market, or in SparkLend, reach their goal as on Aave."""
    treasury = open_treasury(cli.world)
    open_position(treasury)
    give_away(treasury)
    before = health(cli.world, market, treasury.address)
    assert WAD < before < GOAL

    goal = ("--to-health-factor", "2")
    made = cli("plan", treasury.address, *cli.world.flags(market), *goal, "--safe", treasury.address, "-o", "b.json")
    assert 0 == made.code, made.err
    assert 0 == cli("safe", "verify", "b.json").code
    assert 0 == cli("safe", "sign", "b.json", *credentials(cli.world, "loop"), "-o", "loop.sig").code
    sender = credentials(cli.world, "mixed")
    sent = cli("safe", "execute", "b.json", "--signature", "loop.sig", *sender, "--broadcast")

    assert 0 == sent.code, sent.err
    assert GOAL <= health(cli.world, market, treasury.address) <= GOAL + WAD // 10
    assert 1 == treasury.call("nonce")


def test_money_for_nearly_the_whole_debt_repays_what_the_goal_asks(cli: Cli) -> None:
    """A wallet that lacks only the interest of seconds is not emptied, and nothing is sold beside it."""
    treasury = open_treasury(cli.world)
    pledge(treasury)
    kinds = [step["action"]["kind"] for step in planned(cli, treasury, ISOLATED_MARKET)["steps"]]

    assert ["approve", "repay"] == kinds[:2]
    assert "swap" not in kinds
    assert "withdraw" not in kinds
