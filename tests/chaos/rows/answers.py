"""Rows F25 to F27 and F45: answers that are nonsense, made up, or lies."""

from __future__ import annotations

from random import Random

from tests.chaos import lies
from tests.chaos.arena import Arena
from tests.chaos.faultproxy import Kind, Rule
from tests.chaos.job import UNEXPECTED
from tests.chaos.rows.judging import calm_after, held_against, survived
from tests.chaos.rows.registry import Mutant, Seen, Stage, check, row_of
from tests.chaos.trial import Spec, run_trial, supervise

__all__ = ["ROWS"]

HIGH, LOW = 3_600, 3_000
"""Prices of WETH at which the account needs nothing, and at which it must be protected."""


def fuzzed(stage: Stage, random: Random) -> Seen:
    """F25: a fifth of all answers is cut short, a page, another's, or of a wrong type."""
    kinds: tuple[Kind, ...] = ("truncate", "html", "wrong_id", "null")
    rules = [Rule(kind, count=None, odds=0.03, dice=Random(random.random())) for kind in kinds]
    rules.append(Rule("set", count=None, odds=0.08, value=lies.nonsense(random), dice=Random(random.random())))
    return survived(stage, Spec(rules=rules, meanwhile=calm_after(8)))


def receipts(stage: Stage, random: Random) -> Seen:
    """F26: no receipt for a while, one of another block, or one of a transaction that is not included."""
    arena = stage.arena
    how = random.choice(["none", "of another block", "made up"])
    method = "eth_getTransactionReceipt"
    match how:
        case "none":
            rule = Rule("null", method, count=random.randrange(1, 12))
        case "of another block":
            rule = Rule("set", method, count=random.randrange(1, 12), value=lies.of_another_block)
        case _:
            rule = Rule("set", method, count=None, value=lies.made_up_receipt(arena))
    count = 1 if how != "made up" else 2
    result = run_trial(arena, Spec(rules=(rule,), job={"rpc_urls": arena.nodes(count)}))
    wrong = held_against(
        result,
        **{f"what is written down of inclusion is true (receipt {how})": _are_true(arena)},
        nothing_unexpected=UNEXPECTED not in result.codes,
    )
    return Seen(wrong)


def _are_true(arena: Arena) -> bool:
    """Tell whether every receipt of the journal is the chain's own."""
    for run in arena.written():
        for receipt in run["receipt"]:
            known = arena.anvil.rpc("eth_getTransactionReceipt", receipt["hash"])
            if known is None or known["blockHash"] != receipt["block_hash"]:
                return False
    return True


def lying(stage: Stage, random: Random) -> Seen:
    """F27: a node computes everything with another price: the account looks safe, or in need, and is not."""
    arena = stage.arena
    truth_price, told_price = random.choice([(HIGH, LOW), (LOW, HIGH), (LOW, LOW - 600)])
    count = random.choice([2, 3])
    arena.begin()
    arena.set_price("WETH", truth_price)
    arena.mine()
    arena.first.inject(*lies.other_price(arena, told_price))
    job = {"rpc_urls": arena.nodes(count)}
    with arena.mining():
        code = arena.zygote.start(arena.job(**job, budget=8)).wait(20)
        signed = arena.signatures() - arena.signed_before
        arena.trust()
        codes = supervise(arena, Spec(job=job))
    truth = arena.truth()
    in_need = truth_price == LOW
    wrong = check(
        **{f"with two nodes nothing is decided, not {code}": count == 3 or (code == 4 and signed == 0)},
        **{f"with three the two decide, not {code}": count == 2 or (code == 0 and (signed > 0) == in_need)},
        the_right_thing_is_done_in_the_end=codes[-1] == 0 and not truth.is_missed and truth.repeated == 0,
        no_more_than_that=(truth.repaid > 0) == in_need and not (in_need and truth.is_duplicate),
    )
    return Seen(wrong, {"nodes": count})


def other_units(stage: Stage, random: Random) -> Seen:
    """F45: a node says that the assets have other decimals than they have."""
    arena, decimals = stage.arena, random.choice([0, 2, 5, 7, 8, 12, 17, 19, 24])
    arena.begin(in_steps=random.random() < 0.5)
    arena.first.inject(Rule("set", "eth_call", count=None, value=lies.other_decimals(decimals)))
    with arena.mining():
        code = arena.zygote.start(arena.job(budget=6)).wait(20)
        signed = arena.signatures() - arena.signed_before
        arena.trust()
        codes = supervise(arena, Spec())
    truth = arena.truth()
    wrong = check(
        **{f"it is refused by name, not {code}": code == 4},
        nothing_is_signed=signed == 0,
        done_once_in_the_end=codes[-1] == 0 and not truth.is_missed and not truth.is_duplicate,
    )
    return Seen(wrong, {"decimals": decimals})


ROWS = (
    row_of(
        "F25",
        (
            "answers that are cut short, pages, another's, or of a wrong type",
            "a fifth of all answers, of any method",
            "every process ends well or by name; done once",
        ),
        fuzzed,
        Mutant(
            "defilev/chain/rpc.py",
            "    except ValueError:\n        raise RpcMalformed",
            "    except KeyError:\n        raise RpcMalformed",
        ),
    ),
    row_of(
        "F26",
        (
            "receipts that are missing, of another block, or made up",
            "null or with another block's hash up to eleven times; the first of two nodes makes them up",
            "nothing is written down as included that is not",
        ),
        receipts,
        Mutant("defilev/execute/looking.py", "min(_NEEDED, len(endpoints))", "1"),
    ),
    row_of(
        "F27",
        (
            "a node that lies about the state",
            "every call and simulation of the first of two or three nodes is computed with another price",
            "with two nodes nothing is decided, with three the other two decide",
        ),
        lying,
        Mutant("defilev/chain/quorum.py", "    if len(best) < needed or sum(", "    if not best or 9 < sum("),
    ),
    row_of(
        "F45",
        (
            "other decimals than the asset has",
            "the node says of every reserve that its asset has 0 to 24 decimals",
            "an end by name, nothing signed",
        ),
        other_units,
        Mutant("defilev/protocols/aave_family/check.py", "        if computed != user.data:\n", "        if False:\n"),
    ),
)
