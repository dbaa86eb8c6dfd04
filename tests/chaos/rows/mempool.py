"""Rows F11 to F18: fees that jump, transactions that get lost, refused or known already, and gas that is missing."""

from __future__ import annotations

from random import Random

from tests.chaos.arena import GWEI, Arena
from tests.chaos.faultproxy import SEND, Rule
from tests.chaos.foreign import transfer
from tests.chaos.poolproxy import Held
from tests.chaos.rows.crash import BOUNDARIES, SPIKE
from tests.chaos.rows.judging import attempts_of, held_against
from tests.chaos.rows.registry import Mutant, Seen, Stage, row_of
from tests.chaos.trial import Codes, Spec, run_trial

__all__ = ["ROWS"]

FEES, FLIGHT, SENDER, PREPARING = (f"defilev/execute/{name}.py" for name in ("fees", "flight", "sender", "preparing"))
FEE_CAP = 1000 * GWEI
SLOWEST = 12
"""Blocks from a spike to the inclusion at most; by itself the base fee takes 30 to fall from 500 times back."""

STIPEND = 10**18


def spike(stage: Stage, random: Random) -> Seen:
    """F11: the base fee jumps between the send and the block."""
    arena, number, factor = stage.arena, random.randrange(1, 3), random.choice([10, 100, SPIKE])
    spiked: list[int] = []

    def prepare(_: Arena) -> None:
        def taken(held: Held) -> None:
            if held.nonce == arena.first_nonce + number - 1 and not spiked:
                spiked.append(arena.head())
                arena.spike(factor)

        arena.pool.on_taken = taken

    result = run_trial(arena, Spec(prepare=prepare))
    fees = [int(attempt["max_fee"]) for attempt in attempts_of(arena)]
    took = arena.included_at(arena.first_nonce + number - 1) - spiked[0] if spiked else 0
    wrong = held_against(
        result,
        the_fee_jumped=bool(spiked),
        no_offer_is_above_the_cap=max(fees, default=0) <= FEE_CAP,
        **{f"included {took} blocks after the jump": took <= SLOWEST},
        nothing_is_signed_for_other_nonces=result.truth.nonces_used == 2,
    )
    return Seen(wrong, {"blocks to inclusion": took, "attempts": len(fees)})


def evicted(stage: Stage, random: Random) -> Seen:
    """F12: a pool loses the transaction, once or several times."""
    arena, number, times = stage.arena, random.randrange(1, 3), random.randrange(1, 4)
    left = [times]

    def prepare(_: Arena) -> None:
        def taken(held: Held) -> None:
            if held.nonce == arena.first_nonce + number - 1 and left[0]:
                left[0] -= 1
                arena.pool.evict(held.hash)

        arena.pool.on_taken = taken

    # Fees are left alone here, so that only the same bytes can bring it in.
    result = run_trial(arena, Spec(prepare=prepare, job={"sending": {"first_raise": 60.0}}))
    wrong = held_against(
        result,
        it_was_lost=left[0] == 0,
        the_same_bytes_are_sent_again=len(arena.pool.sent) == 2 + times and len(set(arena.pool.sent)) == 2,
        no_other_nonce_is_used=result.truth.nonces_used == 2,
    )
    return Seen(wrong, {"times sent": len(arena.pool.sent)})


def underpriced(stage: Stage, random: Random) -> Seen:
    """F13: nobody includes it, and a pool takes no replacement for less than ten per cent more."""
    arena, number, passed_over = stage.arena, random.randrange(1, 3), random.randrange(1, 4)
    ignored: list[str] = []

    def prepare(_: Arena) -> None:
        def taken(held: Held) -> None:
            if held.nonce == arena.first_nonce + number - 1 and len(ignored) < passed_over and held.hash not in ignored:
                ignored.append(held.hash)
                arena.pool.pass_over(held.hash)

        arena.pool.on_taken = taken

    result = run_trial(arena, Spec(prepare=prepare))
    wrong = held_against(
        result,
        it_was_passed_over=len(ignored) == passed_over,
        no_replacement_is_refused=not arena.pool.refused,
        one_nonce_each=result.truth.nonces_used == 2,
    )
    return Seen(wrong, {"attempts": len(attempts_of(arena)), "refused": len(arena.pool.refused)})


def known_already(stage: Stage, random: Random) -> Seen:
    """F14: the node says that it knows the transaction, or that its nonce is spent, of our own."""
    arena, count = stage.arena, random.randrange(1, 3)
    mined_between = random.random() < 0.5
    rule = Rule("dup", SEND, count=count, skip=random.randrange(2), value=arena.mine if mined_between else None)
    result = run_trial(arena, Spec(rules=(rule,)))
    wrong = held_against(
        result,
        it_is_no_failure=result.codes == [0],
        nothing_else_is_signed=len(attempts_of(arena)) == 2 and result.truth.nonces_used == 2,
    )
    return Seen(wrong, {"nonce too low": float(mined_between)})


def gap(stage: Stage, random: Random) -> Seen:
    """F15: a transaction of the owner waits for a nonce that is further on; we make no gaps of our own."""
    arena = stage.arena
    ahead = random.randrange(1, 4)
    ours_ahead: list[int] = []
    strangers: list[str] = []

    def prepare(_: Arena) -> None:
        raw, stranger = transfer(arena, nonce=arena.first_nonce + ahead)
        strangers.append(stranger)
        arena.anvil.rpc(SEND, raw)

        def taken(held: Held) -> None:
            if held.hash not in strangers and held.nonce != arena.nonce():
                ours_ahead.append(held.nonce)

        arena.pool.on_taken = taken

    first = {"kill_at": random.choice(BOUNDARIES)} if random.random() < 0.5 else {}
    result = run_trial(arena, Spec(prepare=prepare, first=first))
    return Seen(held_against(result, no_gap_is_made=not ours_ahead), {"ahead": ahead})


def black_hole(stage: Stage, random: Random) -> Seen:
    """F16: the node says that it took the transaction and tells nobody."""
    arena, number = stage.arena, random.randrange(1, 3)
    forever = random.random() < 0.5
    rule = Rule("blackhole", SEND, skip=number - 1, count=None if forever else 1)
    job = {"rpc_urls": arena.nodes(2), "sending": {"first_raise": 60.0}}
    result = run_trial(arena, Spec(rules=(rule,), job=job))
    wrong = held_against(
        result,
        the_same_bytes_land=len(set(arena.pool.sent)) == 2 and result.truth.nonces_used == 2,
        nothing_else_is_signed=len(attempts_of(arena)) == 2,
    )
    return Seen(wrong, {"through the second node": float(forever), "seconds": result.seconds})


def no_gas_money(stage: Stage, random: Random) -> Seen:
    """F17: the owner's gas money is gone, at once or after the first transaction; later it is back."""
    arena, after = stage.arena, random.randrange(2)
    state = {"gone": False, "back": False}

    def meanwhile(_: Arena, codes: Codes) -> None:
        if not state["gone"] and arena.nonce() >= arena.first_nonce + after:
            arena.anvil.rpc("anvil_setBalance", arena.owner, "0x1")
            state["gone"] = True
        if len([code for code in codes if code not in (0, None)]) >= 2 and not state["back"]:
            arena.anvil.rpc("anvil_setBalance", arena.owner, hex(STIPEND))
            state["back"] = True

    def prepare(_: Arena) -> None:
        if after == 0:
            arena.anvil.rpc("anvil_setBalance", arena.owner, "0x1")
            state["gone"] = True

    result = run_trial(arena, Spec(prepare=prepare, meanwhile=meanwhile))
    said = arena.log()
    wrong = held_against(
        result,
        it_is_refused_by_name=not state["back"] or "cannot pay for the gas" in said or "Insufficient funds" in said,
        it_does_not_wait_in_silence=state["back"] or result.codes == [0],
    )
    return Seen(wrong, {"refused": float(state["back"])})


def low_estimate(stage: Stage, random: Random) -> Seen:
    """F18: the node's estimate of gas is too low, or fails."""
    arena = stage.arena
    low = random.randrange(21_000, 60_000)
    rule: Rule = Rule("set", "eth_estimateGas", count=None, value=hex(low))
    result = run_trial(arena, Spec(rules=(rule,), in_steps=random.random() < 0.5))
    return Seen(held_against(result, nothing_runs_out_of_gas=not arena.reverted()), {"estimate": low})


ROWS = (
    row_of(
        "F11",
        (
            "the base fee jumps between send and block",
            f"times 10, 100 or {SPIKE} while the transaction waits in a pool as geth's",
            f"included within {SLOWEST} blocks, no offer above the cap, no other nonce",
        ),
        spike,
        Mutant(FEES, "min(max(least, 2 * base_fee + tip), cap)", "min(least, cap)"),
        Mutant(FLIGHT, "    if _may_rise(flight, sending) and _is_due(", "    if False and _is_due("),
    ),
    row_of(
        "F12",
        (
            "a pool loses the transaction",
            "evicted as soon as it was taken, up to three times; fees are not raised",
            "the same bytes are sent again, no other nonce",
        ),
        evicted,
        Mutant(FLIGHT, 'return "resend" if is_lost and', 'return "resend" if False and'),
    ),
    row_of(
        "F13",
        (
            "a replacement must offer ten per cent more on both fees",
            "one to three offers are passed over by every block; the pool has geth's rule",
            "no replacement is refused",
        ),
        underpriced,
        Mutant(FEES, "return mul_div_up(fee, 9, 8)", "return mul_div_up(fee, 21, 20)"),
    ),
    row_of(
        "F14",
        (
            "already known, or nonce too low, of our own transaction",
            "the node has it twice, before or after a block",
            "it is looked for and found: one process, nothing else signed",
        ),
        known_already,
        Mutant(
            "defilev/execute/handing_over.py",
            "    except RpcRejected as rejected:\n",
            "    except RpcRejected as rejected:\n        raise\n",
        ),
    ),
    row_of(
        "F15",
        (
            "a gap of nonces",
            "a transaction of the owner waits one to three nonces further on; half of the trials with a kill",
            "none of ours is sent ahead of the account's nonce; done once",
        ),
        gap,
        Mutant(
            "defilev/execute/broadcast.py",
            "run.perform(step, nonce + position,",
            "run.perform(step, nonce + 2 * position,",
        ),
    ),
    row_of(
        "F16",
        (
            "a node that swallows what it takes",
            "the first node answers with the hash and tells nobody, once or for good; there is a second node",
            "the same bytes land",
        ),
        black_hole,
        Mutant("defilev/execute/attempting.py", "[: 1 if is_first else None]", "[:1]"),
    ),
    row_of(
        "F17",
        (
            "the gas money is gone",
            "balance set to one wei before the first or the second transaction, and given back later",
            "refused by name before signing, and finished once when it is back",
        ),
        no_gas_money,
        Mutant(PREPARING, "    if balance < fields.most_it_can_cost:\n", "    if False:\n"),
    ),
    row_of(
        "F18",
        (
            "an estimate of gas that is too low",
            "the node answers 21,000 to 60,000",
            "nothing runs out of gas",
        ),
        low_estimate,
        Mutant(FEES, "return max(planned, mul_div_up(estimated, 5, 4))", "return mul_div_up(estimated, 5, 4)"),
    ),
)
