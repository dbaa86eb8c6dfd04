"""`defilev watch` as it is run: lines, JSON Lines, a live table, metrics over HTTP, and how it ends."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from defilev.report.figures import NARROW_SPACE
from tests.support.cli import Cli, assert_refused, terminal
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world

ACCOUNTS = ("comfortable", "loop", "empty")


@contextmanager
def running(words: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """Run `defilev` with its output in a pipe, and end it afterwards."""
    process = subprocess.Popen(
        [sys.executable, "-m", "defilev", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def lines_of(process: subprocess.Popen[str], count: int) -> list[str]:
    """Wait for so many lines."""
    assert process.stdout is not None
    return [process.stdout.readline().replace(NARROW_SPACE, " ").rstrip("\n") for _ in range(count)]


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def test_without_a_terminal_there_is_a_line_for_each_account(cli: Cli) -> None:
    """Block, account, market, health with its word, leverage and equity; an owner without a position says so."""
    printed = cli("watch", *ACCOUNTS, "-p", "aave-v3", "--market", "main", "--count", "1")
    lines = printed.out.splitlines()

    assert (0, 3) == (printed.code, len(lines))
    assert "aave-v3 main  health 2.075 OK  leverage 1.67×  equity $89 999.9" in lines[0]
    assert "aave-v3 main  health 1.050 DANGER" in lines[1]
    assert lines[2].endswith("no position")


def test_each_new_block_is_a_line_of_json(cli: Cli, world: World) -> None:
    """One document on a line as soon as the block is there, with the accounts that `health --json` shows at it."""
    with running(cli.words("watch", *ACCOUNTS, "--every", "1s", "--json")) as process:
        first = json.loads(lines_of(process, 1)[0])
        world.rpc("evm_mine")
        second = json.loads(lines_of(process, 1)[0])

    health = cli("health", *ACCOUNTS, "--block", str(second["block"]["number"]), "--json").document
    assert first["block"]["number"] + 1 == second["block"]["number"]
    assert health["accounts"] == second["accounts"]
    assert health["without_position"] == second["without_position"]
    assert [] == schema_problems(first) + schema_problems(second)


def test_ctrl_c_ends_a_live_table(cli: Cli, world: World) -> None:
    """The table is on the terminal and follows the chain; Ctrl-C leaves it there and ends with 130."""
    words = cli.words("watch", "comfortable", "--market", "main", "--every", "1s")
    with terminal(words, environment={"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"}) as shown:
        shown.until("2.075")
        world.set_price("WETH", 2_000 * 10**8)
        block = world.head().number
        shown.until(f"block {block}")
        shown.type("\x03")

        assert 130 == shown.ended()
        assert "interrupted" in shown.text
        assert shown.text.count("\x1b[?25l") == shown.text.count("\x1b[?25h")


def test_the_last_reading_decides_the_exit_code(cli: Cli) -> None:
    """With --count, a node that cannot be read at the end is exit code 4."""
    printed = cli("watch", "comfortable", "--count", "1", node=("--rpc-url", "http://127.0.0.1:9"))

    assert_refused(printed, code=4, said="")


def test_metrics_are_what_was_read(cli: Cli) -> None:
    """Prometheus finds the figures of every account at /metrics while the watch runs, and at no other address."""
    port = free_port()
    words = cli.words(
        "watch", *ACCOUNTS, "-p", "aave-v3", "--market", "main", "--every", "1s", "--metrics", f"127.0.0.1:{port}"
    )
    health = cli("health", *ACCOUNTS, "-p", "aave-v3", "--market", "main", "--json").document["accounts"]
    with running(words) as process:
        lines_of(process, 2)
        text = httpx.get(f"http://127.0.0.1:{port}/metrics").text
    found = {
        (sample.name, sample.labels.get("address")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }

    for account in health:
        if account["health_factor"] is not None:
            told = found["defilev_health_factor", account["address"]]
            assert float(account["health_factor"]["decimal"]) == pytest.approx(told, rel=1e-15)
        assert float(account["debt_value"]) == pytest.approx(found["defilev_debt_value", account["address"]])
    assert 1.0 == found["defilev_fresh", None]
    assert ("defilev_readings_total", None) in found


def test_a_port_that_is_taken_is_refused(cli: Cli) -> None:
    """The watch does not run without the metrics that were asked for."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        printed = cli("watch", "comfortable", "--count", "1", "--metrics", address)

    assert_refused(printed, code=2, said=f"metrics cannot be served at {address}")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--every", "soon"), "is not a duration"),
        (("--every", "0"), "is not a duration"),
        (("--metrics", "here"), "is not an address and a port"),
        (("--metrics", "127.0.0.1:99999"), "is not an address and a port"),
        (("--block", "7"), "follows the newest block"),
        (("--count", "0"), "--count"),
        (("--market", "nowhere"), "nowhere"),
    ],
)
def test_nonsense_is_refused(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    """What cannot be watched, served or counted is exit code 2, before anything is shown."""
    printed = cli("watch", "comfortable", *arguments)

    assert_refused(printed, code=2, said=said)
    assert "" == printed.out
