"""Asking before money moves: a node that is no local anvil, chain id 1, and the address book that is shipped."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import httpx
import pytest
from eth_account import Account

from defilev.abi import interface
from defilev.model.request import Address
from tests.support.cli import Cli, Printed, assert_refused, credentials, terminal, untouched
from tests.support.http_node import http_node
from tests.support.world import World, own_world

pytestmark = pytest.mark.world

GETH = "Geth/v1.16.7-stable/linux-amd64/go1.25.4"
PASSWORD = "correct horse battery staple"
TO_THREE = ("--to-health-factor", "3")
QUESTION = "Type the last 4 characters of the account to go on: "


@pytest.fixture(scope="module")
def ethereum_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve the local chain under Ethereum's chain id."""
    with own_world(tmp_path_factory.mktemp("ethereum"), chain_id=1) as served:
        yield served


@pytest.fixture
def ethereum(ethereum_session: World) -> Iterator[World]:
    """Lend it to one test, and put its state back afterwards."""
    snapshot = ethereum_session.rpc("evm_snapshot")
    yield ethereum_session
    ethereum_session.rpc("evm_revert", snapshot)


@pytest.fixture
def real(
    ethereum: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Iterator[Cli]:
    """Return `defilev` with nothing but the URL of a node that calls itself geth: the shipped address book serves."""
    monkeypatch.setenv("COLUMNS", "140")
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    with http_node({"web3_clientVersion": lambda _: GETH}, forward=ethereum.rpc_url) as url:
        yield Cli(ethereum, capsys, ("--rpc-url", url))


@contextmanager
def _mining(url: str) -> Iterator[None]:
    """Mine empty blocks while the command waits for confirmations, as a chain would."""
    stopped = Event()

    def mine() -> None:
        request = {"jsonrpc": "2.0", "id": 1, "method": "evm_mine", "params": []}
        while not stopped.wait(0.4):
            httpx.post(url, json=request)

    thread = Thread(target=mine)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def owner(ethereum: World, tmp_path: Path) -> tuple[Address, tuple[str, ...]]:
    """Open a position for a key that nobody else has; return its address and the flags with which it signs."""
    account = Account.create()
    who = Address(account.address)
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    for name, content in (
        ("key", json.dumps(Account.encrypt(account.key, PASSWORD, iterations=4096))),
        ("pw", PASSWORD),
    ):
        (keys / name).write_text(content)
        (keys / name).chmod(0o600)
    _open_position(ethereum, who)
    return who, ("--keystore", str(keys / "key"), "--password-file", str(keys / "pw"))


def _open_position(world: World, who: Address) -> None:
    weth, usdc, pool = world.token("WETH"), world.token("USDC"), world.pool("main")
    aave, amount = interface("aave_v3_pool"), 10 * 10**18
    world.send(who, weth, bytes.fromhex("d0e30db0"), value=amount)
    steps = [
        interface("erc20")["approve"].call(weth, pool, amount),
        aave["supply"].call(pool, weth, amount, who, 0),
        aave["borrow"].call(pool, usdc, 11_000 * 10**6, 2, 0, who),
        interface("erc20")["transfer"].call(usdc, world.account("empty"), 11_000 * 10**6),
    ]
    for call in steps:
        assert "0x1" == world.send(who, call.to, call.data)["status"]
    world.rpc("anvil_stopImpersonatingAccount", who)


def _words(cli: Cli, who: str, *more: str) -> list[str]:
    return cli.words("rebalance", who, "-p", "aave-v3", "--market", "main", *TO_THREE, *more)


def _rebalance(cli: Cli, who: str, *more: str) -> Printed:
    return cli("rebalance", who, "-p", "aave-v3", "--market", "main", *TO_THREE, *more)


def test_everything_that_only_looks_works_with_the_shipped_address_book(real: Cli, tmp_path: Path) -> None:
    """`health`, `plan`, `simulate` and a dry run need no address book of the user's on Ethereum."""
    with untouched(real.world):
        health = real("health", "comfortable", "--market", "main", "--json")
        made = real("plan", "comfortable", "-p", "aave-v3", *TO_THREE, "-o", tmp_path / "plan.json")
        tried = real("simulate", tmp_path / "plan.json")
        dry = _rebalance(real, "comfortable")

    assert (0, 1) == (health.code, health.document["accounts"][0]["chain_id"])
    assert "exact" == health.document["accounts"][0]["self_check"]["result"]
    assert [0, 0, 0] == [made.code, tried.code, dry.code], made.err + tried.err + dry.err
    assert "DRY RUN: nothing was signed." == dry.out.splitlines()[-1]


@pytest.mark.parametrize("mode", ["--broadcast", "--sign-only"])
def test_keys_that_everybody_knows_sign_on_a_local_anvil_only(real: Cli, tmp_path: Path, mode: str) -> None:
    """Anvil's test accounts are refused before anybody is asked, confirmed or not: exit 7."""
    world = real.world
    plan = real.plan(tmp_path / "plan.json", "comfortable", *TO_THREE)
    confirmed = ("--yes", "--confirm-plan", str(plan["hash"]))
    with untouched(world):
        for more in ((), confirmed):
            printed = _rebalance(real, "comfortable", mode, *credentials(world, "comfortable"), *more, "--json")
            assert_refused(printed, code=7, said="is public: anyone can take what this account holds", is_json=True)


def test_the_same_chain_id_on_a_local_anvil_asks_nothing(
    ethereum: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A loopback anvil is a local anvil whatever its chain id: nobody is asked, and test keys sign."""
    monkeypatch.chdir(tmp_path)
    cli = Cli(ethereum, capsys, ("--rpc-url", ethereum.rpc_url))
    printed = _rebalance(cli, "comfortable", "--broadcast", *credentials(ethereum, "comfortable"))

    assert 0 == printed.code, printed.err
    assert QUESTION not in printed.err


@pytest.mark.parametrize("answer", ["no\n", "\x04"], ids=["no", "ctrl-d"])
def test_any_other_answer_declines(real: Cli, owner: tuple[Address, tuple[str, ...]], answer: str) -> None:
    """Anything but the last four characters is a no: exit 3, one fix, no transaction."""
    who, signs = owner
    with untouched(real.world), terminal(_words(real, who, "--broadcast", *signs)) as shown:
        shown.until(QUESTION)
        shown.type(answer)
        code = shown.ended()

    assert 3 == code
    assert f"This sends 5 transactions on ETHEREUM from {who}." in shown.text
    assert "\ndeclined: nothing was signed" in shown.text
    assert 1 == shown.text.count("fix: ")


def test_ctrl_c_at_the_question_interrupts(real: Cli, owner: tuple[Address, tuple[str, ...]]) -> None:
    """Ctrl-C at the question is 130, and nothing was signed."""
    who, signs = owner
    with untouched(real.world), terminal(_words(real, who, "--broadcast", *signs)) as shown:
        shown.until(QUESTION)
        shown.type("\x03")
        code = shown.ended()

    assert 130 == code
    assert "interrupted" in shown.text
    assert "Traceback" not in shown.text


def test_the_last_four_characters_and_the_password_send_it(real: Cli, owner: tuple[Address, tuple[str, ...]]) -> None:
    """Answered in either case, with a password that is not shown while it is typed, the plan is sent and verified."""
    who, (keystore, path, *_) = owner
    words = _words(real, who, "--broadcast", keystore, path)
    with _mining(real.world.rpc_url), terminal(words) as shown:
        shown.until(QUESTION)
        shown.type(who[-4:].swapcase() + "\n")
        shown.until("keystore password: ")
        shown.type(PASSWORD + "\n")
        code = shown.ended()

    assert 0 == code, shown.text
    assert PASSWORD not in shown.text
    assert "read again at block" in shown.text
    (after,) = real.world.read("main", [who])
    assert after.health_factor is not None
    assert 2.999 < after.health_factor / 10**18 < 3.01


def test_without_a_terminal_both_the_flag_and_the_hash_are_needed(
    real: Cli, owner: tuple[Address, tuple[str, ...]], tmp_path: Path
) -> None:
    """Nobody to ask: refused (7) with the line to add, unless `--yes` and the hash of this very plan are given."""
    who, signs = owner
    plan = str(real.plan(tmp_path / "plan.json", who, *TO_THREE)["hash"])
    asked = "there is no terminal to ask"
    with untouched(real.world):
        refused = [_rebalance(real, who, "--broadcast", *signs, *more, "--json")
                   for more in ((), ("--yes",), ("--confirm-plan", plan), ("--no-input",))]  # fmt: skip
        wrong = _rebalance(real, who, "--broadcast", *signs, "--yes", "--confirm-plan", "0" * 64)
    with _mining(real.world.rpc_url):
        sent = _rebalance(real, who, "--broadcast", *signs, "--yes", "--confirm-plan", plan, "--json")

    for printed in refused:
        assert_refused(printed, code=7, said=asked, is_json=True)
        assert f"--yes --confirm-plan {plan}" in printed.fixes[0]
    assert_refused(wrong, code=7, said="--confirm-plan is not the hash of this plan")
    assert 0 == sent.code, sent.err
    assert "execution" in sent.document


def test_no_input_never_asks_even_on_a_terminal(real: Cli, owner: tuple[Address, tuple[str, ...]]) -> None:
    """With `--no-input` a terminal is not asked either: refused (7)."""
    who, signs = owner
    with untouched(real.world), terminal(_words(real, who, "--broadcast", *signs, "--no-input")) as shown:
        code = shown.ended()

    assert 7 == code
    assert QUESTION not in shown.text


def test_the_keystore_is_looked_at_before_the_question(
    real: Cli, owner: tuple[Address, tuple[str, ...]], tmp_path: Path
) -> None:
    """A key that is not there is told at once, not after somebody has agreed: exit 8."""
    with untouched(real.world), terminal(_words(real, owner[0], "--broadcast")) as shown:
        code = shown.ended()

    assert 8 == code
    assert QUESTION not in shown.text
    assert "no keystore in" in shown.text


def test_a_swallowed_transaction_is_told_as_sent_and_not_confirmed(
    real: Cli, owner: tuple[Address, tuple[str, ...]], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """When the node is gone right after taking a transaction, it says that it may be on its way: exit 9."""
    who, signs = owner
    plan = str(real.plan(tmp_path / "plan.json", who, *TO_THREE)["hash"])
    taken: list[Any] = []

    def swallow(params: list[Any]) -> bytes:
        taken.append(params)
        raise ConnectionError

    faults = {"web3_clientVersion": lambda _: GETH, "eth_sendRawTransaction": swallow}
    with http_node(faults, forward=real.world.rpc_url) as url:
        through = Cli(real.world, capsys, ("--rpc-url", url))
        words = _words(through, who, "--broadcast", *signs, "--yes", "--confirm-plan", plan)
        with terminal(words) as shown:
            shown.until("1/5 withdraw")
            shown.type("\x03")
            code = shown.ended()

    assert (9, 1) == (code, len(taken))
    assert "error: stopped: interrupted" in shown.text
    assert "1 withdraw 0x" in shown.text
    assert "2 approve, 3 swap, 4 approve, 5 repay" in shown.text


def test_a_world_readable_keystore_is_told_before_the_password_is_asked(
    real: Cli, owner: tuple[Address, tuple[str, ...]], tmp_path: Path
) -> None:
    """Nobody types a password for a keystore that others can read: exit 8."""
    who, (_, path, *_) = owner
    loose = tmp_path / "keys" / "loose"
    shutil.copy(path, loose)
    loose.chmod(0o644)
    with untouched(real.world), terminal(_words(real, who, "--sign-only", "--keystore", str(loose))) as shown:
        code = shown.ended()

    assert 8 == code
    assert "others can read the keystore" in shown.text
    assert "password:" not in shown.text
