"""Private anvils: forks that are true to their source, and nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

import pytest

from defilev.abi import interface
from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.fork_transaction import ForkTransaction
from defilev.chain.multicall import PinnedReader
from defilev.errors import AnvilFailed, AnvilMissing, BlockUnavailable, ConfigurationError, RpcRejected, WrongChain
from defilev.model.request import Address, Block, Call
from tests.support.world import World

pytestmark = pytest.mark.world

NOBODY = Address("0x000000000000000000000000000000000000dEaD")
GWEI = 10**9


@pytest.fixture(scope="session")
def binary() -> Path:
    """Return the anvil that the tests run with."""
    return find_anvil(os.environ.get("DEFILEV_ANVIL"))


def is_running(pid: int) -> bool:
    """Return whether a process lives; one that has ended and waits for its parent does not."""
    if Path("/proc/self/stat").exists():
        stat = Path(f"/proc/{pid}/stat")
        return stat.exists() and stat.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def transfer(sender: Address, *, value: int = 1, fee: int = 100 * GWEI) -> ForkTransaction:
    """Return a plain transfer to nobody."""
    return ForkTransaction(sender, NOBODY, b"", 30_000, fee, GWEI, value)


def test_an_anvil_is_gone_with_its_block(binary: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After the block of code, with or without an exception or an interrupt, neither process nor folder is left."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for failure in (None, ValueError, KeyboardInterrupt):
        with suppress(ValueError, KeyboardInterrupt), Anvil(binary) as anvil:
            assert is_running(anvil.pid)
            if failure:
                raise failure
        assert not is_running(anvil.pid)
        assert [] == list(tmp_path.iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_an_anvil_does_not_outlive_a_killed_parent(binary: Path, tmp_path: Path) -> None:
    """When the process that started it is killed and cannot tidy up, the anvil ends too."""
    script = (
        "import sys, time; from pathlib import Path; from defilev.chain.anvil import Anvil\n"
        "with Anvil(Path(sys.argv[1])) as anvil: print(anvil.pid, flush=True); time.sleep(60)"
    )
    command, environment = [sys.executable, "-c", script, str(binary)], {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert is_running(pid)
        parent.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 5
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(pid)


def test_a_bare_anvil_has_no_money_and_does_not_mine(binary: Path) -> None:
    """A fresh anvil signs for nobody, gives nobody anything, and adds blocks only when told, 12 s apart."""
    with Anvil(binary) as anvil:
        assert [] == anvil.rpc.request("eth_accounts")
        before = anvil.node.block()
        anvil.mine()
        anvil.mine()
        after = anvil.node.block()
        assert (2, 24) == (after.number - before.number, after.timestamp - before.timestamp)


def test_a_fork_is_its_source_at_the_block(binary: Path, world: World) -> None:
    """A fork has the source's head, chain id, balances and code, and its next blocks are 12 s apart."""
    head = world.head()
    owner = world.account("comfortable")
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=head, chain_id=world.chain_id)
        assert head == anvil.node.block()
        assert world.node.balance(owner, block=head) == anvil.node.balance(owner)
        assert world.node.nonce(owner, block=head) == anvil.node.nonce(owner)
        assert anvil.node.code(world.token("WETH"), block=head)
        anvil.mine()
        anvil.mine()
        assert head.timestamp + 24 == anvil.node.block().timestamp
        assert head == world.head()


def test_a_fork_can_be_of_an_older_block(binary: Path, world: World) -> None:
    """A fork of a block below the head does not see what came after."""
    older = world.head()
    world.rpc("evm_mine")
    world.rpc("anvil_setBalance", NOBODY, hex(12345))
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=older, chain_id=world.chain_id)
        assert older == anvil.node.block()
        assert 12345 != anvil.node.balance(NOBODY)


def test_a_fork_refuses_what_it_was_not_asked_for(binary: Path, world: World) -> None:
    """Another chain, another block at that height, or an unreadable node is an error without the URL's secret."""
    head = world.head()
    replaced = Block(head.number, "0x" + "ab" * 32, head.timestamp)
    with Anvil(binary) as anvil:
        with pytest.raises(WrongChain):
            anvil.fork(world.rpc_url, block=head, chain_id=1)
        with pytest.raises(BlockUnavailable):
            anvil.fork(world.rpc_url, block=replaced, chain_id=world.chain_id)
        with pytest.raises(AnvilFailed) as caught:
            anvil.fork("http://127.0.0.1:9/apikey", block=head, chain_id=world.chain_id)
        assert "apikey" not in str(caught.value)
        assert "127.0.0.1:9/••••" in str(caught.value)


def test_the_url_of_a_fork_is_on_no_command_line(binary: Path, world: World) -> None:
    """The source's URL, which may hold a key, is in no argument and no variable of the anvil process."""
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=world.head(), chain_id=world.chain_id)
        for name in ("cmdline", "environ"):
            place = Path(f"/proc/{anvil.pid}/{name}")
            if place.exists():
                assert world.rpc_url.encode() not in place.read_bytes()


def test_a_fork_gives_no_free_gas(binary: Path, world: World) -> None:
    """An impersonated account pays for its transactions, and one that cannot is refused."""
    owner = world.account("comfortable")
    poor = Address("0x00000000000000000000000000000000000BeEf1")
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=world.head(), chain_id=world.chain_id)
        anvil.impersonate(owner)
        anvil.impersonate(poor)
        before = anvil.node.balance(owner)
        receipt = anvil.transact(transfer(owner))
        assert receipt.succeeded
        assert receipt.effective_gas_price > 0
        assert before - 1 - receipt.fee_paid == anvil.node.balance(owner)
        with pytest.raises(RpcRejected, match=r"(?i)insufficient funds"):
            anvil.transact(transfer(poor))
        with pytest.raises(RpcRejected, match="base fee"):
            anvil.transact(transfer(owner, fee=1 * GWEI - GWEI + 1))


def test_the_revert_data_of_a_transaction_can_be_had(binary: Path, world: World) -> None:
    """A failed transaction is included as failed, and its revert data is what the contract said."""
    owner = world.account("comfortable")
    amount = 10**30
    data = interface("erc20")["transfer"].encode(NOBODY, amount)
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=world.head(), chain_id=world.chain_id)
        anvil.impersonate(owner)
        receipt = anvil.transact(ForkTransaction(owner, world.token("USDC"), data, 200_000, 100 * GWEI, GWEI))
        assert not receipt.succeeded
        expected = anvil.node.call(Call(world.token("USDC"), data), block="latest", sender=owner)
        assert expected.data == anvil.output(receipt.hash)


def test_reads_through_the_real_multicall(world: World) -> None:
    """The real contract answers a batch as single calls do, in one round trip, and says what has no code."""
    head = world.head()
    balance_of = interface("erc20")["balanceOf"]
    batch = [
        balance_of.call(world.token(symbol), owner)
        for symbol in ("WETH", "USDC")
        for owner in world.accounts().values()
    ]
    batch += [Call(NOBODY, b"\x01\x02\x03\x04"), Call(world.token("USDC"), b"\x01\x02\x03\x04")]
    reader = world.reader(head)
    results = reader.fetch(batch)
    assert 1 == reader.node.rpc.round_trips["eth_call"]
    assert [world.node.call(call, block=head) for call in batch[:-2]] == results[:-2]
    assert [False, False] == [result.success for result in results[-2:]]
    reader.verify()


def test_costly_batches_are_complete_whatever_the_gas_limit(binary: Path, world: World) -> None:
    """Costly reads are all answered on a node with little gas per call: chunks that run out of it are halved."""
    owners = list(world.accounts().values())
    get_data = interface("aave_v3_pool")["getUserAccountData"]
    batch = [get_data.call(world.pool("main"), owner) for owner in owners] * 30
    with Anvil(binary) as anvil:
        anvil.fork(world.rpc_url, block=world.head(), chain_id=world.chain_id)
        anvil.rpc.request("evm_setBlockGasLimit", [hex(3_000_000)])
        anvil.mine()
        multicall3 = Address(world.description["multicall3"])
        reader = PinnedReader(anvil.node, multicall3=multicall3, block=anvil.node.block())
        results = reader.fetch(batch)
    assert all(result.success for result in results)
    assert results[: len(owners)] * 30 == results
    assert reader.node.rpc.round_trips["eth_call"] > 1


def test_a_pruned_block_and_a_reorg_are_named(world: World) -> None:
    """A block above the head is unavailable, and a block that was replaced is found out after the read."""
    head = world.head()
    with pytest.raises(BlockUnavailable, match="no block"):
        world.node.block(head.number + 1000)
    snapshot = world.rpc("evm_snapshot")
    world.advance(12)
    reader = world.reader(world.head(), node=world.node)
    world.rpc("evm_revert", snapshot)
    world.advance(24)
    with pytest.raises(BlockUnavailable, match="replaced"):
        reader.verify()


def test_a_missing_anvil_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a binary in any of its places, the error says how to get one; a setting that names none is the user's."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    with pytest.raises(AnvilMissing):
        find_anvil(None)
    with pytest.raises(ConfigurationError):
        find_anvil(str(tmp_path / "anvil"))


def test_the_binary_is_preferred_to_a_script(binary: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """npm's wrapper script is passed over; what the setting names is taken as it is."""
    for name in ("wrapper", "real"):
        (tmp_path / name).mkdir()
    wrapper = tmp_path / "wrapper" / "anvil"
    wrapper.write_text("#!/usr/bin/env node\n")
    wrapper.chmod(0o755)
    (tmp_path / "real" / "anvil").symlink_to(binary.resolve())
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'wrapper'}{os.pathsep}{tmp_path / 'real'}")
    assert tmp_path / "real" / "anvil" == find_anvil(None)
    assert wrapper == find_anvil(str(wrapper))


def test_an_anvil_that_does_not_start_says_why(tmp_path: Path) -> None:
    """A binary that ends at once, or cannot be run, is an error with what it said."""
    for content, says in (("#!/bin/sh\necho no such flag; exit 2\n", "no such flag"), ("nonsense", "does not start")):
        broken = tmp_path / "anvil"
        broken.write_text(content)
        broken.chmod(0o755)
        with pytest.raises(AnvilFailed, match=says), Anvil(broken):
            pass
