"""A guard that runs for a long time behind a node that fails at random, and what can be seen of it from outside."""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from defilev.abi import encode, keccak
from defilev.model.request import Address
from tests.chaos.faultproxy import FaultProxy, Rule
from tests.chaos.upstream import Anvil
from tests.support.guards import rules_file
from tests.support.world import World

__all__ = ["Soaked", "soak"]

WHO, PAYER = "comfortable", "empty"
FAULTS = ("http", "html", "error", "truncate", "null", "drop_before", "drop_after", "wrong_id", "delay")
ODDS = 0.01
"""How often a call fails, in each of the ways."""

LOWEST, HIGHEST = 2_450, 3_300
"""Dollars between which the price of ETH goes up and down; the account's health falls below its trigger there."""

RELEVERED = 2.1
"""The health from which on the owner borrows again, down to `BORROWED`, so that there is something to do."""

BORROWED = 1.85
RESERVES = (0, 700 * 10**6, 50_000 * 10**6)
"""What is found in the reserve and in the owner's wallet, one or the other: nothing, too little, or plenty of USDC."""

WARM = 0.3
"""The part of the time that a process may take to grow to its size."""


@dataclass(frozen=True)
class Soaked:
    """What came of it. `megabytes` are of the process, a sample for each block; the rest are counts."""

    ticks: tuple[dict[str, Any], ...]
    megabytes: tuple[float, ...]
    code: int | None
    log: str
    faults: int

    @property
    def unhandled(self) -> int:
        """How many errors were not foreseen."""
        return self.log.count("Traceback") + self.log.count("error: unexpected") + int(self.code != 0)

    @property
    def unread(self) -> int:
        """How many ticks could not read the chain, and said so."""
        return sum(tick["block"] is None for tick in self.ticks)

    @property
    def missed(self) -> int:
        """How many ticks were told of as missed."""
        return sum(int(tick["missed"]) for tick in self.ticks)

    @property
    def actions(self) -> int:
        """How many actions reached their goal, or a part of it."""
        return sum(acted["outcome"] in ("done", "partial") for tick in self.ticks for acted in tick["acted"])

    @property
    def ways(self) -> dict[str, int]:
        """How many actions each way was taken for."""
        acted = [one for tick in self.ticks for one in tick["acted"] if one["outcome"] in ("done", "partial")]
        return dict(sorted(Counter(one["way"] for one in acted).items()))

    @property
    def growth(self) -> float:
        """By how many megabytes the process grew from the first third after it was warm to the last."""
        settled = self.megabytes[int(len(self.megabytes) * WARM) :]
        third = max(len(settled) // 3, 1)
        return statistics.median(settled[-third:]) - statistics.median(settled[:third])

    @property
    def unaccounted(self) -> list[str]:
        """Return gaps between ticks that no line speaks of: numbers left out, and time that passed without a word."""
        found = [
            f"tick {after['number']} follows tick {before['number']}"
            for before, after in pairwise(self.ticks)
            if int(after["number"]) != int(before["number"]) + 1
        ]
        read = [tick for tick in self.ticks if tick["block"] is not None]
        for before, after in pairwise(read):
            late = int(after["block"]["timestamp"]) - int(before["next_at"])
            blocks = int(after["block"]["number"]) - int(before["block"]["number"])
            if late > SLACK and blocks > 1 and int(after["missed"]) == 0:
                found.append(f"tick {after['number']} is {late} s late, and {blocks} blocks passed")
        return found


SLACK = 90
"""Seconds by the chain's clock that a tick may be late: an interval of the calm tier, and two blocks."""


def soak(world: World, folder: Path, *, seconds: float, seed: int) -> Soaked:
    """Let a guard act for an account for so long, while prices go up and down and one call in ten fails somehow.

    Its owner borrows again and again through somebody else, and reserve and wallet are filled and emptied, so that the
    guard repays from either or sells. Calls fail from its first tick on: a guard that cannot read the chain at its
    start ends and says so.
    """
    dice = random.Random(seed)
    rules = [Rule(kind, "reads", None, odds=ODDS, dice=dice, value=_value(kind)) for kind in FAULTS]  # type: ignore[arg-type]
    owner = Borrower(world)
    samples: list[float] = []
    with FaultProxy(Anvil(world.rpc_url)) as proxy, _guard(world, proxy.url, folder) as process:
        until, price, is_failing = time.monotonic() + seconds, 3000, False
        while time.monotonic() < until and process.poll() is None:
            if not is_failing and (folder / "ticks").stat().st_size:
                proxy.inject(*rules)
                is_failing = True
            price = min(max(price + dice.choice((-150, -100, 80, 120)), LOWEST), HIGHEST)
            world.set_price("WETH", price * 10**8)
            if dice.random() < 1 / 20:
                world.rpc("anvil_dealERC20", world.account(dice.choice((WHO, PAYER))), owner.debt, _found(dice))
                owner.borrow()
            samples.append(_megabytes(process.pid))
            time.sleep(1)
        proxy.inject()
        time.sleep(2)
        process.terminate()
        code = process.wait(timeout=60)
    lines = (folder / "ticks").read_text().splitlines()
    faults = sum(rule.hits for rule in rules)
    return Soaked(tuple(map(json.loads, lines)), tuple(samples), code, (folder / "log").read_text(), faults)


def _found(dice: random.Random) -> str:
    return hex(dice.choice(RESERVES))


class Borrower:
    """The owner's part in it: debt that somebody else takes on for the account, so that its nonce stays the guard's."""

    def __init__(self, world: World) -> None:
        self._world, self._owner = world, world.account(WHO)
        self._somebody = Address(world.description["operators"][0]["address"])
        self._pool, self.debt = world.pool("main"), world.token("USDC")
        asked = keccak(b"getReserveVariableDebtToken(address)")[:4] + encode(["address"], [self.debt])
        found = world.rpc("eth_call", {"to": self._pool, "data": "0x" + asked.hex()}, "latest")
        allow = encode(["address", "uint256"], [self._somebody, 2**255])
        data = keccak(b"approveDelegation(address,uint256)")[:4] + allow
        assert world.send(self._owner, Address("0x" + found[-40:]), data)["status"] == "0x1"

    def borrow(self) -> None:
        """Lower the health to `BORROWED` when it is above `RELEVERED`; the pool may refuse."""
        (account,) = self._world.read("main", [self._owner])
        health = (account.health_factor or 0) / 10**18
        if health > RELEVERED:
            amount = int(account.debt_value * (health / BORROWED - 1)) // 100
            words = (self.debt, amount, 2, 0, self._owner)
            signature, types = (
                b"borrow(address,uint256,uint256,uint16,address)",
                "address,uint256,uint256,uint16,address",
            )
            data = keccak(signature)[:4] + encode(types.split(","), words)
            self._world.send(self._somebody, self._pool, data)


def _value(kind: str) -> Any:
    return {"http": 503, "error": (-32000, "busy"), "delay": 0.3}.get(kind)


@contextmanager
def _guard(world: World, url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    (keystore, password_file), (other_keystore, other_file) = world.credentials(WHO), world.credentials(PAYER)
    file = rules_file(
        folder / "guard.toml",
        owner=f'"{world.account(WHO)}"', payer=f'"{world.account(PAYER)}"', keystore=f'"{keystore}"',
        password_file=f'"{password_file}"', goal='{ health_factor = "1.95" }', guard={"single_endpoint": "true"},
        payer_keystore=f'"{other_keystore}"', payer_password_file=f'"{other_file}"', authority='"owner"',
        allow_hot_equity="true", tiers='{ normal = { slippage = "2%" }, urgent = { slippage = "2%" } }',
        cool_down='"1s"', budget="{ runs_per_day = 50 }",
        triggers='[[account.trigger]]\nkind = "health"\nbelow = "1.8"',
    )  # fmt: skip
    node = ["--rpc-url", url, "--address-book", str(world.address_book)]
    words = ["guard", "run", "--rules", str(file), "--broadcast", "--json", "--on-block"]
    environment = {**os.environ, "DEFILEV_JOURNAL": str(folder / "journal.db")}
    with (folder / "ticks").open("wb") as out, (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "defilev", *node, *words], stdout=out, stderr=log, env=environment, cwd=folder
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def _megabytes(process: int) -> float:
    """Return the resident size of a process, 0 where the system does not tell."""
    try:
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
