"""Rows F43, F44, F46 and F47: blocks that are taken back or do not come, and clocks that jump."""

from __future__ import annotations

import json
import threading
from random import Random
from typing import Any

from tests.chaos.arena import Arena
from tests.chaos.chain import BLOCK_SECONDS
from tests.chaos.faultproxy import Rule
from tests.chaos.foreign import transfer
from tests.chaos.poolproxy import Held
from tests.chaos.rows.judging import attempts_of, held_against
from tests.chaos.rows.registry import Mutant, Seen, Stage, check, row_of
from tests.chaos.trial import Codes, Spec, run_trial, supervise

__all__ = ["ROWS"]

SENDER, FLIGHT, RECONCILING = (
    "defilev/execute/sender.py",
    "defilev/execute/flight.py",
    "defilev/pipeline/reconciling.py",
)
HISTORY = 40
"""Blocks without anything in them, so that a reorganisation stays within the trial."""

HOUR = 3600
MOST_BACK = 120
"""Seconds; while time is behind its last update Aave itself does not answer, so that it must have caught up."""


def reorganised(stage: Stage, random: Random) -> Seen:
    """F43: a reorganisation 1 to 32 blocks deep takes our transactions out, during the run or after it."""
    arena, depth = stage.arena, random.choice([1, 2, 3, 4, random.randrange(5, 33)])
    arena.begin()
    arena.pool.keeps_reorged = returns = random.random() < 0.5
    arena.mine(HISTORY)
    arena.started_at = arena.head()
    after_the_end = random.random() < 0.5
    done: list[int] = []

    def meanwhile(_: Arena, codes: Codes) -> None:
        if not done and arena.nonce() - arena.first_nonce >= wanted:
            done.append(arena.head())
            arena.reorganise(depth)

    wanted = random.randrange(1, 3)
    with arena.mining():
        if after_the_end:
            codes = supervise(arena, Spec())
            arena.reorganise(depth)
            done.append(depth)
            codes += supervise(arena, Spec())
        else:
            codes = supervise(arena, Spec(meanwhile=meanwhile))
        codes += supervise(arena, Spec())
    truth = arena.truth()
    raws = {attempt["nonce"]: attempt["raw"] for attempt in attempts_of(arena)}
    wrong = check(
        **{f"done twice: {truth}": not truth.is_duplicate},
        **{f"lost: {truth}, {codes}": not truth.is_missed and codes[-1] == 0},
        it_was_reorganised=bool(done),
        **{f"one run brings it in again: {codes}": codes[0] == 0},
        the_same_bytes_are_sent_again=len(raws) == 2 and truth.nonces_used == 2,
    )
    return Seen(wrong, {"depth": depth, "returned by the pool": float(returns), "after the end": float(after_the_end)})


def competitor(stage: Stage, random: Random) -> Seen:
    """F44: a reorganisation puts another transaction on our nonce, or ours into a later block."""
    arena, ours_moves = stage.arena, random.random() < 0.5
    arena.begin()
    arena.mine(HISTORY)
    arena.started_at = arena.head()
    number = random.randrange(1, 3)
    taken: list[Held] = []
    arena.pool.on_taken = taken.append
    done: list[str] = []

    def meanwhile(_: Arena, codes: Codes) -> None:
        nonce = arena.first_nonce + number - 1
        if done or arena.nonce() <= nonce:
            return
        ours = next(held for held in taken if held.nonce == nonce)
        raw = ours.raw if ours_moves else transfer(arena, nonce=nonce)[0]
        with arena.pool.still():
            depth = arena.head() - arena.included_at(nonce) + 1
            arena.pool.keeps_reorged = False
            arena.reorganise(depth, [(raw, depth - 1)])
            arena.pool.keeps_reorged = True
        done.append(raw)

    with arena.mining():
        codes = supervise(arena, Spec(meanwhile=meanwhile))
        codes += supervise(arena, Spec())
    truth, said = arena.truth(), arena.log()
    is_named = "used by a transaction" in said or "another transaction" in said
    wrong = check(
        **{f"done twice: {truth}": not truth.is_duplicate},
        **{f"lost: {truth}, {codes}": not truth.is_missed and codes[-1] == 0},
        it_was_reorganised=bool(done),
        a_stranger_is_named=ours_moves or is_named,
        what_moved_is_no_stranger=not (ours_moves and is_named),
    )
    return Seen(wrong, {"ours moved": float(ours_moves)})


def clocks(stage: Stage, random: Random) -> Seen:
    """F46: the chain's clock jumps an hour ahead, or minutes back, after the plan or while a transaction waits."""
    arena, ahead, when = stage.arena, random.random() < 0.5, random.randrange(3)
    jumped: list[int] = []

    def jump() -> None:
        if jumped:
            return
        jumped.append(arena.timestamp("latest"))
        if ahead:
            arena.anvil.rpc("evm_setNextBlockTimestamp", hex(jumped[0] + HOUR))
        else:
            arena.anvil.rpc("evm_setTime", hex(jumped[0] - random.randrange(12, MOST_BACK)))
        arena.mine()

    def planning(_: dict[str, Any], answer: bytes) -> Any:
        jump()
        return json.loads(answer)["result"]

    def prepare(_: Arena) -> None:
        arena.pool.on_taken = lambda held: jump() if held.nonce == arena.first_nonce + when - 1 else None

    rules = (Rule("set", "eth_getBalance", value=planning),) if when == 0 else ()
    result = run_trial(arena, Spec(prepare=prepare, rules=rules))
    wrong = held_against(
        result,
        the_clock_jumped=bool(jumped),
        nothing_unexpected=70 not in result.codes,
        no_plan_is_begun_after_its_time=_are_begun_in_time(arena),
    )
    return Seen(wrong, {"ahead": float(ahead), "processes": len(result.codes)})


def _are_begun_in_time(arena: Arena) -> bool:
    """Tell whether every plan was begun on a block before it expired, by the chain's clock."""
    for run in arena.written():
        for intent in run["intent"]:
            is_first = intent["step"] == 1
            if is_first and arena.timestamp(hex(intent["observed_block"])) > _expiry(run):
                return False
    return True


def _expiry(run: dict[str, Any]) -> int:
    return int(json.loads(run["plan"][-1]["document"])["expires_at"])


def halted(stage: Stage, random: Random) -> Seen:
    """F47: no block comes for a while after a transaction was sent."""
    arena, number = stage.arena, random.randrange(1, 3)
    pause = random.uniform(2.0, 4.0)
    stopped: list[threading.Timer] = []

    def prepare(_: Arena) -> None:
        def taken(held: Held) -> None:
            if held.nonce == arena.first_nonce + number - 1 and not stopped:
                arena.halted.set()
                stopped.append(threading.Timer(pause, arena.halted.clear))
                stopped[0].start()

        arena.pool.on_taken = taken

    result = run_trial(arena, Spec(prepare=prepare))
    for timer in stopped:
        timer.join()
    attempts = attempts_of(arena)
    wrong = held_against(
        result,
        the_chain_stood_still=bool(stopped),
        signed_anew_once_at_most=len(attempts) <= 3 and result.truth.nonces_used == 2,
    )
    return Seen(wrong, {"blocks missed": round(pause / BLOCK_SECONDS), "attempts": len(attempts)})


ROWS = (
    row_of(
        "F43",
        (
            "a reorganisation takes our transactions out",
            "1 to 32 blocks deep, during the run or after it; the pool takes them back, or loses them",
            "the same bytes are sent again; done once, nothing lost",
        ),
        reorganised,
        Mutant(SENDER, "self.desk.node.block(sent.block_number).hash != sent.block_hash:", "False:"),
    ),
    row_of(
        "F44",
        (
            "a reorganisation gives our nonce away, or moves our transaction",
            "another transaction of the owner in its place, or ours in a later block",
            "the stranger is named, ours is found again; done once in the end",
        ),
        competitor,
        Mutant(
            FLIGHT,
            'return "foreign" if since is not None and now - since >= sending.foreign_after else "wait"',
            'return "wait"',
        ),
    ),
    row_of(
        "F46",
        (
            "the chain's clock jumps",
            "an hour ahead, or up to two minutes back, before the first, second or last transaction",
            "every process ends well or by name; done once",
        ),
        clocks,
        Mutant(
            "defilev/pipeline/trying.py",
            "    if session.block.number > plan.expires_at_block or session.block.timestamp > plan.expires_at:\n",
            "    if False:\n",
            (
                Mutant(
                    "defilev/execute/preparing.py",
                    "    if at.number > plan.expires_at_block or at.timestamp > plan.expires_at:\n",
                    "    if False:\n",
                ),
            ),
        ),
    ),
    row_of(
        "F47",
        (
            "no block comes",
            "the chain stands still for 2 to 4 s, which are 8 to 16 blocks",
            "signed anew once at most, for the block before; done once when it goes on",
        ),
        halted,
        Mutant(FLIGHT, "return seen.head > newest.head and now", "return now"),
    ),
)
