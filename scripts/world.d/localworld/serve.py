"""Serve a built state: start anvil on it, describe it in world.json, stop it again."""

import json
import shutil
from pathlib import Path
from typing import Any

from localworld import node
from localworld.build import BLOCK_SECONDS, Built, Progress, ensure, find
from localworld.layout import RunDirectory, file_lock, write_text
from localworld.rpc import Rpc

HISTORY_BLOCKS = 70  # `finalized` lies 64 blocks behind the head
BASE_FEE = 2_000_000_000


def up(run: RunDirectory, *, chain_id: int, port: int, fresh: bool, progress: Progress) -> dict[str, Any]:
    """Serve the world and return what world.json says. A running world of the same build is kept."""
    built = ensure(chain_id, progress)
    run.path.mkdir(parents=True, exist_ok=True)
    with file_lock(run.path / ".lock"):
        world = running(run)
        if world and not fresh and _serves(world, built, port):
            return world
        if world:
            progress("stopping the world that runs here")
        _stop(run)
        return _serve(run, built, port)


def down(run: RunDirectory) -> bool:
    """Stop the world of this folder and remove what it left; say whether one ran."""
    if not run.path.is_dir():
        return False
    with file_lock(run.path / ".lock"):
        stopped = _stop(run)
        run.clear()
    return stopped


def running(run: RunDirectory) -> dict[str, Any] | None:
    """What world.json says, when its anvil lives."""
    world = _read(run)
    return world if world and node.is_running(world["pid"], marker=run.marker) else None


def status(run: RunDirectory, chain_id: int) -> dict[str, Any]:
    """Whether a world runs here, where, at which block, and what is cached."""
    world = running(run)
    built = find(world["chain_id"] if world else chain_id)
    answer: dict[str, Any] = {"running": world is not None, "directory": str(run.path)}
    if world:
        rpc = Rpc(world["rpc_url"])
        head = int(rpc.request("eth_blockNumber"), 16)
        answer |= {key: world[key] for key in ("rpc_url", "chain_id", "pid", "state_key")} | {"head": head}
        rpc.close()
    cached = sorted(folder.name for folder in built.folder.parent.glob("[0-9]*"))
    return answer | {"current_state_key": built.key, "cached_states": cached}


def _serves(world: dict[str, Any], built: Built, port: int) -> bool:
    same_port = port in (0, int(world["rpc_url"].rpartition(":")[2]))
    return bool(world["state_key"] == built.key and same_port)


def _stop(run: RunDirectory) -> bool:
    world = _read(run)
    stopped = world is not None and node.stop(world["pid"], marker=run.marker)
    shutil.rmtree(run.home, ignore_errors=True)
    return stopped


def _serve(run: RunDirectory, built: Built, port: int) -> dict[str, Any]:
    manifest = built.manifest()
    first = manifest["built_block"]["timestamp"] + BLOCK_SECONDS
    options = ["--port", str(port), "--chain-id", str(built.chain_id), "--accounts", "0"]
    options += ["--load-state", str(built.state), "--timestamp", str(first), "--config-out", str(run.marker)]
    process, url = node.start(options, log=run.log, home=run.home)
    try:
        _start_clock(url)
        world = _describe(run, built, manifest, url, process.pid)
        write_text(run.address_book, _address_book(manifest))
        write_text(run.world_json, json.dumps(world, indent=1) + "\n")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return world


def _start_clock(url: str) -> None:
    """12 s per block from now on, and enough empty blocks for `safe`, `finalized` and some history.

    Empty blocks lower the base fee to a few wei; the head gets one that a user would see.
    """
    rpc = Rpc(url)
    rpc.request("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
    rpc.request("anvil_mine", hex(HISTORY_BLOCKS - 1), hex(BLOCK_SECONDS))
    rpc.request("anvil_setNextBlockBaseFeePerGas", hex(BASE_FEE))
    rpc.request("evm_mine")
    rpc.close()


def _describe(run: RunDirectory, built: Built, manifest: dict[str, Any], url: str, pid: int) -> dict[str, Any]:
    shutil.rmtree(run.keystores, ignore_errors=True)
    shutil.copytree(built.keystores, run.keystores)
    run.keystores.chmod(0o700)
    people = {
        kind: [_with_keystore(run.keystores, account) for account in manifest[kind]]
        for kind in ("accounts", "operators")
    }
    head = {"rpc_url": url, "chain_id": built.chain_id, "address_book": str(run.address_book), "pid": pid}
    return {**head, **manifest, **people}


def _with_keystore(keystores: Path, account: dict[str, Any]) -> dict[str, Any]:
    password_file = str(keystores / "password.txt")
    return {**account, "keystore": str(keystores / f"{account['name']}.json"), "password_file": password_file}


def _address_book(manifest: dict[str, Any]) -> str:
    """Entry points only: everything else is found on chain."""
    lines = ["[chain]", f"id = {manifest['chain_id']}", 'name = "local"', f'multicall3 = "{manifest["multicall3"]}"']
    for market in manifest["markets"].values():
        entry = f"{market['protocol']}.{market['market']}"
        lines += ["", f"[{entry}]", f'pool_addresses_provider = "{market["addresses_provider"]}"']
    lines += ["", "[morpho-blue.main]", *_morpho_blue(manifest["morpho_blue"])]
    lines += ["", "[perp-curie.main]", f'clearing_house = "{manifest["perp_curie"]["clearing_house"]}"']
    lines += ["", "[uniswap-v3]"]
    lines += [f'{name} = "{manifest["uniswap_v3"][name]}"' for name in ("factory", "quoter_v2", "swap_router_02")]
    return "\n".join(lines) + "\n"


def _morpho_blue(described: dict[str, Any]) -> list[str]:
    """The contract and its markets: a chain that begins from a saved state has no logs to find them in."""
    ids = ", ".join(f'"{market["id"]}"' for market in described["markets"].values())
    return [f'morpho = "{described["morpho"]}"', f"markets = [{ids}]"]


def _read(run: RunDirectory) -> dict[str, Any] | None:
    try:
        world: dict[str, Any] = json.loads(run.world_json.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return world
