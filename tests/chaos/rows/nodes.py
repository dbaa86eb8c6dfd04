"""Rows F19 to F24: nodes that break off, are of another chain, lag, go back, say nothing, or hardly answer."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from tests.chaos import lies
from tests.chaos.arena import Arena
from tests.chaos.chain import TRIGGER
from tests.chaos.faultproxy import SEND, Kind, Rule
from tests.chaos.job import UNEXPECTED
from tests.chaos.rows.judging import attempts_of, calm_after, held_against, survived
from tests.chaos.rows.registry import Mutant, Seen, Stage, check, row_of
from tests.chaos.trial import Spec, run_trial, supervise

__all__ = ["ROWS"]

HIGH, LOW = 3_600, 3_000
"""Prices of WETH at which the account needs nothing, and at which it must be protected."""

QUORUM, ENDPOINTS, RPC, NODE = (f"defilev/chain/{name}.py" for name in ("quorum", "endpoints", "rpc", "node"))
BROADCAST, PREPARING, HANDING_OVER = (
    f"defilev/execute/{name}.py" for name in ("broadcast", "preparing", "handing_over")
)


def dropped(stage: Stage, random: Random) -> Seen:
    """F19: the connection breaks after the node has taken the transaction."""
    arena, count = stage.arena, random.randrange(1, 3)
    rule = Rule("drop_after", SEND, count=count, skip=random.randrange(3 - count))
    result = run_trial(arena, Spec(rules=(rule,)))
    wrong = held_against(
        result,
        no_other_nonce_is_used=result.truth.nonces_used == 2,
        nothing_else_is_signed=len(attempts_of(arena)) == 2,
    )
    return Seen(wrong, {"dropped": float(result.hits)})


def other_chain(stage: Stage, random: Random) -> Seen:
    """F20: the node serves another chain, from the start or from some call on."""
    arena = stage.arena
    arena.begin()
    signed_before: list[int] = []

    def said(request: dict[str, Any], answer: bytes) -> str:
        del request, answer
        if not signed_before:
            signed_before.append(arena.signatures())
        return "0xa"

    arena.first.inject(Rule("set", "eth_chainId", skip=random.randrange(5), count=None, value=said))
    count = random.choice([1, 2])
    with arena.mining():
        code = arena.zygote.start(arena.job(rpc_urls=arena.nodes(count))).wait(20)
        later = arena.signatures()
        arena.trust()
        codes = supervise(arena, Spec())
    truth = arena.truth()
    wrong = check(
        it_is_noticed=bool(signed_before) and code not in (0, UNEXPECTED, None),
        nothing_is_signed_after=not signed_before or later <= signed_before[0],
        done_once_in_the_end=codes[-1] == 0 and not truth.is_missed and not truth.is_duplicate,
    )
    return Seen(wrong, {"nodes": count})


def stale(stage: Stage, random: Random) -> Seen:
    """F21: a replica that is 4 to 50 blocks behind shows a price at which the account must be protected."""
    arena, behind = stage.arena, random.randrange(4, 51)
    arena.begin()
    arena.mine(60)
    arena.set_price("WETH", HIGH)
    arena.mine(random.randrange(1, behind))
    count = random.choice([2, 3])
    arena.first.inject(Rule("lag", count=None, value=behind))
    code = arena.zygote.start(arena.job(rpc_urls=arena.nodes(count))).wait(20)
    acted = arena.signatures()
    arena.set_price("WETH", LOW)
    with arena.mining():
        codes = supervise(arena, Spec(job={"rpc_urls": arena.nodes(3)}))
    truth = arena.truth()
    wrong = check(
        nothing_is_decided_on_stale_data=acted == arena.signed_before and code == (0 if count == 3 else 4),
        two_others_suffice=codes[-1] == 0 and not truth.is_missed and not truth.is_duplicate,
    )
    return Seen(wrong, {"blocks behind": behind, "nodes": count})


def backwards(stage: Stage, random: Random) -> Seen:
    """F22: the newest block goes back now and then, or is not said at all."""
    rules = [
        Rule("lag", "reads", count=None, value=random.randrange(1, 9), odds=random.uniform(0.05, 0.3)),
        Rule("null", random.choice(["eth_blockNumber", "eth_getBlockByNumber"]), count=random.randrange(1, 6)),
    ]
    seen = survived(stage, Spec(rules=rules, meanwhile=calm_after(6)))
    return replace(seen, wrong=(*seen.wrong, *check(no_step_looks_at_a_block_before_the_last=_goes_on(stage.arena))))


def _goes_on(arena: Arena) -> bool:
    """Tell whether every transaction of a run was made on a block that has the one before."""
    for run in arena.written():
        steps = {intent["id"]: intent for intent in run["intent"]}
        blocks = {attempt["hash"]: steps[attempt["intent"]] for attempt in run["attempt"]}
        included = {blocks[receipt["hash"]]["nonce"]: receipt["block_number"] for receipt in run["receipt"]}
        if any(step["observed_block"] < included.get((step["nonce"] or 0) - 1, 0) for step in steps.values()):
            return False
    return True


def empty(stage: Stage, random: Random) -> Seen:
    """F23: answers are zero or empty; an account that must be protected is never taken for one without a position."""
    method, value = random.choice([
        ("eth_call", "0x"), ("eth_call", lies.zeros), *[("eth_call", lies.some_zeros(random))] * 4,
        ("eth_getTransactionCount", "0x0"), ("eth_getBalance", "0x0"), ("eth_getCode", "0x"),
        ("eth_blockNumber", "0x0"),
    ])  # fmt: skip
    arena = stage.arena
    arena.begin()
    arena.first.inject(Rule("set", method, count=None, value=value))
    with arena.mining():
        code = arena.zygote.start(arena.job(budget=4)).wait(20)
        is_safe = arena.health_factor() >= float(TRIGGER)
        arena.trust()
        codes = supervise(arena, Spec())
    truth = arena.truth()
    wrong = check(
        **{f"an account in need is not called safe ({method} {value})": code != 0 or is_safe},
        nothing_unexpected=UNEXPECTED not in (code, *codes),
        done_once_in_the_end=codes[-1] == 0 and not truth.is_missed and not truth.is_duplicate,
    )
    return Seen(wrong)


def half_broken(stage: Stage, random: Random) -> Seen:
    """F24: half of all reads from one of three nodes fail, or one in seven from the only one, each in its way."""
    kinds: tuple[tuple[Kind, Any], ...] = (("http", 429), ("http", 503), ("delay", 0.2), ("hang", None))
    weights = [random.random() for _ in kinds]
    count = random.choice([1, 3])
    part = {1: 0.15, 3: 0.5}[count]
    rules = [
        Rule(kind, "reads", count=None, value=value, odds=part * weight / sum(weights), dice=Random(random.random()))
        for (kind, value), weight in zip(kinds, weights, strict=True)
    ]
    job = {"rpc_urls": stage.arena.nodes(count), "timeout": 0.3}
    result = run_trial(stage.arena, Spec(rules=rules, job=job, deadline=40))
    wrong = held_against(result, nothing_unexpected=UNEXPECTED not in result.codes)
    return Seen(wrong, {"seconds": result.seconds, "failed calls": result.hits, "nodes": count})


ROWS = (
    row_of(
        "F19",
        (
            "the connection breaks after the node took the transaction",
            "reset once or twice, at the first or the second transaction",
            "the chain is asked; no second nonce, nothing else signed",
        ),
        dropped,
        Mutant(
            "defilev/execute/handing_over.py",
            "    except RpcError as error:\n        return Handed(",
            "    except RpcError as error:\n        raise\n        return Handed(",
        ),
    ),
    row_of(
        "F20",
        (
            "a node of another chain",
            "`eth_chainId` says 10, from the start or from one of the first five calls on; one node or two",
            "an end by name, nothing signed after it was said",
        ),
        other_chain,
        Mutant(
            "defilev/pipeline/agreeing.py",
            "        if found != expected:\n",
            "        if False:\n",
            (
                Mutant("defilev/execute/preparing.py", "    if served != chain_id:\n", "    if False:\n"),
                Mutant("defilev/pipeline/session.py", "    if book.chain_id != chain_id:\n", "    if False:\n"),
            ),
        ),
    ),
    row_of(
        "F21",
        (
            "a replica that lags",
            "the first of two or three nodes is 4 to 50 blocks behind, and shows a price from before a rise",
            "nothing is decided on it: with two nodes an end by name, with three the other two decide",
        ),
        stale,
        Mutant(ENDPOINTS, "    return newest.number - head.number > LAG_BLOCKS and", "    return False and"),
    ),
    row_of(
        "F22",
        (
            "the newest block goes back, or is null",
            "5 to 30 % of the reads come from 1 to 8 blocks ago; block numbers or headers are null up to five times",
            "every process ends well or by name; done once",
        ),
        backwards,
        Mutant(
            NODE,
            "        if number < self._height:\n",
            "        if False:\n",
            (
                Mutant(QUORUM, "floor = max(at_least, endpoints.known.agreed_height)", "floor = 0"),
                Mutant(BROADCAST, "        if head.number < before:\n", "        if False:\n"),
                Mutant(BROADCAST, "        if included < nonce:\n", "        if False:\n"),
            ),
        ),
    ),
    row_of(
        "F23",
        (
            "zero and empty answers",
            "calls answer nothing or zeros, all or to one question; balance, count, code or block number are zero",
            "an account in need is never taken for a safe one; done once in the end",
        ),
        empty,
        Mutant("defilev/protocols/aave_family/check.py", "        if computed != user.data:\n", "        if False:\n"),
    ),
    row_of(
        "F24",
        (
            "reads fail or hang",
            "429, 503, delays, hanging connections: half of the reads from the first of three nodes, or 15 % of all",
            "done once within 40 s",
        ),
        half_broken,
        Mutant(RPC, "PAUSES = (0.1, 0.4)", "PAUSES = ()"),
    ),
)
