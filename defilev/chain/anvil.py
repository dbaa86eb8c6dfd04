"""A private anvil process that lives no longer than the block of code that uses it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from defilev.chain.fork_transaction import ForkTransaction
from defilev.chain.node import Node
from defilev.chain.quantity import parse_data, parse_hash, parse_object, to_hex
from defilev.chain.redaction import redact_url, redact_urls
from defilev.chain.rpc import Rpc
from defilev.chain.transport import HttpTransport
from defilev.chain.values import Receipt
from defilev.errors import AnvilFailed, AnvilMissing, BlockUnavailable, ConfigurationError, RpcError, WrongChain
from defilev.model.request import Address, Block

__all__ = ["Anvil", "find_anvil"]

_LISTENING = re.compile(r"Listening on 127\.0\.0\.1:(\d+)")
_START_SECONDS = 20.0
_STOP_SECONDS = 5.0
_RECEIPT_SECONDS = 10.0
_REQUEST_SECONDS = 60.0
_LOOK_EVERY = 0.005
_OPTIONS = ("--accounts", "0", "--host", "127.0.0.1", "--port", "0", "--no-mining")
_SET_PARENT_DEATH_SIGNAL = 1
_KEPT_VARIABLES = ("PATH", "LANG", "TMPDIR", "HTTPS_PROXY", "https_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR")


def find_anvil(setting: str | None) -> Path:
    """Return the anvil binary: `setting` when given, else beside this Python, on the PATH, or in foundry's folder.

    npm's wrapper script is passed over: it can end before the node that it started.

    Raises:
        ConfigurationError: `setting` names no executable file.
        AnvilMissing: there is none.
    """
    if setting:
        chosen = Path(setting).expanduser()
        if not _is_executable(chosen):
            raise ConfigurationError(f"{chosen} is not an executable file", fix="set DEFILEV_ANVIL to the anvil binary")
        return chosen
    folders = [Path(sys.executable).parent, *map(Path, os.get_exec_path()), Path.home() / ".foundry" / "bin"]
    for folder in folders:
        candidate = folder / "anvil"
        if _is_executable(candidate) and not _is_script(candidate):
            return candidate
    raise AnvilMissing("no anvil binary was found: simulating needs one")


class Anvil:
    """An anvil on a free loopback port, without accounts of its own, that mines only when told to.

    Use it as a context manager: its process and its temporary HOME (with the fork cache and the log) are gone
    afterwards, on an exception or an interrupt too. `rpc` and `node` speak to it at its `url`, which is on loopback.

    Args:
        seconds_per_block: how much later than its parent each block is.
    """

    rpc: Rpc
    node: Node
    url: str

    def __init__(self, binary: Path, *, seconds_per_block: int = 12) -> None:
        self._binary = binary
        self._seconds_per_block = seconds_per_block
        self._closing = ExitStack()
        self.pid = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            home = Path(tempfile.mkdtemp(prefix="defilev-anvil-"))
            stack.callback(shutil.rmtree, home, ignore_errors=True)
            process = _start(self._binary, home)
            stack.callback(_stop, process)
            self.pid = process.pid
            self.url = f"http://127.0.0.1:{_wait_for_port(process, home / 'anvil.log')}"
            self.rpc = Rpc(HttpTransport(self.url, timeout=_REQUEST_SECONDS))
            stack.callback(self.rpc.close)
            self.node = Node(self.rpc)
            self.rpc.request("anvil_setBlockTimestampInterval", [self._seconds_per_block])
            self._closing = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.close()

    def fork(self, url: str, *, block: Block, chain_id: int) -> None:
        """Make this chain a fork of the one at `url` at `block`, with that chain's balances, fees, clock and chain id.

        The URL goes to anvil over loopback, never onto a command line.

        Raises:
            AnvilFailed: anvil could not read from `url`.
            WrongChain: the node at `url` serves another chain.
            BlockUnavailable: that chain has another block at this height by now.
        """
        place = f"{redact_url(url)} at block {block.number}"
        try:
            self.rpc.request("anvil_reset", [{"forking": {"jsonRpcUrl": url, "blockNumber": block.number}}])
            self.rpc.request("anvil_setBlockTimestampInterval", [self._seconds_per_block])
            self.node = Node(self.rpc)
            found, forked = self.node.chain_id(), self.node.block()
        except RpcError as error:
            said = redact_urls(str(error.facts.get("message", error.fact)))
            raise AnvilFailed(f"anvil could not fork {place}: {said}", fix="run `defilev doctor`") from error
        if found != chain_id:
            raise WrongChain(f"the fork of {place} is of chain {found}, not {chain_id}")
        if forked.hash != block.hash:
            raise BlockUnavailable(f"block {block.number} was replaced before it was forked", fix="run it again")

    def impersonate(self, address: Address) -> None:
        """Let transactions of `address` pass without its signature; it still pays for them."""
        self.rpc.request("anvil_impersonateAccount", [address])

    def transact(self, transaction: ForkTransaction) -> Receipt:
        """Include a transaction of an impersonated account in a block of its own and return its receipt.

        Raises:
            RpcRejected: no chain would take it, because its sender cannot pay for it or its fee is too low.
            AnvilFailed: it was taken and not included.
        """
        sent = self.rpc.request("eth_sendTransaction", [transaction.fields()])
        transaction_hash = parse_hash(sent, what="transaction hash")
        self.mine()
        deadline = time.monotonic() + _RECEIPT_SECONDS
        while time.monotonic() < deadline:
            if receipt := self.node.receipt(transaction_hash):
                return receipt
            time.sleep(_LOOK_EVERY)
        raise AnvilFailed("anvil took a transaction and did not include it", fix="run it again")

    def mine(self) -> None:
        """Add a block with whatever is pending."""
        self.rpc.request("evm_mine")

    def set_code(self, address: Address, code: bytes) -> None:
        """Put `code` in the place of the contract at `address`, whose storage stays."""
        self.rpc.request("anvil_setCode", [address, to_hex(code)])

    def set_storage(self, address: Address, slot: int, value: int) -> None:
        """Write one 256-bit word of a contract's storage."""
        words = [f"0x{word:064x}" for word in (slot, value)]
        self.rpc.request("anvil_setStorageAt", [address, *words])

    def storage(self, address: Address, slot: int) -> int:
        """Return one 256-bit word of a contract's storage."""
        found = self.rpc.request("eth_getStorageAt", [address, f"0x{slot:064x}", "latest"])
        return int.from_bytes(parse_data(found, what="storage"), "big")

    def set_balance(self, address: Address, wei: int) -> None:
        """Give `address` so much of the native currency."""
        self.rpc.request("anvil_setBalance", [address, to_hex(wei)])

    def deal(self, token: Address, owner: Address, amount: int) -> None:
        """Give `owner` base units of a token; raises `RpcRejected` for one whose balances anvil does not find."""
        self.rpc.request("anvil_dealERC20", [owner, token, to_hex(amount)])

    def mine_at(self, base_fee: int) -> None:
        """Add a block with this base fee, in wei per gas."""
        self.rpc.request("anvil_setNextBlockBaseFeePerGas", [to_hex(base_fee)])
        self.mine()

    def output(self, transaction_hash: str) -> bytes:
        """Return what an included transaction returned, or its revert data."""
        trace = self.rpc.request("debug_traceTransaction", [transaction_hash, {"tracer": "callTracer"}])
        return parse_data(parse_object(trace, what="trace").get("output", "0x"), what="trace output")


def _start(binary: Path, home: Path) -> subprocess.Popen[bytes]:
    with (home / "anvil.log").open("wb") as log:
        try:
            return subprocess.Popen(
                [str(binary), *_OPTIONS],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=_environment(home),
                start_new_session=True,
                preexec_fn=_die_with_parent(),  # noqa: PLW1509 - it makes one system call that was loaded beforehand
            )
        except OSError as error:
            raise AnvilFailed(f"{binary} does not start: {error.strerror}", fix="run scripts/setup again") from error


def _environment(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    direct = ",".join(filter(None, [os.environ.get("NO_PROXY"), "127.0.0.1", "localhost"]))
    return {**kept, "NO_PROXY": direct, "HOME": str(home)}


def _die_with_parent() -> Callable[[], None] | None:
    """Return what makes Linux end the child when this process is killed and can tidy nothing; `None` elsewhere."""
    if sys.platform != "linux":
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl
    return lambda: prctl(_SET_PARENT_DEATH_SIGNAL, int(signal.SIGTERM))


def _wait_for_port(process: subprocess.Popen[bytes], log: Path) -> int:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        said = log.read_text(errors="replace")
        if process.poll() is not None:
            raise AnvilFailed(f"anvil ended at once: {' '.join(said.split())[-200:]}", fix="run scripts/setup again")
        if found := _LISTENING.search(said):
            return int(found[1])
        time.sleep(_LOOK_EVERY)
    raise AnvilFailed(
        f"anvil did not listen within {_START_SECONDS:g} s", fix="run it again when the machine is less busy"
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _is_executable(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK | os.R_OK)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"
