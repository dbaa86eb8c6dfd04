"""Measures defilev on the local chain: times as ratios within this run, round trips counted, promises held."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import httpx
from guarding import measure as guard_figures
from journal import measure as journal_figures
from planning_figures import planning_figures
from risk_figures import risk_figures
from sending import measure as sending_figures

from defilev.abi import interface
from defilev.chain.multicall import PinnedReader
from defilev.chain.node import Node
from defilev.chain.rpc import Rpc
from defilev.chain.transport import HttpTransport
from defilev.model.book import MarketEntry
from defilev.model.request import Address, Batch, Block, Results
from defilev.observe.drive import Fetch, drive
from defilev.protocols import PROTOCOLS

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("web3", "eth_account", "numpy", "scipy")
CANDLES = ROOT / "scripts" / "calibration.d" / "data"
HOUR = 3600
MANY = 1000
CHUNK = 500
Figures = dict[str, dict[str, Any]]
PROMISES = {
    "help_process": 0.30,
    "health_process": 0.6,
    "target_process": 3,
    "target_process_two_histories": 3,
    "eth_calls_one_account_cold": 4,
    "eth_calls_one_account_warm": 2,
    "eth_calls_1000_accounts": 60,
    "time_1000_accounts_over_bare_multicall": 2.5,
    "guard_tick_1000_accounts": 2,
    "guard_tick_1000_accounts_rpc_calls": 60,
    "probability_10000_accounts": 0.005,
    "inverse_10000_accounts": 0.15,
    "jumps_10000_accounts": 0.1,
    "simulate_1e6_paths_30_steps": 2,
    "allocation_5x4x4_median": 0.1,
}
"""The most that a figure may be; one that is more ends the run with code 1."""


def main() -> None:
    """Start a local chain, measure, stop it, print."""
    with tempfile.TemporaryDirectory(prefix="defilev-bench-") as folder:
        subprocess.run([ROOT / "scripts/world", "up", "--dir", folder], check=True, stdout=subprocess.DEVNULL)
        try:
            world = json.loads((Path(folder) / "world.json").read_text())
            figures = processes(world, Path(folder)) | reads(world) | risk_figures() | journal_figures()
            figures |= sending_figures(world) | guard_figures(world) | planning_figures()
        finally:
            subprocess.run([ROOT / "scripts/world", "down", "--dir", folder], check=True, stdout=subprocess.DEVNULL)
    for name, most in PROMISES.items():
        figures[name]["at_most"] = most
    json.dump(figures, sys.stdout, indent=1)
    print()
    broken = [name for name, most in PROMISES.items() if figures[name]["figure"] > most]
    if broken:
        sys.exit(f"above what was promised: {', '.join(broken)}")


def processes(world: dict[str, Any], folder: Path) -> Figures:
    """Time whole processes, and list the heavy modules that they import."""
    owner = world["accounts"][0]["address"]
    node = ["--rpc-url", world["rpc_url"], "--address-book", world["address_book"]]
    target = [*node, "target", owner, "-p", "aave-v3", "--market", "main", "--volatility", "65%"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    bare = best(lambda: run([sys.executable, "-I", "-c", "pass"], environment))
    figures = {"python_start": seconds(bare)}
    for name, arguments in (("help", ["--help"]), ("health", [*node, "health", owner])):
        command = [str(ROOT / ".venv/bin/defilev"), *arguments]
        taken = best(lambda command=command: run(command, environment))  # type: ignore[misc]
        figures[f"{name}_process"] = seconds(taken)
        figures[f"{name}_heavy_modules"] = {"figure": heavy_modules(arguments, environment), "unit": "modules"}
    figures["target_process"] = seconds(best(lambda: run([str(ROOT / ".venv/bin/defilev"), *target], environment)))
    priced = [*target[:-2], "--prices", str(histories(world, folder / "prices"))]
    taken = best(lambda: run([str(ROOT / ".venv/bin/defilev"), *priced], environment))
    figures["target_process_two_histories"] = seconds(taken)
    return figures


def histories(world: dict[str, Any], folder: Path) -> Path:
    """Write seven years of ETH and BTC, moved in time and price to where the local chain is; return the folder."""
    folder.mkdir()
    transport = HttpTransport(world["rpc_url"], timeout=60)
    end = Node(Rpc(transport)).block("latest").timestamp // HOUR * HOUR
    transport.close()
    for name, price in (("ethusdt", 3000.0), ("btcusdt", 90_000.0)):
        with gzip.open(CANDLES / f"{name}_binance_spot_1h.csv.gz", "rt") as file:
            head, *rows = [line.rstrip().split(",") for line in file]
        moved, scale = end - HOUR - int(rows[-1][0]), price / float(rows[-1][4])
        lines = [[str(int(row[0]) + moved), *(str(float(p) * scale) for p in row[1:5]), row[5]] for row in rows]
        (folder / f"{name}_1h.csv").write_text("\n".join(",".join(line) for line in [head, *lines]) + "\n")
    return folder


def heavy_modules(arguments: Sequence[str], environment: dict[str, str]) -> list[str]:
    """Return which heavy modules a command leaves in `sys.modules`."""
    watched = (*HEAVY, "pydantic") if "--help" in arguments else HEAVY
    program = (
        "import atexit, json, os, sys\n"
        f"atexit.register(lambda: os.write(3, json.dumps([m for m in {watched!r} if m in sys.modules]).encode()))\n"
        f"sys.argv = ['defilev', *{list(arguments)!r}]\n"
        "from defilev.cli.app import main\n"
        "main()\n"
    )
    reading, writing = os.pipe()
    command = ["sh", "-c", f'exec 3>&{writing}; exec "$@"', "sh", sys.executable, "-c", program]
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, pass_fds=[writing])
    os.close(writing)
    with os.fdopen(reading) as pipe:
        modules: list[str] = json.loads(pipe.read())
    return modules


def reads(world: dict[str, Any]) -> Figures:
    """Count the calls of one account and of a thousand with positions, and compare them with bare multicalls."""
    transport = HttpTransport(world["rpc_url"], timeout=60)
    node = Node(Rpc(transport))
    block = node.block("latest")
    reader = PinnedReader(node, multicall3=Address(world["multicall3"]), block=block)
    owners = [Address(entry["address"]) for entry in world["accounts"]]
    everyone = (owners * (MANY // len(owners) + 1))[:MANY]
    cold, metadata = counted(node, world, block, owners[:1], reader.fetch, None)
    warm, _ = counted(node, world, block, owners[:1], reader.fetch, metadata)
    many, _ = counted(node, world, block, everyone, reader.fetch, metadata)
    batches: list[Batch] = []

    def recorded(batch: Batch) -> Results:
        batches.append(batch)
        return reader.fetch(batch)

    counted(node, world, block, everyone, recorded, metadata)
    ours = best(lambda: counted(node, world, block, everyone, reader.fetch, metadata))
    payloads = bare_payloads(world, block, batches)
    with httpx.Client(timeout=60, headers={"content-type": "application/json"}) as client:
        bare = best(lambda: [bare_words(client, world["rpc_url"], payload) for payload in payloads])
    transport.close()
    return {
        "eth_calls_one_account_cold": {"figure": cold, "unit": "round trips"},
        "eth_calls_one_account_warm": {"figure": warm, "unit": "round trips"},
        "eth_calls_1000_accounts": {"figure": many, "unit": "round trips"},
        "time_1000_accounts": seconds(ours),
        "time_1000_accounts_over_bare_multicall": {"figure": round(ours / bare, 2), "unit": "ratio"},
    }


def counted(
    node: Node, world: dict[str, Any], block: Block, owners: Sequence[Address], fetch: Fetch, metadata: Any
) -> tuple[int, Any]:
    """Read the owners' accounts on the main market; return the `eth_call`s that it took, and the market's metadata."""
    provider = Address(world["markets"]["main"]["addresses_provider"])
    entry = MarketEntry("aave-v3", "main", {"pool_addresses_provider": provider})
    before = node.rpc.round_trips["eth_call"]
    read = PROTOCOLS["aave-v3"].read_accounts(entry, owners, chain_id=world["chain_id"], block=block, metadata=metadata)
    result = drive(read, fetch)
    return node.rpc.round_trips["eth_call"] - before, result.metadata


def bare_payloads(world: dict[str, Any], block: Block, batches: Sequence[Batch]) -> list[bytes]:
    """Return the requests of a client that only forwards the same calls, encoded beforehand."""
    aggregate = interface("multicall3")["aggregate3"]
    payloads = []
    for batch in batches:
        for start in range(0, len(batch), CHUNK):
            calls = [(call.to, True, call.data) for call in batch[start : start + CHUNK]]
            fields = {"to": world["multicall3"], "data": "0x" + aggregate.encode(calls).hex()}
            request = {"jsonrpc": "2.0", "id": 1, "method": "eth_call", "params": [fields, hex(block.number)]}
            payloads.append(json.dumps(request).encode())
    return payloads


def bare_words(client: httpx.Client, url: str, payload: bytes) -> bytes:
    """Return the words that a request brings, undecoded."""
    return bytes.fromhex(client.post(url, content=payload).json()["result"][2:])


def run(command: Sequence[str], environment: dict[str, str]) -> None:
    """Run a command that must succeed; its output is not looked at."""
    subprocess.run(command, check=True, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def best(act: Callable[[], object], *, times: int = 5) -> float:
    """Return the least seconds that `act` took."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        act()
        taken.append(time.perf_counter() - started)
    return min(taken)


def seconds(figure: float) -> dict[str, Any]:
    """Return a figure in seconds."""
    return {"figure": round(figure, 3), "unit": "s"}


if __name__ == "__main__":
    main()
