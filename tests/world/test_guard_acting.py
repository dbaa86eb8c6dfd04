"""What a guard does while an action is under way, and after one came to nothing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.guards import rules_file
from tests.support.killed import wait_until
from tests.support.world import World

pytestmark = pytest.mark.world

WHO, PAYER = "comfortable", "empty"
FALLEN = 2_600 * 10**8
"""The price at which the account's health is 1.80."""


def write_rules(world: World, folder: Path, **said: str | None) -> Path:
    """Write the rules of an account that a reserve takes to 2.0 when its health is below 1.9."""
    keystore, password_file = world.credentials(PAYER)
    usual: dict[str, Any] = {
        "owner": f'"{world.account(WHO)}"', "payer": f'"{world.account(PAYER)}"', "keystore": f'"{keystore}"',
        "password_file": f'"{password_file}"', "goal": '{ health_factor = "2.0" }',
        "triggers": '[[account.trigger]]\nkind = "health"\nbelow = "1.9"', "guard": {"single_endpoint": "true"},
    }  # fmt: skip
    return rules_file(folder / "guard.toml", **(usual | said))


def command(world: World, folder: Path, *words: str) -> tuple[list[str], dict[str, str]]:
    """Return a command on the local chain with the folder's journal, and its environment."""
    node = ["--rpc-url", world.rpc_url, "--address-book", str(world.address_book)]
    environment = {**os.environ, "DEFILEV_JOURNAL": str(folder / "journal.db")}
    return [sys.executable, "-m", "defilev", *node, *words], environment


@contextmanager
def guard(world: World, folder: Path, file: Path | None = None) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Let a guard that may sign look at every block; yield the file of its lines, and its process."""
    words = ("guard", "run", "--rules", str(file or write_rules(world, folder)), "--broadcast", "--json", "--on-block")
    arguments, environment = command(world, folder, *words)
    told = folder / "ticks"
    with told.open("wb") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=subprocess.DEVNULL, env=environment)
        try:
            yield told, process
        finally:
            process.kill()
            process.wait()


def ticks(told: Path) -> list[dict[str, Any]]:
    """Return what the guard has told so far."""
    return [json.loads(line) for line in told.read_text().splitlines(keepends=True) if line.endswith("\n")]


def is_waiting(world: World) -> bool:
    """Tell whether a transaction is in the node's pool."""
    return int(world.rpc("txpool_status")["pending"], 16) > 0


def test_a_guard_looks_on_while_it_acts(world: World, tmp_path: Path) -> None:
    """Blocks that come while an action goes on are looked at, with its account in flight; what came of it is told."""
    world.rpc("anvil_dealERC20", world.account(PAYER), world.token("USDC"), hex(50_000 * 10**6))
    world.set_price("WETH", FALLEN)
    world.rpc("evm_setAutomine", False)
    with guard(world, tmp_path) as (told, _):
        for _ in ("approve", "repay"):
            wait_until(lambda: is_waiting(world))
            wait_until(lambda: int(ticks(told)[-1]["block"]["number"]) == world.head().number)
            world.rpc("evm_mine")
        wait_until(lambda: any(tick["acted"] for tick in ticks(told)))
        found = ticks(told)
    world.rpc("evm_setAutomine", True)

    busy = [tick for tick in found if tick["in_flight"] == ["main"]]
    assert len({tick["block"]["number"] for tick in busy}) >= 2
    assert all(not tick["acted"] for tick in busy)
    assert ["done"] == [acted["outcome"] for tick in found for acted in tick["acted"]]


def test_what_came_to_nothing_is_tried_again_with_the_next_block(world: World, tmp_path: Path) -> None:
    """An empty reserve is found empty once a block, however often the guard looks at it."""
    world.set_price("WETH", FALLEN)
    with guard(world, tmp_path) as (told, _):
        wait_until(lambda: any(tick["acted"] for tick in ticks(told)))
        time.sleep(2)
        world.rpc("evm_mine")
        wait_until(lambda: sum(len(tick["acted"]) for tick in ticks(told)) > 1)
        found = ticks(told)

    refused = [tick["block"]["number"] for tick in found for acted in tick["acted"] if acted["outcome"] == "refused"]
    assert 2 == len(refused) == len(set(refused))


def test_a_guard_that_is_asked_to_stop_finishes_what_it_began(world: World, tmp_path: Path) -> None:
    """SIGTERM between an approval and its repayment: nothing new begins, both are included, and it ends well."""
    world.rpc("anvil_dealERC20", world.account(PAYER), world.token("USDC"), hex(50_000 * 10**6))
    world.set_price("WETH", FALLEN)
    world.rpc("evm_setAutomine", False)
    with guard(world, tmp_path) as (told, process):
        wait_until(lambda: is_waiting(world))
        process.terminate()
        for _ in ("approve", "repay"):
            wait_until(lambda: is_waiting(world))
            world.rpc("evm_mine")
        code = process.wait(timeout=60)
        found = ticks(told)
    world.rpc("evm_setAutomine", True)

    assert 0 == code
    assert ["done"] == [acted["outcome"] for tick in found for acted in tick["acted"]]
    assert found[-1]["acted"], "what was under way is told before the end"


def test_a_halt_cancels_nothing_that_is_in_flight(world: World, tmp_path: Path) -> None:
    """`guard halt` between an approval and its repayment: both are included, and nothing begins after them."""
    world.rpc("anvil_dealERC20", world.account(PAYER), world.token("USDC"), hex(50_000 * 10**6))
    world.set_price("WETH", FALLEN)
    world.rpc("evm_setAutomine", False)
    with guard(world, tmp_path) as (told, _):
        wait_until(lambda: is_waiting(world))
        arguments, environment = command(world, tmp_path, "guard", "halt")
        subprocess.run(arguments, env=environment, check=True, capture_output=True)
        for _ in ("approve", "repay"):
            wait_until(lambda: is_waiting(world))
            world.rpc("evm_mine")
        wait_until(lambda: any(tick["acted"] for tick in ticks(told)))
        world.rpc("evm_setAutomine", True)
        world.set_price("WETH", FALLEN // 2)
        wait_until(lambda: ticks(told)[-1]["decisions"][0]["verdict"] == "held")
        found = ticks(told)

    assert ["done"] == [acted["outcome"] for tick in found for acted in tick["acted"]]
    assert 2 == world.node.nonce(world.account(PAYER))


def test_a_killed_reserve_beside_an_owners_key_is_followed_to_its_end(world: World, tmp_path: Path) -> None:
    """Whose transaction a dead process left waiting is known: the next start has it included, and nothing twice."""
    owner, payer = world.account(WHO), world.account(PAYER)
    (keystore, password_file), (other, other_file) = world.credentials(WHO), world.credentials(PAYER)
    file = write_rules(
        world, tmp_path, authority='"owner"', allow_hot_equity="true", keystore=f'"{keystore}"',
        password_file=f'"{password_file}"', payer_keystore=f'"{other}"', payer_password_file=f'"{other_file}"',
    )  # fmt: skip
    nonces = world.node.nonce(owner), world.node.nonce(payer)
    world.rpc("anvil_dealERC20", payer, world.token("USDC"), hex(50_000 * 10**6))
    world.set_price("WETH", FALLEN)
    world.rpc("evm_setAutomine", False)
    with guard(world, tmp_path, file) as (_, process):
        wait_until(lambda: is_waiting(world))
        process.kill()
        process.wait()
    with guard(world, tmp_path, file) as (told, _):
        wait_until(lambda: bool(ticks(told)))
        world.rpc("evm_mine")
        world.rpc("evm_setAutomine", True)
        wait_until(lambda: any(acted["outcome"] == "done" for tick in ticks(told) for acted in tick["acted"]))
        found = ticks(told)

    assert ["reserve"] == [acted["way"] for tick in found for acted in tick["acted"] if acted["outcome"] == "done"]
    assert (nonces[0], nonces[1] + 2) == (world.node.nonce(owner), world.node.nonce(payer))
