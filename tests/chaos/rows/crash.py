"""Rows F1 to F3 and F8 to F10: processes that are killed, stopped, or not alone; and the naive loop beside them."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.faultproxy import KINDS, SEND, Kind, Rule
from tests.chaos.poolproxy import Held
from tests.chaos.rows.judging import attempts_of, held_against
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check
from tests.chaos.trial import Result, Spec, run_trial, supervise

__all__ = ["BOUNDARIES", "FAULTS", "READS", "ROWS", "fault", "seen_of"]

BOUNDARIES = (
    "observed", "planned", "simulated", "nonce_reserved", "signed", "durable", "handing_over", "sent", "recorded_send",
    "mined_seen", "mined_recorded", "verified", "finished",
)  # fmt: skip
"""Where a process may end, in the order in which it passes them; those from the nonce on once for each transaction."""

OF_A_BUMP = ("bump_signed", "bump_durable", "bump_sent")
ONCE = frozenset({"observed", "planned", "simulated", "verified", "finished"})
FAULTS: tuple[Kind, ...] = tuple(kind for kind in KINDS if kind != "set")
OF_SENDING: frozenset[Kind] = frozenset({"drop_after", "blackhole", "dup"})
READS = (
    "eth_chainId", "eth_getBlockByNumber", "eth_blockNumber", "eth_call", "eth_getTransactionCount", "eth_feeHistory",
    "eth_estimateGas", "eth_getBalance", "eth_getTransactionReceipt", "eth_simulateV1",
)  # fmt: skip
STATUSES = (429, 500, 502, 503)
STEPS = {False: 2, True: 5}
CYCLE = 1.2
"""Seconds that an undisturbed process takes, about."""

SPIKE = 500

FORGOTTEN = Mutant("defilev/pipeline/journalled.py", "    if still_open:\n", "    if False:\n")
"""What an earlier process signed is not brought to its end."""

UNWRITTEN_BUMP = Mutant(
    "defilev/execute/attempting.py",
    "    desk.ledger.signed(signed, purpose=purpose)\n",
    "    if is_first:\n        desk.ledger.signed(signed, purpose=purpose)\n",
)
OTHER_NONCE = Mutant(
    "defilev/execute/preparing.py",
    "    included = node.nonce(plan.actor, block=at)\n",
    "    included = node.nonce(plan.actor, block=node.block())\n",
    (Mutant("defilev/execute/preparing.py", "    if included != plan.nonce:\n", "    if False:\n"),),
)
"""The nonce is that of the moment of sending, not of the block at which the account was in need."""

NOT_SHARED = Mutant(
    "defilev/pipeline/journalled.py",
    "open_journal(place_of(session.settings.journal))",
    "open_journal(place_of(f'{session.settings.journal}-{__import__(\"os\").getpid()}'))",
)
"""Each process has a journal of its own."""


def fault(kind: Kind, random: Random, *, steps: int = 2) -> Rule:
    """Return a failure of this kind, of some call of sending or, where that makes sense, of reading."""
    of_sending = kind in OF_SENDING or random.random() < 0.5
    method = SEND if of_sending else random.choice(READS)
    skip = random.randrange(steps) if of_sending else random.randrange(4)
    match kind:
        case "http":
            return Rule(kind, method, skip=skip, count=random.randrange(1, 4), value=random.choice(STATUSES))
        case "lag":
            return Rule(
                kind, "reads", skip=random.randrange(40), count=random.randrange(1, 12), value=random.randrange(1, 4)
            )
        case "delay":
            return Rule(kind, method, skip=skip, value=random.choice([0.3, 1.5]))
        case "error":
            return Rule(kind, method, skip=skip, value=random.choice([(-32000, "internal"), (-32603, "try again")]))
        case _:
            return Rule(kind, method, skip=skip)


def seen_of(result: Result) -> Seen:
    """Return what a trial of a kill came to."""
    wrong = held_against(result, every_process_ends_well_or_by_name=not result.is_unexplained)
    return Seen(
        wrong,
        {
            "killed": float(result.was_killed),
            "duplicates": float(result.is_duplicate),
            "misses": float(result.is_missed),
            "failed calls": float(result.hits),
            "processes": float(len(result.codes)),
        },
    )


def killed_at_boundary(stage: Stage, random: Random) -> Seen:
    """F1: every boundary with every failure; the restarted process finishes the same thing, once."""
    boundary = BOUNDARIES[stage.number % len(BOUNDARIES)]
    kind = FAULTS[stage.number // len(BOUNDARIES) % len(FAULTS)]
    in_steps = random.random() < 0.25
    steps = STEPS[in_steps]
    spec = Spec(
        first={"kill_at": boundary, "kill_pass": 1 if boundary in ONCE else random.randrange(1, steps + 1)},
        rules=(fault(kind, random, steps=steps),),
        in_steps=in_steps,
        job=nodes(stage.arena, random),
    )
    return seen_of(run_trial(stage.arena, spec))


def nodes(arena: Arena, random: Random) -> dict[str, Any]:
    """Return what a process is told of nodes: mostly one, sometimes three, of which the first fails."""
    return {"rpc_urls": arena.nodes(3)} if random.random() < 0.25 else {}


def killed_at_any_instant(stage: Stage, random: Random) -> Seen:
    """F2: a kill from outside, at any instant."""
    in_steps = random.random() < 0.25
    cycle = CYCLE * STEPS[in_steps] / 2
    rules = (fault(random.choice(FAULTS), random),) if random.random() < 0.5 else ()
    job = nodes(stage.arena, random)
    spec = Spec(kill_after=random.uniform(0, 1.5 * cycle), rules=rules, in_steps=in_steps, job=job)
    return seen_of(run_trial(stage.arena, spec))


def killed_in_bump(stage: Stage, random: Random) -> Seen:
    """F3: the base fee jumps after the send, and the process ends in the midst of offering more."""
    spec = Spec(
        first={"kill_at": OF_A_BUMP[stage.number % len(OF_A_BUMP)], "kill_pass": random.randrange(1, 3)},
        prepare=lambda arena: spike_at_send(
            arena, number=random.randrange(1, 3), factor=random.choice([10, 100, SPIKE])
        ),
    )
    seen = seen_of(run_trial(stage.arena, spec))
    written = {attempt["hash"] for attempt in attempts_of(stage.arena)}
    return replace(seen, wrong=(*seen.wrong, *check(what_is_sent_is_written=set(stage.arena.pool.sent) <= written)))


def spike_at_send(arena: Arena, *, number: int, factor: int) -> None:
    """Multiply the base fee after the `number`-th transaction was taken and before a block could include it."""
    taken = 0

    def on_taken(_: Held) -> None:
        nonlocal taken
        taken += 1
        if taken == number:
            arena.spike(factor)

    arena.pool.on_taken = on_taken


def naive(stage: Stage, random: Random) -> Seen:
    """Run the control: the naive loop under the same kills and failures."""
    kind = FAULTS[stage.number % len(FAULTS)]
    spec = Spec(
        role="naive",
        first={
            "kill_at": random.choice(["signed", "sent"]),
            "kill_pass": random.randrange(1, 3),
        },
        rules=(fault(kind, random),),
        deadline=10,
    )
    seen = seen_of(run_trial(stage.arena, spec))
    return replace(seen, wrong=())


def stopped(stage: Stage, random: Random) -> Seen:
    """F8: a process is stopped in mid-flight, another does its work, and the first one wakes up."""
    arena = stage.arena
    arena.begin()
    with arena.mining():
        sleeper = arena.zygote.start(arena.job())
        if stage.number % 2:
            sleeper.wait(random.uniform(0.05, CYCLE))
        else:
            _until(arena, "simulated")
        sleeper.signal(signal.SIGSTOP)
        codes = supervise(arena, Spec(deadline=10))
        sleeper.signal(signal.SIGCONT)
        sleeper.wait(20)
        codes += supervise(arena, Spec())
    return _once(arena, codes)


def _until(arena: Arena, boundary: str) -> None:
    """Wait until a process of the trial has passed a boundary, three cycles at most."""
    ends = time.monotonic() + 3 * CYCLE
    while f" at {boundary}\n" not in arena.log() and time.monotonic() < ends:
        time.sleep(0.001)


def together(stage: Stage, random: Random) -> Seen:
    """F9: two processes with one journal begin together; one acts."""
    arena = stage.arena
    arena.begin()
    denied = arena.denials()
    with arena.mining():
        codes = _pair(arena, [arena.job(), arena.job()], random)
        codes += supervise(arena, Spec())
    seen = _once(arena, codes)
    return replace(seen, wrong=(*seen.wrong, *check(one_alone_asks_for_signatures=arena.denials() == denied)))


def apart(stage: Stage, random: Random) -> Seen:
    """F10: two processes with one key, but two journals and two signers, begin together; one acts, the other halts."""
    arena = stage.arena
    arena.begin()
    other = arena.other_signer
    with arena.mining():
        elsewhere = {"journal": str(stage.folder / "journal.db"), "signer": str(other.socket)}
        logs = [stage.folder / "first.log", stage.folder / "second.log"]
        jobs = [arena.job(log=str(logs[0])), arena.job(log=str(logs[1]), **elsewhere)]
        codes = _pair(arena, jobs, random)
    truth = arena.truth()
    halted = [_named(log) for log, code in zip(logs, codes, strict=True) if code != 0]
    wrong = check(
        **{f"done twice: {truth}": not truth.is_duplicate},
        **{f"missed: {truth}, {codes}": not truth.is_missed},
        **{f"the other halts by name: {halted}": all(halted)},
    )
    return Seen(wrong, {"duplicates": float(truth.is_duplicate), "halted": float(len(halted))})


def _pair(arena: Arena, jobs: Sequence[Any], random: Random) -> list[int | None]:
    processes = []
    for job in jobs:
        processes.append(arena.zygote.start(job))
        time.sleep(random.choice([0, 0, random.uniform(0, CYCLE)]))
    return [process.wait(30) for process in processes]


def _named(log: Path) -> str:
    """Return the name of the error that a process ended with."""
    said = [line.split(":")[0] for line in log.read_text().splitlines() if ": " in line and " at " not in line[:20]]
    return next((name for name in said if name.isidentifier() and name[0].isupper()), "")


def _once(arena: Arena, codes: list[int | None]) -> Seen:
    truth = arena.truth()
    wrong = check(
        **{f"done twice: {truth}": not truth.is_duplicate},
        **{f"missed: {truth}, {codes}": not truth.is_missed and codes[-1] == 0},
    )
    return Seen(wrong, {"duplicates": float(truth.is_duplicate), "misses": float(truth.is_missed)})


ROWS = (
    Row(
        "F1",
        "kill −9 at every named boundary, with every kind of failure of the node",
        f"the process ends itself at one of {len(BOUNDARIES)} boundaries; one of {len(FAULTS)} kinds of failure meets "
        "a call of sending or reading; a quarter of the trials sells collateral in five transactions",
        "the next process finishes what the first one began, once",
        killed_at_boundary,
        (FORGOTTEN,),
        trials=1360,
        quick=48,
    ),
    Row(
        "F2",
        "kill −9 at a random instant",
        f"SIGKILL after 0 to 1.5 times the usual {CYCLE} s; half of the trials with a failure of the node",
        "the same",
        killed_at_any_instant,
        (FORGOTTEN,),
        trials=1000,
        quick=6,
    ),
    Row(
        "F3",
        "kill −9 while the fee is raised",
        f"the base fee is multiplied by 10 to {SPIKE} between send and block; the process ends itself before the "
        "dearer transaction is durable, after that, or after it was sent",
        "every attempt of the nonce is in the journal, and one of them is included",
        killed_in_bump,
        (UNWRITTEN_BUMP,),
        trials=300,
        quick=6,
    ),
    Row(
        "naive",
        "the control",
        "the naive loop, with the failures of F1 and kills around its sends",
        "duplicates: else the harness is blind",
        naive,
    ),
    Row(
        "F8",
        "a process that hangs and wakes up",
        "SIGSTOP at a random instant, or after the last look and before a nonce is reserved; another process does the "
        "work, SIGCONT",
        "the one that woke does nothing again",
        stopped,
        (OTHER_NONCE,),
    ),
    Row(
        "F9",
        "two processes, one journal",
        "started together, or up to a cycle apart",
        "one acts, the other does not even ask for a signature; done once",
        together,
        (NOT_SHARED,),
    ),
    Row(
        "F10",
        "two processes, two journals, one key",
        "as before, each with its own journal and its own signer",
        "done at most once; whoever does not act ends by name",
        apart,
        (OTHER_NONCE,),
    ),
)
