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


@contextmanager
def guard(world: World, folder: Path) -> Iterator[tuple[Path, subprocess.Popen[bytes]]]:
    """Let a guard that may sign look at every block; yield the file of its lines, and its process."""
    keystore, password_file = world.credentials(PAYER)
    file = rules_file(
        folder / "guard.toml",
        owner=f'"{world.account(WHO)}"', payer=f'"{world.account(PAYER)}"', keystore=f'"{keystore}"',
        password_file=f'"{password_file}"', goal='{ health_factor = "2.0" }', guard={"single_endpoint": "true"},
        triggers='[[account.trigger]]\nkind = "health"\nbelow = "1.9"',
    )  # fmt: skip
    node = ["--rpc-url", world.rpc_url, "--address-book", str(world.address_book)]
    words = ["guard", "run", "--rules", str(file), "--broadcast", "--json", "--on-block"]
    environment = {**os.environ, "DEFILEV_JOURNAL": str(folder / "journal.db")}
    told = folder / "ticks"
    with told.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "defilev", *node, *words], stdout=out, stderr=subprocess.DEVNULL, env=environment
        )
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
