"""What is seen of `defilev guard` from outside: alerts at a real web server, metrics, the report."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from defilev.report.figures import NARROW_SPACE
from tests.support.cli import Cli, assert_refused
from tests.support.hooks import Hook, hook
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world

RULES = """
[[alerts.sink]]
name = "ops"
kind = "webhook"
url_file = "{ops}"

[alerts.heartbeat]
url_file = "{beat}"

[[account]]
name = "main"
owner = "{owner}"
protocol = "aave-v3"
chain = "local"

[[account.trigger]]
kind = "health"
below = "1.8"
then = "alert"
"""


@pytest.fixture
def server() -> Iterator[Hook]:
    """Serve what the webhook and the heartbeat lead to."""
    with hook() as running:
        yield running


@pytest.fixture
def rules(world: World, server: Hook, tmp_path: Path) -> Path:
    """Write rules that tell of an account which is near to liquidation."""
    for name in ("ops", "beat"):
        path = tmp_path / name
        path.write_text(f"{server.url}/{name}")
        path.chmod(0o600)
    file = tmp_path / "guard.toml"
    file.write_text(RULES.format(ops=tmp_path / "ops", beat=tmp_path / "beat", owner=world.account("mixed")))
    return file


def test_a_trigger_that_fires_is_told(cli: Cli, rules: Path, server: Hook) -> None:
    """One look sends the alert and the heartbeat; the next look, as from cron, repeats nothing."""
    first, second = (cli("guard", "run", "--once", "--rules", rules) for _ in range(2))

    assert (5, 5) == (first.code, second.code), first.err
    assert ["trigger-fired"] == [document["kind"] for document in server.documents]
    assert [] == schema_problems(server.documents[0])
    assert "main" == server.documents[0]["account"]
    assert 2 == server.pings


def test_a_sink_that_is_down_stops_nothing(cli: Cli, rules: Path, server: Hook) -> None:
    """The look ends as it would have, and the journal says that nobody was reached."""
    server.status = 503
    looked = cli("guard", "run", "--once", "--rules", rules)
    alerts = cli("journal", "export").document["tables"]["guard_alert"]

    assert 5 == looked.code
    assert '{"ops":"failed: HTTP 503"}' in [alert["deliveries"] for alert in alerts]
    assert {"trigger-fired", "sink-failed", "heartbeat-failed"} == {alert["kind"] for alert in alerts}


def test_a_look_that_cannot_read_the_chain_is_told(cli: Cli, rules: Path, server: Hook) -> None:
    """From a timer nobody reads the terminal: the sinks hear of it, once within their cool-down."""
    first, second = (cli.through("http://127.0.0.1:9")("guard", "run", "--once", "--rules", rules) for _ in range(2))

    assert (4, 4) == (first.code, second.code), first.err
    assert [("guard-ended", "critical")] == [(told["kind"], told["severity"]) for told in server.documents]
    assert [] == schema_problems(server.documents[0])


def test_a_guard_without_a_usable_journal_tells_before_it_ends(
    cli: Cli, rules: Path, server: Hook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing may be done that cannot be written down, and somebody has to know."""
    cli("guard", "run", "--once", "--rules", rules)
    told = len(server.documents)
    journal = tmp_path / "damaged.db"
    journal.write_bytes(b"no database")
    monkeypatch.setenv("DEFILEV_JOURNAL", str(journal))
    ended = cli("guard", "run", "--once", "--rules", rules)

    assert 4 == ended.code, ended.err
    assert ["guard-ended"] == [document["kind"] for document in server.documents[told:]]


def test_status_says_when_it_was_looked_and_what_is_left(cli: Cli, rules: Path) -> None:
    """The block of the last look, the next one, and that it was a dry run."""
    before = cli("guard", "status", "--rules", rules, "--json").document
    cli("guard", "run", "--once", "--rules", rules)
    after = cli("guard", "status", "--rules", rules, "--json")
    look = after.document["accounts"][0]["last_look"]

    assert [] == schema_problems(after.document)
    assert before["accounts"][0]["last_look"] is None
    assert (False, "0") == (look["is_broadcasting"], look["runs"])
    assert int(look["next_check"]) > int(look["at"])
    assert f"looked    block {look['block']} at " in cli("guard", "status", "--rules", rules).out


def test_metrics_are_written_after_a_look(cli: Cli, rules: Path, tmp_path: Path) -> None:
    """For the node exporter, when the guard runs from cron."""
    file = tmp_path / "defilev.prom"
    cli("guard", "run", "--once", "--rules", rules, "--metrics-file", file)
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(file.read_text())
        for sample in family.samples
    }

    assert 1.0 == found["defilev_guard_readable"]
    assert 1.663 == pytest.approx(found["defilev_guard_health_factor"], abs=0.001)


def test_metrics_that_cannot_be_written_stop_nothing(cli: Cli, rules: Path, tmp_path: Path, server: Hook) -> None:
    """The guard warns, and goes on."""
    looked = cli("guard", "run", "--once", "--rules", rules, "--metrics-file", tmp_path / "nowhere" / "file")

    assert 5 == looked.code
    assert "warning: metrics cannot be written" in looked.err
    assert 1 == len(server.documents)


def test_a_test_reaches_every_sink(cli: Cli, rules: Path, server: Hook) -> None:
    """With what came of each; one that does not take it is exit code 4."""
    sent = cli("guard", "test-alert", "--rules", rules)
    assert (0, "ops        sent\nheartbeat  sent\n") == (sent.code, sent.out)
    assert ["test"] == [document["kind"] for document in server.documents]

    server.status = 500
    failed = cli("guard", "test-alert", "--rules", rules, "--json")
    assert 4 == failed.code
    assert [] == schema_problems(failed.document)
    assert {"failed: HTTP 500"} == {sink["said"] for sink in failed.document["sinks"]}


def test_without_sinks_there_is_nothing_to_test(cli: Cli, rules: Path) -> None:
    """The fix says where to name one."""
    rules.write_text(rules.read_text()[rules.read_text().index("[[account]]") :])

    assert_refused(cli("guard", "test-alert", "--rules", rules), code=2, said="name nobody to tell")


def test_silence_about_an_unknown_account_is_refused(cli: Cli, rules: Path) -> None:
    """A slip of the pen would keep nothing quiet, or the wrong thing."""
    rules.write_text(rules.read_text() + '\n[[alerts.quiet]]\naccounts = ["mian"]\n')

    assert_refused(cli("guard", "check", rules), code=2, said="no account is called mian")


def test_a_report_is_one_page(cli: Cli, rules: Path, world: World, tmp_path: Path) -> None:
    """What two looks saw, with the account, its health and the trigger; the same on stdout."""
    cli("guard", "run", "--once", "--rules", rules)
    world.set_price("WETH", 5_000 * 10**8)
    cli("guard", "run", "--once", "--rules", rules)
    file = tmp_path / "report.html"
    told = cli("guard", "report", "-o", file, "--json")
    page = file.read_text()

    assert 0 == told.code, told.err
    assert [] == schema_problems(told.document)
    assert (["main"], 2) == (told.document["accounts"], told.document["decisions"])
    assert page.replace(NARROW_SPACE, " ") == cli("guard", "report").out.removesuffix("\n")
    assert "trigger 1.8" in page
    assert "1.663" in re.findall(r"<td[^>]*>(.*?)</td>", page)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("--json",), "none is written"), (("--since", "soon"), "is not a duration"), ((), "there is no journal yet")],
)
def test_a_report_of_nothing_is_refused(cli: Cli, arguments: tuple[str, ...], said: str) -> None:
    """Without a journal, with a time that is none, with nowhere to write."""
    assert_refused(cli("guard", "report", *arguments), code=2, said=said)
