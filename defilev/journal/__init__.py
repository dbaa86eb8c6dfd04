"""What was done and what may still happen: one SQL store of runs, plans, reserved nonces, attempts and outcomes.

SQLite on one host, PostgreSQL for several (`open_journal`). Every write is one transaction that is durable when the
method returns, so a caller writes first and acts after. Nothing here talks to a chain.

Writing, in the order of a run. The two that carry weight: `reserve` before signing, `sign` before sending.

    journal = open_journal(place)                     raises JournalUnusable, JournalDamaged, ExtraMissing
    run = journal.begin(RunStart(…))                  -> int, the number after "journal #"
    journal.observe(run, account, role="before")
    journal.plan(run, plan)
    journal.simulated(run, report)
    intent = journal.reserve(Reservation(…))          -> str; raises AttemptOpen: the account has a live intent
    journal.sign(intent, SignedAttempt(…))            once per attempt of the nonce, replacement and self-cancel too
    journal.handed_over(hash, result, endpoint=…)     after each send call, whether it returned or raised
    journal.included(hash, ReceiptFacts(…))           MINED, or REVERTED when its status says so
    journal.move(intent, "VERIFIED", why=…)           any other change of state; only those of `TRANSITIONS`
    journal.reorged(intent, why=…)                    its attempts may land again
    journal.foreign(intent, by=hash, why=…)           somebody else used its nonce
    journal.settle(hash, "final", why=…)              an attempt that needs no more watching
    journal.release(intent, why=…)                    a nonce that nothing of ours was sent for is free again
    journal.finish(run, Outcome(…)) / journal.stop(run, why)

    alerted(journal, Alerted(…))                      an alert of a guard, after it was handed to its sinks

Recovery, on every start and every tick:

    journal.open_attempts(chain=…, account=…)         -> tuple[OpenAttempt, …]: may still land, or still watched
    journal.reserved(chain=…, account=…)              -> tuple[Reserved, …]: a nonce without a signature
    classify(attempts, truth)                         -> {hash: Verdict}: OK, KNOWN, UNKNOWN, REPLACED. Pure

The guard: `GuardJournal(journal)` holds leases, keeps decisions and what is remembered of each account, and switches.

Reading: `journal.runs()`, `journal.run(number)`, `journal.outcomes()`, `journal.verify()`, `journal.export()`,
`alerts_of(journal)`. `open_for_reading(place)` gives these alone, and `None` when there is no journal yet.
"""

from defilev.journal.alerting import Alerted, alerted, alerts_of
from defilev.journal.guarding import (
    GuardJournal,
    GuardSpending,
    decisions_of,
    guard_reverts,
    guard_spending,
    leases_of,
    memories_of,
    memory_of,
    switches_of,
)
from defilev.journal.opening import Place, open_for_reading, open_journal, place_of
from defilev.journal.reading import JournalReader
from defilev.journal.recovery import ChainTruth, Verdict, classify
from defilev.journal.values import (
    EVERYTHING,
    LIVE,
    TRANSITIONS,
    Finding,
    Held,
    OpenAttempt,
    Outcome,
    ReceiptFacts,
    Reservation,
    Reserved,
    RunStart,
    SignedAttempt,
    Switch,
)
from defilev.journal.writing import Journal

__all__ = [
    "EVERYTHING",
    "LIVE",
    "TRANSITIONS",
    "Alerted",
    "ChainTruth",
    "Finding",
    "GuardJournal",
    "GuardSpending",
    "Held",
    "Journal",
    "JournalReader",
    "OpenAttempt",
    "Outcome",
    "Place",
    "ReceiptFacts",
    "Reservation",
    "Reserved",
    "RunStart",
    "SignedAttempt",
    "Switch",
    "Verdict",
    "alerted",
    "alerts_of",
    "classify",
    "decisions_of",
    "guard_reverts",
    "guard_spending",
    "leases_of",
    "memories_of",
    "memory_of",
    "open_for_reading",
    "open_journal",
    "place_of",
    "switches_of",
]
