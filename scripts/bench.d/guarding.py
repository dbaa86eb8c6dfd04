"""Measures one tick of the guard over a thousand accounts that owe something: seconds on one core, and RPC calls."""

from __future__ import annotations

import os
import tempfile
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from defilev.abi import encode, keccak
from defilev.config.guard_rules import load_guard_rules
from defilev.config.loading import load_settings
from defilev.execute.desk import Event
from defilev.guard.acting import Hands
from defilev.guard.checking import rules_of_chain
from defilev.guard.leases import Leases
from defilev.guard.memory import scope_of
from defilev.guard.tick import Guard
from defilev.journal import GuardJournal, open_journal, place_of
from defilev.model.guard import TickReport
from defilev.model.plan import Step
from defilev.model.request import Address
from defilev.pipeline.recording import chain_identity
from defilev.pipeline.session import Session, connect

MANY, TICKS = 1000, 4
FIRST = 0xD_EF11_E000_0000
"""The accounts are called by these numbers; nobody has their keys."""

SUPPLIED, BORROWED = 10**18, 1_000 * 10**6
CHUNK = 100


def measure(world: dict[str, Any]) -> dict[str, Any]:
    """Open a thousand positions, and return what a tick over all of them takes, the best after the first."""
    owners = [Address(f"0x{FIRST + number:040x}") for number in range(MANY)]
    _open_positions(world, owners)
    flags = {"rpc_url": world["rpc_url"], "address_book": [world["address_book"]]}
    settings = load_settings(flags, config=None, profile=None).values
    with tempfile.TemporaryDirectory(prefix="defilev-bench-") as folder, closing(connect(settings)) as session:
        ticks = _ticks(session, Path(folder), owners)
    quickest = min(ticks[1:], key=lambda report: report.milliseconds)
    healthy = sum(decision.health_factor is not None for decision in quickest.decisions)
    if healthy != MANY:
        raise SystemExit(f"{healthy} of {MANY} accounts owe something")
    return {
        "guard_tick_1000_accounts": {"figure": quickest.milliseconds / 1000, "unit": "s"},
        "guard_tick_1000_accounts_rpc_calls": {"figure": quickest.rpc_calls, "unit": "calls"},
    }


def _ticks(session: Session, folder: Path, owners: list[Address]) -> list[TickReport]:
    """Tick on one core; the node has the other."""
    file = folder / "guard.toml"
    file.write_text("\n".join(_rule(session.chain_id, number, owner) for number, owner in enumerate(owners)))
    rules = load_guard_rules(file)
    cores = os.sched_getaffinity(0)
    with open_journal(place_of(str(folder / "journal.db"))) as journal:
        chain = chain_identity(session)
        scope = scope_of(chain, is_broadcasting=False)
        leases = Leases(GuardJournal(journal), chain=scope, seconds=20)
        rules_of_chain(rules, session)
        another = partial(connect, session.settings)
        guard = Guard(session, rules, journal, chain, Hands({}, tell=_nobody), leases, None, another)
        os.sched_setaffinity(0, {min(cores)})
        try:
            return [guard.tick(number) for number in range(1, TICKS + 1)]
        finally:
            os.sched_setaffinity(0, cores)
            leases.release(print)


def _nobody(step: Step, event: Event) -> None:
    """Tell nobody."""
    del step, event


def _rule(chain_id: int, number: int, owner: Address) -> str:
    triggers = (
        '[[account.trigger]]\nkind = "health"\nbelow = "1.3"\n[[account.trigger]]\nkind = "parameter-change"\n'
        '[[account.trigger]]\nkind = "utilisation"\nabove = "95%"'
    )
    name = f'name = "a{number}"\nowner = "{owner}"\nprotocol = "aave-v3"\nchain = "{chain_id}"'
    return f"[[account]]\n{name}\n{triggers}\n"


def _open_positions(world: dict[str, Any], owners: list[Address]) -> None:
    """Supply for everybody, let everybody borrow, a hundred in a block."""
    operator = Address(world["operators"][0]["address"])
    pool, collateral, debt = world["markets"]["main"]["pool"], world["tokens"]["WETH"], world["tokens"]["USDC"]
    with httpx.Client(timeout=60) as client:
        node = _Node(client, world["rpc_url"])
        node.send(operator, collateral["address"], "approve(address,uint256)", pool, MANY * SUPPLIED)
        node.rpc("evm_setAutomine", False)
        for start in range(0, MANY, CHUNK):
            for owner in owners[start : start + CHUNK]:
                supply = "supply(address,uint256,address,uint16)"
                node.send(operator, pool, supply, collateral["address"], SUPPLIED, owner, 0)
            node.rpc("evm_mine")
            for owner in owners[start : start + CHUNK]:
                borrow = "borrow(address,uint256,uint256,uint16,address)"
                node.send(owner, pool, borrow, debt["address"], BORROWED, 2, 0, owner)
            node.rpc("evm_mine")
        node.rpc("evm_setAutomine", True)


class _Node:
    """Sends from any account without its key."""

    def __init__(self, client: httpx.Client, url: str) -> None:
        self._client, self._url = client, url

    def rpc(self, method: str, *params: Any) -> Any:
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        answer = self._client.post(self._url, json=request).json()
        if "error" in answer:
            raise SystemExit(f"{method}: {answer['error']}")
        return answer["result"]

    def send(self, sender: Address, to: str, signature: str, *words: Any) -> None:
        types = signature[signature.index("(") + 1 : -1].split(",")
        data = keccak(signature.encode())[:4] + encode(types, list(words))
        self.rpc("anvil_impersonateAccount", sender)
        self.rpc("anvil_setBalance", sender, hex(10**24))
        self.rpc("eth_sendTransaction", {"from": sender, "to": to, "data": "0x" + data.hex(), "gas": hex(600_000)})
