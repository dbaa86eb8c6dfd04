"""Build the state of the world: fetch, compile, deploy, dump. What is in the cache is not built again."""

import gzip
import hashlib
import json
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localworld import node
from localworld.errors import WorldError
from localworld.fetch import fetch_all
from localworld.layout import complete_folder, ensure_cache, file_lock, state_key
from localworld.rpc import Rpc

GENESIS_TIME = 1_767_225_600  # 2026-01-01 00:00 UTC
BLOCK_SECONDS = 12
KEPT_STATES = 8
Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Built:
    """A finished state in the cache."""

    key: str
    chain_id: int
    folder: Path

    @property
    def state(self) -> Path:
        return self.folder / "state.json"

    @property
    def keystores(self) -> Path:
        return self.folder / "keystores"

    def manifest(self) -> dict[str, Any]:
        """What stands in this world, and its last block."""
        content: dict[str, Any] = json.loads((self.folder / "manifest.json").read_text())
        return content


def find(chain_id: int) -> Built:
    """The state this source tree gives, whether it is there already or not."""
    key = state_key(chain_id)
    return Built(key, chain_id, ensure_cache() / "state" / f"{chain_id}-{key}")


def ensure(chain_id: int, progress: Progress) -> Built:
    """The state this source tree gives; built when it is missing, by one process at a time."""
    built = find(chain_id)
    if built.folder.is_dir():
        return built
    with file_lock(ensure_cache() / f"state-{chain_id}.lock"):
        if not built.folder.is_dir():
            _build(built, progress)
            _forget_old_states(built.folder.parent)
    return built


def _build(built: Built, progress: Progress) -> None:
    started = time.monotonic()
    progress("packages: fetching what is missing")
    fetch_all()
    files = _compile(progress)
    progress(f"deploying on chain id {built.chain_id}")
    options = ["--chain-id", str(built.chain_id), "--auto-impersonate", "--accounts", "24"]
    options += ["--gas-limit", "100000000", "--timestamp", str(GENESIS_TIME)]
    with node.temporary(options) as rpc, complete_folder(built.folder) as scratch:
        rpc.request("anvil_setBlockTimestampInterval", BLOCK_SECONDS)
        _deploy(rpc, files, scratch, built)
    progress(f"built in {time.monotonic() - started:.1f} s")


def _forget_old_states(folder: Path) -> None:
    states = sorted(folder.glob("[0-9]*"), key=lambda state: state.stat().st_mtime, reverse=True)
    for state in states[KEPT_STATES:]:
        shutil.rmtree(state, ignore_errors=True)


def _compile(progress: Progress) -> dict[str, Path]:
    from localworld.compiling import compiled

    progress("contracts: compiling what has changed")
    with file_lock(ensure_cache() / "artifacts.lock"):
        return compiled()


def _deploy(rpc: Rpc, files: dict[str, Path], folder: Path, built: Built) -> None:
    from localworld.accounts import named_accounts, write_keystores
    from localworld.artifacts import Artifacts
    from localworld.chain import Chain
    from localworld.context import Site, read_tokens
    from localworld.deploy import STEPS

    accounts = named_accounts()
    by_name = {account.name: account.address for account in accounts}
    chain = Chain(rpc, by_name["owner"])
    site = Site(chain, Artifacts(files), read_tokens(), by_name["lender"], by_name)
    for step in STEPS:
        step(site)
    site.manifest |= _save_state(rpc, folder / "state.json")
    site.manifest |= {"state_key": built.key, "chain_id": built.chain_id}
    for kind, operator in (("operators", True), ("accounts", False)):
        site.manifest[kind] = [
            {"name": account.name, "address": account.address, "index": account.index, "about": account.about}
            for account in accounts
            if account.operator == operator
        ]
    write_keystores(accounts, folder / "keystores")
    (folder / "manifest.json").write_text(json.dumps(site.manifest, indent=1))


def _save_state(rpc: Rpc, file: Path) -> dict[str, Any]:
    """Write the lean dump: no transactions, the newest block only. Return its block and a hash of its accounts."""
    state = json.loads(gzip.decompress(bytes.fromhex(rpc.request("anvil_dumpState")[2:])))
    newest = max(state["blocks"], key=lambda block: int(block["header"]["number"], 16))
    if newest["transactions"]:
        raise WorldError("the last block holds a transaction", fix="end the deploy steps with an empty block")
    lean = {**state, "transactions": [], "blocks": [newest]}
    file.write_text(json.dumps(lean, sort_keys=True))
    accounts = json.dumps(state["accounts"], sort_keys=True).encode()
    return {
        "built_block": {name: int(newest["header"][name], 16) for name in ("number", "timestamp")},
        "accounts_digest": hashlib.sha256(accounts).hexdigest(),
    }
