"""The journal on SQLite and on a PostgreSQL that the tests start: what is written, refused, and found again."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings, strategies as st
from sqlalchemy import create_engine, text

from defilev.errors import AttemptOpen, JournalDamaged, JournalUnusable, Refused, UnknownName
from defilev.journal import Journal, Place, open_for_reading, open_journal, place_of, tables
from tests.support import postgres
from tests.support.journals import ACCOUNT, CHAIN, a_receipt, a_reservation, an_attempt, an_outcome, begun, sent
from tests.support.postgres import Postgres

needs_postgres = pytest.mark.skipif(postgres.binaries() is None, reason=postgres.MISSING)
wide = st.integers(0, 2**256 - 1)


@pytest.fixture
def tamper(place: Place) -> Callable[[str], None]:
    """Return what changes a journal behind its back."""

    def change(statement: str) -> None:
        engine = create_engine(place.url or f"sqlite:///{place.file}")
        with engine.begin() as connection:
            connection.execute(text(statement))
        engine.dispose()

    return change


def told(journal: Journal) -> dict[str, Any]:
    """Return the newest run."""
    return journal.run(journal.runs()[0]["id"])


def finished(journal: Journal) -> int:
    """Write a whole run with a swap."""
    _, transaction = sent(journal)
    journal.included(transaction, a_receipt())
    run: int = journal.runs()[0]["id"]
    journal.finish(run, an_outcome())
    return run


def test_what_is_written_is_there_for_the_next_process(place: Place) -> None:
    """Runs, nonces, attempts, receipts and outcomes survive the one who wrote them."""
    with open_journal(place) as writing:
        run = finished(writing)

    reading = open_for_reading(place)
    assert reading is not None
    found = reading.run(run)
    assert "DONE" == found["run"]["stage"]
    assert ["MINED"] == [intent["state"] for intent in found["intent"]]
    assert [(1, "OK", "included")] == [
        (attempt["sent_count"], attempt["last_result"], attempt["settled"]) for attempt in found["attempt"]
    ]
    assert [101] == [receipt["block_number"] for receipt in found["receipt"]]
    assert [6 * 10**8] == [outcome["cost_got"] for outcome in found["outcome"]]
    assert () == reading.verify()
    reading.close()


def test_reading_makes_no_journal(place: Place) -> None:
    """Where nothing was written there is nothing to read, and nothing is made."""
    assert open_for_reading(place) is None
    assert open_for_reading(place) is None


def test_integers_of_256_bits_are_kept_to_the_last_digit(journal: Journal) -> None:
    """No amount, fee or health factor is rounded on its way through the database."""

    @settings(max_examples=20)
    @given(wide, wide, st.integers(-(2**256) + 1, 2**256 - 1))
    def keeps(cap: int, fee: int, cost: int) -> None:
        chain = uuid.uuid4().hex
        run = begun(journal)
        intent = journal.reserve(a_reservation(run, chain=chain, cap_wei=cap, position=chain))
        attempt = an_attempt(int(chain, 16), max_fee_per_gas=fee, max_priority_fee_per_gas=fee)
        journal.sign(intent, attempt)
        journal.finish(run, an_outcome(cost_got=cost, got_debt=cap))
        (open_one,) = journal.open_attempts(chain=chain)
        (outcome,) = journal.run(run)["outcome"]

        assert (cap, fee, fee) == (open_one.cap_wei, open_one.max_fee_per_gas, open_one.max_priority_fee_per_gas)
        assert (cost, cap) == (outcome["cost_got"], outcome["got_debt"])

    keeps()
    assert () == journal.verify()


@pytest.mark.parametrize("wrong", [-1, 2**256])
def test_what_is_no_such_integer_is_refused(journal: Journal, wrong: int) -> None:
    """A number that the chain cannot hold is a defect, and is not written."""
    with pytest.raises(JournalUnusable):
        journal.reserve(a_reservation(begun(journal), cap_wei=wrong))

    assert () == journal.reserved()


def test_an_account_has_one_live_nonce(journal: Journal) -> None:
    """While something of an account may still land no other nonce is reserved for it; others are free."""
    sent(journal)
    run = begun(journal)

    with pytest.raises(AttemptOpen, match="journal #1"):
        journal.reserve(a_reservation(run, nonce=8, position="another"))
    with pytest.raises(AttemptOpen):
        journal.reserve(a_reservation(run, nonce=8, account="0xother"))  # the same position
    journal.reserve(a_reservation(run, account="0xother", position="another"))
    journal.reserve(a_reservation(run, chain="another chain"))


def test_a_nonce_is_used_once(journal: Journal) -> None:
    """A nonce whose transaction was included is never reserved again; the next one is free."""
    _, transaction = sent(journal)
    journal.included(transaction, a_receipt())
    run = begun(journal)

    with pytest.raises(AttemptOpen, match="used this nonce"):
        journal.reserve(a_reservation(run))
    assert journal.reserve(a_reservation(run, nonce=8))


def test_one_of_many_gets_the_nonce(place: Place) -> None:
    """Of several that reserve one nonce at the same moment, each with its own connection, exactly one may sign."""
    journals = [open_journal(place) for _ in range(6)]
    runs = [begun(journal) for journal in journals]

    def reserve(journal: Journal, run: int) -> bool:
        try:
            journal.reserve(a_reservation(run))
        except AttemptOpen:
            return False
        return True

    with ThreadPoolExecutor(len(journals)) as pool:
        won = list(pool.map(reserve, journals, runs))

    assert 1 == sum(won)
    assert () == journals[0].verify()
    for journal in journals:
        journal.close()


def test_a_signed_transaction_is_open_until_the_chain_says(journal: Journal) -> None:
    """From its signature to the final block it is listed, with its bytes, so that it can be sent again."""
    reservation = a_reservation(begun(journal))
    intent = journal.reserve(reservation)
    (reserved,) = journal.reserved(chain=CHAIN, account=ACCOUNT)
    attempt = an_attempt()

    assert (intent, {"nonce": "7"}) == (reserved.intent, reserved.fields)
    journal.sign(intent, attempt)
    (open_one,) = journal.open_attempts(chain=CHAIN, account=ACCOUNT)
    assert ("SIGNED", attempt.raw, 0, 7) == (open_one.state, open_one.raw, open_one.sent_count, open_one.nonce)
    journal.handed_over(attempt.hash, "UNKNOWN")
    assert "UNKNOWN" == journal.open_attempts()[0].state
    journal.included(attempt.hash, a_receipt())
    assert (101, "0xb101") == journal.open_attempts()[0].included_in
    journal.move(intent, "VERIFIED", why="2 blocks")
    journal.settle(attempt.hash, "final", why="64 blocks")
    assert () == journal.open_attempts()


def test_the_included_attempt_settles_the_others(journal: Journal) -> None:
    """A replacement shares the nonce: when one is included the others can no longer land."""
    intent, first = sent(journal)
    bump = an_attempt(99)
    journal.sign(intent, bump)

    assert [1, 2] == [attempt.number for attempt in journal.open_attempts()]
    journal.included(first, a_receipt())
    assert [first] == [attempt.hash for attempt in journal.open_attempts()]
    assert {first: "included", bump.hash: "replaced"} == {
        attempt["hash"]: attempt["settled"] for attempt in told(journal)["attempt"]
    }


def test_a_self_cancel_cancels(journal: Journal) -> None:
    """When the transaction that was signed to burn the nonce is included, the intent is cancelled, not mined."""
    intent, _ = sent(journal)
    cancel = an_attempt(5, purpose="cancel")
    journal.sign(intent, cancel)
    journal.included(cancel.hash, a_receipt())

    assert "CANCELLED" == told(journal)["intent"][0]["state"]


def test_the_same_receipt_twice_is_written_once(journal: Journal) -> None:
    """Whoever looks again may say so again; a receipt of another block is one more, and is what counts."""
    _, transaction = sent(journal)
    for block in (101, 101, 103):
        journal.included(transaction, a_receipt(block))

    assert [101, 103] == sorted(receipt["block_number"] for receipt in told(journal)["receipt"])
    assert (103, "0xb103") == journal.open_attempts()[0].included_in
    assert "MINED" == journal.open_attempts()[0].state


def test_a_reorganised_intent_comes_back_beside_a_live_one(journal: Journal) -> None:
    """What a reorganisation takes back may land again, even while the next step is in flight."""
    intent, transaction = sent(journal)
    journal.included(transaction, a_receipt())
    journal.reserve(a_reservation(begun(journal), nonce=8))
    journal.reorged(intent, why="gone")

    assert ["REORGED"] == [attempt.state for attempt in journal.open_attempts()]
    journal.included(transaction, a_receipt(104))
    assert "MINED" == journal.open_attempts()[0].state


def test_a_nonce_is_given_back_only_while_nothing_was_sent(journal: Journal) -> None:
    """A released nonce is free; one that a transaction was handed over for stays taken."""
    intent = journal.reserve(a_reservation(begun(journal)))
    journal.release(intent, why="the key did not open")

    again, _ = sent(journal)
    with pytest.raises(Refused, match="not given back"):
        journal.release(again, why="impatience")


def test_bytes_that_were_handed_to_the_user_stay_open(journal: Journal) -> None:
    """After its nonce was given back a signature may still be sent by whoever has it, and it can become another's."""
    intent = journal.reserve(a_reservation(begun(journal, mode="sign-only")))
    journal.sign(intent, an_attempt())
    journal.release(intent, why="signed only")

    assert [(7, "ABORTED")] == [(attempt.nonce, attempt.state) for attempt in journal.open_attempts()]
    second = journal.reserve(a_reservation(begun(journal)))
    journal.sign(second, an_attempt())
    assert [(second, "SIGNED")] == [(attempt.intent, attempt.state) for attempt in journal.open_attempts()]


def test_signing_twice_is_signing_once(journal: Journal) -> None:
    """The same bytes are the same attempt; those of a live intent are not another's."""
    intent, transaction = sent(journal)
    journal.sign(intent, an_attempt(7))
    other = journal.reserve(a_reservation(begun(journal), account="0xother", position="other"))

    assert [transaction] == [attempt.hash for attempt in journal.open_attempts()]
    with pytest.raises(Refused, match="another intent"):
        journal.sign(other, an_attempt(7))


def test_a_foreign_transaction_ends_it(journal: Journal) -> None:
    """A nonce that somebody else used halts its intent in one write, from wherever it stood, and frees the account."""
    intent, transaction = sent(journal)
    journal.included(transaction, a_receipt())
    journal.reorged(intent, why="its block is gone")
    journal.foreign(intent, by="0xf", why="receipt of another")
    journal.foreign(intent, by="0xf", why="said by two")

    assert ("HALTED", ()) == (journal.run(1)["intent"][0]["state"], journal.open_attempts())
    assert journal.reserve(a_reservation(begun(journal), nonce=8))


def test_only_known_changes_of_state_are_written(journal: Journal) -> None:
    """An intent that nothing was signed for is not verified."""
    intent = journal.reserve(a_reservation(begun(journal)))

    with pytest.raises(Refused, match="NONCE_RESERVED does not become VERIFIED"):
        journal.move(intent, "VERIFIED", why="wishful")


def test_a_run_that_is_not_there_is_named(journal: Journal) -> None:
    """Asking for run 9 of an empty journal is the caller's mistake."""
    with pytest.raises(UnknownName, match="no run 9"):
        journal.run(9)


def test_a_write_that_fails_leaves_nothing(journal: Journal) -> None:
    """A refused reservation changes neither rows nor the chain of events."""
    sent(journal)
    run, before = begun(journal), journal.head()
    with pytest.raises(AttemptOpen):
        journal.reserve(a_reservation(run, nonce=8))

    assert before == (journal.head()[0], journal.head()[1])
    assert () == journal.verify()


_SECOND_RUN = (
    "INSERT INTO run SELECT 2, kind, mode, stage, chain, chain_id, account, protocol, market, config_hash, version, "
    "plan_hash, started_at, ended_at, stopped_by FROM run"
)
EDITS = [
    ("UPDATE run SET account = '0xother'", "run 1: the row was changed"),
    ("UPDATE intent SET state = 'VERIFIED'", "the row was changed"),
    ("UPDATE intent SET nonce = 8", "the row was changed"),
    ("UPDATE intent SET cap_wei = '10000000000000001'", "the row was changed"),
    ("UPDATE attempt SET raw = '0x02'", "the row was changed"),
    ("UPDATE receipt SET fee_paid = '0'", "the row was changed"),
    ("UPDATE outcome SET got_health_factor = '2000000000000000000'", "the row was changed"),
    ("UPDATE fill SET got = '1000'", "the row was changed"),
    ("DELETE FROM fill", "the row is missing"),
    ("DELETE FROM outcome", "the row is missing"),
    (_SECOND_RUN, "run 2: no event wrote this row"),
    ("UPDATE event SET at = '2020-01-01' WHERE seq = 3", "event 3: it was changed"),
    ("UPDATE event SET detail = '[]' WHERE seq = 2", "event 2: it was changed"),
    ("DELETE FROM event WHERE seq = 4", "event 4: the event is missing"),
    ("DELETE FROM event WHERE seq = (SELECT max(seq) FROM event)", "head: it is not the last event"),
    ("UPDATE head SET seq = seq + 1", "head: it is not the last event"),
    ("DELETE FROM head", "head: it is not the last event"),
    ("UPDATE intent SET cap_wei = 'much'", "a value is not what its column holds"),
]  # fmt: skip


@pytest.mark.parametrize(("statement", "expected"), EDITS)
def test_edits_behind_its_back_are_found(
    place: Place, tamper: Callable[[str], None], statement: str, expected: str
) -> None:
    """Whatever is changed, added or removed by hand is found by verify, and nothing is signed on its word."""
    with open_journal(place) as journal:
        finished(journal)
    tamper(statement)

    reading = open_for_reading(place)
    assert reading is not None
    findings = [f"{finding.where}: {finding.what}" for finding in reading.verify()]
    reading.close()
    assert any(expected in finding for finding in findings), findings
    with pytest.raises(JournalDamaged):
        open_journal(place)


def test_a_rewritten_journal_lacks_the_head_that_was_kept(journal: Journal) -> None:
    """A head kept elsewhere proves that the journal still contains everything up to it."""
    sent(journal)
    kept = journal.head()[1]
    sent(journal, nonce=8, account="0xother", position="another")

    assert () == journal.verify(head=kept)
    assert ["head"] == [finding.where for finding in journal.verify(head="00" * 32)]


def test_a_missing_index_is_damage(place: Place, tamper: Callable[[str], None]) -> None:
    """Without the index that keeps an account to one live nonce the journal is not used."""
    open_journal(place).close()
    tamper("DROP INDEX one_live_per_account")

    with pytest.raises(JournalDamaged, match="one_live_per_account"):
        open_journal(place)


def test_a_newer_schema_is_refused(place: Place, tamper: Callable[[str], None]) -> None:
    """A journal that a newer version wrote is neither read nor written."""
    open_journal(place).close()
    tamper("UPDATE alembic_version SET version_num = '9999'")

    for opening in (open_journal, open_for_reading):
        with pytest.raises(JournalUnusable, match="a newer defilev"):
            opening(place)


def test_the_migrations_make_the_tables(place: Place) -> None:
    """What the migrations create is what the code believes to be there."""
    open_journal(place).close()
    engine = create_engine(place.url or f"sqlite:///{place.file}")
    with engine.connect() as connection:
        assert [] == compare_metadata(MigrationContext.configure(connection), tables.METADATA)
    engine.dispose()


def test_the_export_is_everything(journal: Journal) -> None:
    """Every table is in the export, with every row, and the head that vouches for them."""
    finished(journal)
    exported = journal.export()

    assert {table.name for table in tables.SEALED} | {"event"} == set(exported["tables"])
    assert journal.head() == (exported["head"]["seq"], exported["head"]["hash"])
    assert exported["head"]["seq"] == len(exported["tables"]["event"])


def test_runs_are_listed_from_the_newest(journal: Journal) -> None:
    """Each with its promise, how many transactions it has, and how many of them may still land."""
    first = finished(journal)
    sent(journal, nonce=8)

    newest, oldest = journal.runs()
    assert (first, "DONE", 1, 0) == tuple(oldest[name] for name in ("id", "stage", "transactions", "open"))
    assert ("ACTING", 1, 1) == tuple(newest[name] for name in ("stage", "transactions", "open"))
    assert [newest["id"]] == [run["id"] for run in journal.runs(last=1)]


@needs_postgres
def test_a_postgres_that_forgets_is_refused() -> None:
    """A server that acknowledges what a power cut would lose is no place for a journal."""
    with postgres.started("fsync=off") as forgetful, pytest.raises(JournalUnusable, match="fsync off"):
        open_journal(place_of(forgetful.database("journal")))


@needs_postgres
def test_commits_wait_for_the_disk(server: Postgres) -> None:
    """A server that is set to acknowledge early is told, for our connections, not to."""
    url = server.database("early")
    engine = create_engine(place_of(url).url or "", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("ALTER DATABASE early SET synchronous_commit = off"))
    engine.dispose()

    with open_journal(place_of(url)) as journal, journal.reading() as connection:
        assert "on" == connection.execute(text("SHOW synchronous_commit")).scalar()


@needs_postgres
def test_a_failure_names_no_password(tmp_path: Path) -> None:
    """Where a server does not answer the error says which, without its secrets."""
    place = place_of(f"postgresql://defilev:hunter2@/journal?host={tmp_path}")

    with pytest.raises(JournalUnusable) as failed:
        open_journal(place)
    assert "hunter2" not in f"{failed.value.fact} {failed.value.facts} {place.shown}"
    assert "defilev" in place.shown
