"""The exit codes, one by one: what a script may rely on."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from subprocess import PIPE, Popen
from time import monotonic, sleep
from typing import Any

import pytest

from defilev.abi import interface, keccak
from defilev.model.request import Address
from tests.support.cli import Cli, assert_refused, credentials, terminal, untouched
from tests.support.http_node import http_node

pytestmark = pytest.mark.world

ROUTER = Address("0x68b3465833fb72A70ecDF485E0e4C7bD8665Fc45")
TO_TWO = ("--to-health-factor", "2")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a working directory of the test's own."""
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


def test_0_is_success_with_or_without_a_position(cli: Cli) -> None:
    """An account that is well, one in danger and one without a position are all results: 0."""
    for name in ("comfortable", "loop", "empty"):
        assert 0 == cli("health", name).code


def test_1_is_a_defect_in_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """What nobody thought of ends with one line and a fix, and its traceback only with -v."""
    monkeypatch.setattr("defilev.pipeline.sequencing.drive_each", None)
    printed = cli("health", "comfortable", "--json")
    loud = cli("health", "comfortable", "-v")

    assert_refused(printed, code=1, said="unexpected TypeError", is_json=True)
    assert 1 == loud.code
    assert "Traceback" in loud.err


def test_2_is_a_command_to_change(cli: Cli) -> None:
    """An unknown option, a missing argument and a bad value are usage: 2."""
    for words in (
        ("health",),
        ("rebalance", "mixed"),
        ("health", "mixed", "--hp"),
        ("helth",),
        ("plan", "0x1", *TO_TWO),
    ):
        assert_refused(cli(*words, "--json"), code=2, said="", is_json=True)


def test_4_is_data_that_cannot_be_had(cli: Cli) -> None:
    """A node that is not there is a matter of data: 4."""
    assert_refused(cli("health", "mixed", node=("--rpc-url", "http://127.0.0.1:9")), code=4, said="no connection")


def test_5_is_a_condition_breached(cli: Cli) -> None:
    """A health factor below --fail-below: the result first, then 5."""
    printed = cli("health", "loop", "--market", "main", "--fail-below", "1.4")

    assert_refused(printed, code=5, said="condition breached: health factor 1.050")
    assert "DANGER" in printed.out


def test_6_is_a_plan_that_no_longer_does_what_it_promised(cli: Cli, folder: Path) -> None:
    """When the pool has moved away since the plan was made, the swap reverts in the trial and nothing is signed: 6."""
    path = folder / "plan.json"
    _push(cli, cli.plan(path, "comfortable", "--to-health-factor", "3"))
    with untouched(cli.world, folder):
        dry = cli.rebalance("comfortable", "--plan", path)
        sent = cli.rebalance(
            "comfortable", "--plan", path, "--broadcast", *credentials(cli.world, "comfortable"), "--json"
        )

    assert_refused(dry, code=6, said="step 3 reverts on a fork of block")
    assert_refused(sent, code=6, said="Too little received", is_json=True)
    assert "DRY RUN" not in dry.out


def _push(cli: Cli, plan: dict[str, Any]) -> None:
    """Sell so much into the pools of the plan's route that no price it allows is left."""
    world, owner = cli.world, Address(cli.world.description["operators"][0]["address"])
    function = interface("uniswap_v3_swap_router_02")["exactInputSingle"]
    for hop in next(step["action"]["route"] for step in plan["steps"] if step["action"]["kind"] == "swap"):
        sold, bought, fee = hop["token_in"], hop["token_out"], int(hop["fee"])
        amount = 10_000 * 10 ** int(sold["decimals"])
        call = function.call(ROUTER, (sold["address"], bought["address"], fee, owner, amount, 0, 0))
        assert "0x1" == world.send(owner, ROUTER, call.data)["status"]


def test_7_is_a_refusal(cli: Cli, folder: Path) -> None:
    """A goal that is reached already is infeasible: 7."""
    with untouched(cli.world, folder):
        assert_refused(
            cli.rebalance("mixed", "--to-health-factor", "1.66"), code=7, said="already, not below the target"
        )


def test_8_is_a_key_that_cannot_be_used(cli: Cli, folder: Path) -> None:
    """Another account's keystore opens nothing here: 8."""
    with untouched(cli.world, folder):
        printed = cli.rebalance("mixed", *TO_TWO, "--broadcast", *credentials(cli.world, "short"))

    assert_refused(printed, code=8, said="")


def test_9_is_sent_and_not_known_to_be_included(cli: Cli, folder: Path) -> None:
    """When the node is lost after the first transaction, it says what was done, what is open and what was not begun."""
    seen: list[Any] = []

    def lost(params: list[Any]) -> Any:
        seen.append(params)
        if len(seen) == 1:
            return cli.world.rpc("eth_sendRawTransaction", *params)
        os.kill(os.getpid(), signal.SIGINT)
        return "0x" + keccak(bytes.fromhex(params[0][2:])).hex()

    with http_node({"eth_sendRawTransaction": lost}, forward=cli.world.rpc_url) as url:
        words = ("comfortable", "--to-health-factor", "2.2", "--broadcast", *credentials(cli.world, "comfortable"))
        printed = cli.through(url).rebalance(*words, "--json")
    facts = printed.document["facts"]

    assert_refused(printed, code=9, said="stopped: interrupted", is_json=True)
    assert facts["done"].startswith("1 withdraw 0x")
    assert facts["unknown"].startswith("2 approve 0x")
    assert "3 swap, 4 approve, 5 repay" == facts["not_done"]
    assert 2 == len(seen)


def test_9_when_the_market_moves_between_two_transactions(cli: Cli, folder: Path) -> None:
    """When the pool moves between two transactions, it stops before signing the next and says what was done: 9."""
    sent: list[str] = []
    plan = cli.plan(folder / "plan.json", "comfortable", "--to-health-factor", "3")

    def pushing(params: list[Any]) -> Any:
        answer = cli.world.rpc("eth_sendRawTransaction", *params)
        sent.append(answer)
        if len(sent) == 2:
            while cli.world.rpc("eth_getTransactionReceipt", answer) is None:
                sleep(0.01)
            _push(cli, plan)
        return answer

    with http_node({"eth_sendRawTransaction": pushing}, forward=cli.world.rpc_url) as url:
        words = ("comfortable", "--to-health-factor", "3", "--broadcast", *credentials(cli.world, "comfortable"))
        printed = cli.through(url).rebalance(*words, "--json")

    assert_refused(printed, code=9, said="stopped: step 3 (swap) would revert now", is_json=True)
    assert 2 == printed.document["facts"]["done"].count("included in block")
    assert "3 swap, 4 approve, 5 repay" == printed.document["facts"]["not_done"]
    assert 2 == len(sent)


def test_130_is_interrupted(cli: Cli, folder: Path) -> None:
    """Ctrl-C while nothing is in flight ends with 130 and one word, and leaves nothing behind."""

    def answer(_: list[Any]) -> Any:
        asked.append(1)
        sleep(1)
        return "0x7a69"

    asked: list[int] = []
    with untouched(cli.world, folder), http_node({"eth_chainId": answer}, forward=cli.world.rpc_url) as url:
        words = cli.through(url).words("rebalance", "mixed", "-p", "aave-v3", *TO_TWO)
        process = Popen([sys.executable, "-m", "defilev", *words], stdout=PIPE, stderr=PIPE, text=True)
        deadline = monotonic() + 60
        while not asked:
            assert monotonic() < deadline
            sleep(0.02)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)

    assert 130 == process.returncode
    assert ("", "interrupted") == (out, err.strip().splitlines()[-1])
    assert "Traceback" not in err


def test_130_at_the_password_prompt(cli: Cli, folder: Path) -> None:
    """Ctrl-C at the hidden prompt ends with 130, and nothing was signed."""
    keystore = cli.world.credentials("mixed")[0]
    words = cli.words("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, "--broadcast", "--keystore", keystore)
    with untouched(cli.world, folder), terminal(words) as shown:
        shown.until("keystore password: ")
        shown.type("\x03")
        code = shown.ended()

    assert 130 == code
    assert "interrupted" in shown.text


def test_3_is_a_question_left_unanswered(cli: Cli, folder: Path) -> None:
    """Ctrl-D at the hidden prompt is a no: 3, and nothing was signed."""
    keystore = cli.world.credentials("mixed")[0]
    words = cli.words("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, "--broadcast", "--keystore", keystore)
    with untouched(cli.world, folder), terminal(words) as shown:
        shown.until("keystore password: ")
        shown.type("\x04")
        code = shown.ended()

    assert 3 == code
    assert "declined: no password was typed" in shown.text
