"""The journal of real runs on the local chain: what is in it, before what, and what the next run makes of it."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from defilev.config.loading import load_settings
from defilev.execute.password import read_password_file
from defilev.execute.signer import KeystoreSigner
from defilev.execute.transaction import TransactionFields
from defilev.journal import JournalReader, open_for_reading, place_of
from defilev.model.request import Address, Call
from defilev.pipeline.acting import try_again
from defilev.pipeline.journalled import ready_to_act
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.pipeline.trying import TOLERANCE
from defilev.report.accuracy import KEPT_WITHIN
from tests.support.cli import Cli, assert_refused, credentials, untouched
from tests.support.killed import GOAL, WHO, acting, killed_in_flight, wait_until
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Return `defilev` on the local chain, 140 columns wide."""
    monkeypatch.setenv("COLUMNS", "140")
    return Cli.on(world, capsys)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where the journal will be."""
    place = tmp_path / "journal.db"
    monkeypatch.setenv("DEFILEV_JOURNAL", str(place))
    return place


@contextmanager
def opened(path: Path) -> Iterator[JournalReader]:
    """Read the journal as it is now."""
    found = open_for_reading(place_of(path))
    assert found is not None
    with found:
        yield found


def states(path: Path) -> list[str]:
    """Return the state of every intent, in the order of steps."""
    with opened(path) as journal:
        return [intent["state"] for run in journal.runs() for intent in journal.run(run["id"])["intent"]]


def test_a_broadcast_leaves_its_whole_story(cli: Cli, path: Path) -> None:
    """Account, plan, simulation, every nonce, signature and receipt, and promised against got are in the journal."""
    printed = cli.rebalance(*GOAL, "--broadcast", *credentials(cli.world, WHO))

    assert "journal #1" == printed.out.splitlines()[-1], printed.err
    with opened(path) as journal:
        told, whole = journal.run(1), journal.verify()
    assert () == whole
    assert "DONE" == told["run"]["stage"]
    assert ["before", "after"] == [seen["role"] for seen in told["observation"]]
    assert [1] == [simulation["succeeded"] for simulation in told["simulation"]]
    assert {"MINED"} == {intent["state"] for intent in told["intent"]}
    assert [1, 2, 3, 4, 5] == sorted(intent["step"] for intent in told["intent"])
    receipts = {receipt["hash"]: receipt["block_hash"] for receipt in told["receipt"]}
    assert {attempt["hash"] for attempt in told["attempt"]} == set(receipts)
    for transaction, block in receipts.items():
        assert block == cli.world.rpc("eth_getTransactionReceipt", transaction)["blockHash"]
    (outcome,), (fill,) = told["outcome"], told["fill"]
    assert cli.world.read("main", [cli.world.account(WHO)])[0].health_factor == outcome["got_health_factor"]
    assert fill["minimum"] <= fill["got"]
    assert outcome["cost_got"] <= outcome["cost_worst"]


def test_a_dry_run_writes_nothing(cli: Cli, path: Path) -> None:
    """What signs nothing reserves nothing and leaves no journal; reading makes none either."""
    printed = cli.rebalance(*GOAL)
    listed = cli("journal", "ls")

    assert (0, 0) == (printed.code, listed.code)
    assert "there is no journal at " in listed.out
    assert_refused(cli("journal", "show", "1"), code=2, said="no journal yet")
    assert not path.exists()


def test_the_documents_satisfy_their_schemas(cli: Cli, path: Path) -> None:
    """What journal and accuracy print with --json is what the published schemas describe."""
    cli.rebalance(*GOAL, "--broadcast", *credentials(cli.world, WHO))
    commands = (("ls",), ("show", "1"), ("verify",), ("export",))
    documents = [cli("journal", *words, "--json").document for words in commands]
    documents.append(cli("accuracy", "--json").document)

    assert [[]] * 5 == [schema_problems(document) for document in documents]
    assert documents[2]["whole"]
    assert (1, 1) == (documents[4]["runs"], documents[4]["kept"])
    assert documents[3]["head"]["hash"] in cli("journal", "verify", "--head", documents[3]["head"]["hash"]).out
    assert_refused(cli("journal", "show", "9"), code=2, said="no run 9")
    assert TOLERANCE == KEPT_WITHIN


def test_the_texts_say_what_happened(cli: Cli, path: Path) -> None:
    """`ls` has one line for a run, `show` one for each transaction, and an edit makes `verify` exit with 4."""
    cli.rebalance(*GOAL, "--broadcast", *credentials(cli.world, WHO))
    with opened(path) as journal:
        hashes = [attempt["hash"] for attempt in journal.run(1)["attempt"]]
    shown = cli("journal", "show", "1").out

    assert "DONE" in next(line for line in cli("journal", "ls").out.splitlines() if "#1" in line)
    assert [] == [each for each in hashes if each not in shown]
    assert "1 of 1 promises kept" in cli("accuracy").out
    edited = sqlite3.connect(path)
    edited.execute("UPDATE outcome SET cost_got = '0'")
    edited.commit()
    edited.close()
    verified = cli("journal", "verify")
    assert 4 == verified.code
    assert "outcome 1: the row was changed" in verified.out


def test_the_limits_of_a_day_count_what_earlier_runs_moved(
    cli: Cli, path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What the journal saw within 24 hours counts: the second run of the day is refused by the limit, exit 7."""
    config = tmp_path / "limits.toml"
    config.write_text("[limits]\nvalue_per_day = 2000\n")
    config.chmod(0o600)
    limited = ("--config", str(config), *credentials(cli.world, WHO), "--broadcast")
    first = cli.rebalance(WHO, "--to-health-factor", "2.1", *limited)
    with untouched(cli.world):
        second = cli.rebalance(WHO, "--to-health-factor", "2.2", *limited)

    assert 0 == first.code, first.err
    assert_refused(second, code=7, said="value within 24 hours")


@pytest.mark.parametrize("mode", ["--broadcast", "--sign-only"])
def test_without_a_journal_nothing_is_signed(cli: Cli, path: Path, mode: str, tmp_path: Path) -> None:
    """A journal that cannot be written refuses the run before the key is opened: exit 4."""
    path.touch(mode=0o400)
    keystore, _ = cli.world.credentials(WHO)
    words = (*GOAL, mode, "--keystore", keystore, "--password-file", tmp_path / "absent")
    with untouched(cli.world):
        printed = cli.rebalance(*words, "--json")

    assert_refused(printed, code=4, said="read-only", is_json=True)


class WatchedSigner:
    """A signer that looks into the journal at the moment when it is asked to sign."""

    def __init__(self, inner: KeystoreSigner, path: Path) -> None:
        self.inner = inner
        self.path = path
        self.seen: list[list[int]] = []

    @property
    def address(self) -> Address:
        return self.inner.address

    def announce(self, calls: Sequence[Call]) -> None:
        self.inner.announce(calls)

    def sign(self, fields: TransactionFields) -> bytes:
        with opened(self.path) as journal:
            self.seen.append([reserved.nonce for reserved in journal.reserved()])
        assert json.loads(json.dumps(fields.nonce)) == self.seen[-1][0]
        return self.inner.sign(fields)


def session_on(world: World) -> Session:
    """Connect as the command does."""
    flags = {"rpc_url": world.rpc_url, "address_book": [str(world.address_book)]}
    return connect(load_settings(flags, config=None, profile=None).values)


def test_every_nonce_is_written_before_it_is_signed(world: World, path: Path) -> None:
    """While the signer works, the journal on the disk has the reserved nonce, and the bytes before they are sent."""
    keystore, password_file = world.credentials(WHO)
    owner = world.account(WHO)
    session = session_on(world)
    key = KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=owner)
    signer = WatchedSigner(key, path)
    account = read_account(session, owner, protocol="aave-v3", market="main")
    plan = make_plan(session, account, question(session))
    with ready_to_act(session, account=owner) as ready:
        outcome, run = ready.send(try_again(session, plan), plan, signer, tell=lambda step, event: None)
    session.close()

    assert [[plan.nonce + place] for place in range(len(plan.steps))] == signer.seen
    with opened(path) as journal:
        told = journal.run(run)
    assert [sent.hash for sent in outcome.execution.steps] == [
        attempt["hash"] for attempt in sorted(told["attempt"], key=lambda attempt: attempt["nonce"])
    ]


def question(session: Session) -> PlanQuestion:
    """Ask for a health factor of 2.2 with the settings' limits."""
    from defilev.cli.plan_question import plan_question

    nothing: dict[str, Any] = dict.fromkeys(("max_slippage", "floor", "expires", "to_leverage"))
    return plan_question(session.settings, to_health_factor="2.2", close=False, **nothing)


def test_a_run_that_was_killed_is_not_begun_again_beside_itself(cli: Cli, path: Path) -> None:
    """While its transaction may land the next run is refused by name; once it is included the next run goes on."""
    with killed_in_flight(cli, path) as transaction:
        with untouched(cli.world):
            refused = cli(*acting(cli), node=())
        assert "BROADCAST" == states(path)[0]
    wait_until(lambda: cli.world.rpc("eth_getTransactionReceipt", transaction) is not None)
    after = cli(*acting(cli), node=())

    assert_refused(refused, code=7, said="a transaction of journal #1 may still land")
    assert (0, "journal #2") == (after.code, after.out.splitlines()[-1]), after.err
    with opened(path) as journal:
        assert {"MINED"} == {intent["state"] for run in (1, 2) for intent in journal.run(run)["intent"]}
        assert () == journal.verify()


def test_a_nonce_that_somebody_else_used_is_said_once(cli: Cli, path: Path) -> None:
    """A transaction of another sender on our nonce stops the next run by name, and the one after it goes on."""
    world = cli.world
    with killed_in_flight(cli, path) as transaction:
        world.rpc("anvil_dropTransaction", transaction)
    world.send(world.account(WHO), world.account(WHO), b"")
    first, second = cli(*acting(cli), node=()), cli(*acting(cli), node=())

    assert_refused(first, code=7, said="used by a transaction that the journal does not know")
    assert 0 == second.code, second.err
    assert "HALTED" in states(path)


def test_what_was_only_signed_holds_nobody_up(cli: Cli, path: Path) -> None:
    """A signature that the user keeps does not block; when it is sent after all, the journal learns of it."""
    signed = json.loads(cli(*acting(cli, "--sign-only", "--json"), node=()).out)
    again = cli(*acting(cli, "--sign-only"), node=())
    assert (1, 0) == (signed["journal"], again.code), again.err
    cli.world.rpc("eth_sendRawTransaction", signed["signed"]["raw"])
    wait_until(lambda: cli.world.rpc("eth_getTransactionReceipt", signed["signed"]["hash"]) is not None)
    after = cli(*acting(cli), node=())

    assert 0 == after.code, after.err
    with opened(path) as journal:
        known = {attempt.hash: attempt.included_in for attempt in journal.open_attempts()}
    assert known[signed["signed"]["hash"]] is not None


def test_a_journal_in_postgres_takes_its_place(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run with DEFILEV_JOURNAL naming a database."""
    from tests.support import postgres

    if postgres.binaries() is None:
        pytest.skip(postgres.MISSING)
    with postgres.started() as server:
        monkeypatch.setenv("DEFILEV_JOURNAL", server.database("journal"))
        printed = cli.rebalance(*GOAL, "--broadcast", *credentials(cli.world, WHO))
        verified = cli("journal", "verify")

    assert (0, 0) == (printed.code, verified.code), printed.err + verified.err
    assert "journal #1" == printed.out.splitlines()[-1]
    assert os.environ["DEFILEV_JOURNAL"].startswith("postgresql://")
