"""Rows F31 to F33 and F35: others act in the same block, and what a deleverage sells into or repays from is gone."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

from defilev.abi import keccak
from defilev.model.request import Address
from tests.chaos.arena import GWEI, Arena
from tests.chaos.poolproxy import Held
from tests.chaos.rows.guarding import (
    GOAL,
    PRICE,
    SOMEBODY,
    Guard,
    data_of,
    deal,
    empty,
    equip,
    offer,
    router,
    send,
    swap,
    until_calm,
)
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check, row_of
from tests.support.liquidity import withdrawal_of

__all__ = ["ROWS"]

WETH, USDC = 10**18, 10**6
FIRST, AHEAD = 3000 * GWEI, 2000 * GWEI
"""What who comes before the owner in a block offers for gas."""

COUNTING = 50 * 3000 * 0.83
"""What counts of the owner's collateral, in dollars."""

SLIPPAGE = 0.003
"""The most that the rules let a sale of the first tier lose against the oracle."""

LADDER = "defilev/guard/ladder.py"
LIQUIDATION = "liquidationCall(address,address,address,uint256,bool)"
TRANSFER = "0x" + keccak(b"Transfer(address,address,uint256)").hex()
BAD_ENDS = frozenset({"action-unconfirmed", "action-failed", "action-refused", "action-partial"})
PAYER = "mixed"
CASES = ("wallet", "sale", "reserve", "part", "nothing")
WAYS = {"wallet": "wallet-and-sale", "sale": "wallet-and-sale", "reserve": "reserve", "part": "wallet", "nothing": None}
SHARES = (100, 1_000, 10_000)
"""What is left of a pool is one part in so many."""


def _behind(arena: Arena) -> int:
    """Return what is just enough for the next block, so that the owner comes before."""
    return int(arena.anvil.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16) * 9 // 8


def _is_sale(arena: Arena, held: Held) -> bool:
    """Tell whether a transaction that waits is for the router."""
    sent = arena.anvil.rpc("eth_getTransactionByHash", held.hash)
    return sent is not None and str(sent["to"]).lower() == router(arena).lower()


def _losses(arena: Arena) -> list[float]:
    """Return what each of the owner's sales lost against the oracle's price, as a fraction."""
    found = []
    for receipt in arena.receipts():
        if receipt["to"] == router(arena).lower() and receipt["status"] == "0x1":
            sold, brought = (_moved(arena, receipt, symbol) for symbol in ("WETH", "USDC"))
            found.append(1 - (brought / USDC) / (-sold / WETH * PRICE / 10**8))
    return found


def _moved(arena: Arena, receipt: dict[str, Any], symbol: str) -> int:
    """Return by how much a transaction changed what the owner has of a token."""
    owner, change = int(arena.owner, 16), 0
    for event in receipt["logs"]:
        if event["address"] == arena.world.token(symbol).lower() and event["topics"][0] == TRANSFER:
            sender, recipient = (int(topic, 16) for topic in event["topics"][1:3])
            change += ((recipient == owner) - (sender == owner)) * int(event["data"], 16)
    return change


def crowded(stage: Stage, random: Random) -> Seen:
    """F31: a fall, and liquidators who come first in the owner's block and take part of what the plan was made for."""
    rule = '[[account.trigger]]\nkind = "health"\nbelow = "1.15"'
    sells = stage.number % 2 == 1
    guard = Guard(stage, in_steps=sells, goal='{ health_factor = "1.2" }', triggers=rule)
    arena, before, after = guard.arena, random.uniform(1.06, 1.1), random.uniform(0.955, 0.995)
    equip(arena)
    _owe(arena, int(COUNTING / before), wallet=0 if sells else 40_000)
    answer, part = int(PRICE * after / before), random.randrange(2_000, 50_000)
    offered: list[str] = []
    if not sells:
        _fall(arena, answer)
        arena.anvil.rpc("evm_mine")

    def liquidated() -> None:
        tokens = arena.world.token("WETH"), arena.world.token("USDC")
        data = data_of(LIQUIDATION, *tokens, arena.owner, part * USDC, False)
        offered.append(offer(arena, arena.world.pool("main"), data, sender=SOMEBODY, fee=AHEAD))

    def taken(_: Held) -> None:
        if sells and not offered:
            _fall(arena, answer)
        if not offered:
            liquidated()

    def between() -> None:
        while arena.health_factor() < 1:
            liquidated()
            arena.anvil.rpc("evm_mine")

    arena.pool.on_taken = taken
    ticks = until_calm(guard, between=between)
    truth, told = arena.truth(), [guard.said(tick) for tick in ticks]
    acts, reverted = sum(bool(outcomes) for outcomes in told), len(arena.reverted())
    wrong = check(
        **{f"it is safe again: {truth}, {told}": truth.health_factor >= 1.15},
        **{f"with two plans anew at the most: {told}": acts <= 3},
        **{f"no loop of reverts: {arena.reverted()}": reverted <= 2},
        **{f"nothing is done twice: {truth}": truth.repeated == 0},
        somebody_was_first=bool(offered) and _succeeded(arena, offered[0]),
    )
    return Seen(wrong, {"liquidations": len(offered), "plans": acts, "reverted": reverted})


def _succeeded(arena: Arena, transaction: str) -> bool:
    receipt = arena.anvil.rpc("eth_getTransactionReceipt", transaction)
    return receipt is not None and receipt["status"] == "0x1"


def _owe(arena: Arena, debt: int, *, wallet: int) -> None:
    """Let the owner borrow until so many dollars are owed, and keep only `wallet` of them."""
    words = (arena.world.token("USDC"), debt * USDC - 60_000 * USDC, 2, 0, arena.owner)
    data = data_of("borrow(address,uint256,uint256,uint16,address)", *words)
    send(arena, arena.world.pool("main"), data, sender=arena.owner)
    deal(arena, arena.owner, "USDC", wallet * USDC)


def _fall(arena: Arena, answer: int) -> None:
    """Let feed and pool fall in the next block, before everything else."""
    feed = Address(arena.world.description["feeds"]["WETH"]["address"])
    offer(arena, feed, data_of("set(int256)", answer), fee=FIRST)
    offer(arena, router(arena), swap(arena, "WETH", "USDC", 10**25, until=answer), sender=SOMEBODY, fee=FIRST)


def sandwiched(stage: Stage, random: Random) -> Seen:
    """F32: a sale is sandwiched once or twice."""
    guard = Guard(stage, in_steps=True)
    arena, times = guard.arena, random.randrange(1, 3)
    equip(arena)
    amount = int(10 ** random.uniform(1, 4))
    fronts: list[str] = []

    def taken(held: Held) -> None:
        if len(fronts) < times and _is_sale(arena, held):
            front = swap(arena, "WETH", "USDC", amount * WETH)
            back = swap(arena, "USDC", "WETH", 10**18, until=PRICE)
            fronts.append(offer(arena, router(arena), front, sender=SOMEBODY, fee=AHEAD))
            offer(arena, router(arena), back, sender=SOMEBODY, fee=_behind(arena))

    arena.pool.on_taken = taken
    seen = _judged(guard, until_calm(guard), is_injected=bool(fronts) and _succeeded(arena, fronts[0]))
    return replace(seen, figures={"WETH in front": amount, **seen.figures})


def drained(stage: Stage, random: Random) -> Seen:
    """F33: the pool loses 99 to 99.99 % of its liquidity after the quote, before or while the sale is on its way."""
    guard, left = Guard(stage, in_steps=True), random.choice(SHARES)
    arena, at_once = guard.arena, random.random() < 0.5
    done: list[int] = []

    def taken(held: Held) -> None:
        if not done and (at_once or _is_sale(arena, held)):
            done.append(_burn(arena, left))

    arena.pool.on_taken = taken
    ticks = until_calm(guard)
    if arena.health_factor() < GOAL - 0.01:
        deal(arena, arena.owner, "USDC", 20_000 * USDC)  # the reserve that people bring when they are called
        ticks.append(guard.look())
    return _judged(guard, ticks, is_injected=bool(done))


def _burn(arena: Arena, left: int | None) -> int:
    """Take liquidity out of the pool as its only provider, until one part in `left` is there, or nothing."""
    taken = withdrawal_of(arena.world, left)
    offer(arena, taken.pool, taken.data, sender=taken.sender, fee=AHEAD)
    return taken.amount


def dried_up(stage: Stage, random: Random) -> Seen:
    """F35: nothing is left to borrow of the debt's asset; what else there is to repay with is tried, one after another.

    A reserve's key, the wallet, a sale; part of it when both the wallet and the pool are short; nothing when there is
    nothing.
    """
    case = CASES[stage.number % len(CASES)]
    guard = _guard_of(stage, case)
    arena, held = guard.arena, random.randrange(2_000, 4_000)
    equip(arena)
    empty(arena, "USDC", against="WETH", left=0)
    if case in ("part", "nothing"):
        _burn(arena, None)
        arena.anvil.rpc("evm_mine")
    if case == "part":
        deal(arena, arena.owner, "USDC", held * USDC)
    first = guard.look()
    health, ways = arena.truth().health_factor, [acted["way"] for acted in first["acted"]]
    said, whole = guard.said(first), case not in ("part", "nothing")
    wrong = check(
        **{f"{case}: the way is {ways}": ways == [WAYS[case]]},
        **{f"{case}: the goal is reached, {health:.3f}, {said}": (health >= GOAL - 0.01) == whole},
        **{f"{case}: nothing is sent where nothing helps": case != "nothing" or not arena.receipts()},
        **{f"{case}: what remains is said: {said}": whole or any(word in said[0] for word in ("PARTIAL", "no way"))},
        **{f"{case}: people are called": whole or bool(BAD_ENDS & set(guard.kinds(first)))},
    )
    return Seen(wrong, {case: 1.0})


def _guard_of(stage: Stage, case: str) -> Guard:
    """Return a guard with the owner's key, or with that of a reserve, and with what the case leaves in the wallet."""
    if case != "reserve":
        return Guard(stage, in_steps=case != "wallet")
    world = stage.arena.world
    payer, (keystore, password_file) = world.account(PAYER), world.credentials(PAYER)
    said = {"authority": '"reserve"', "payer": f'"{payer}"', "allow_hot_equity": None}
    guard = Guard(stage, in_steps=True, keystore=f'"{keystore}"', password_file=f'"{password_file}"', **said)
    deal(stage.arena, payer, "USDC", 20_000 * USDC)
    return guard


def _judged(guard: Guard, ticks: list[dict[str, Any]], *, is_injected: bool) -> Seen:
    arena = guard.arena
    losses, health, reverted = _losses(arena), arena.truth().health_factor, len(arena.reverted())
    told = [guard.said(tick) for tick in ticks]
    called = [kind for tick in ticks for kind in guard.kinds(tick) if kind in BAD_ENDS]
    wrong = check(
        **{f"no sale loses more than the rules allow: {losses}": all(loss <= SLIPPAGE for loss in losses)},
        **{f"it is brought to the goal: {health:.3f}, {told}": health >= GOAL - 0.01},
        **{f"what failed is told: {told}": bool(called) or not reverted},
        **{f"no plan fails on a fork: {told}": not any(text.startswith("failed") for tick in told for text in tick)},
        it_was_done=is_injected,
    )
    worst = round(max([0.0, *losses]) * 10_000, 1)
    return Seen(wrong, {"loss in bps": worst, "reverted": reverted, "looks": guard.looks})


ROWS: tuple[Row, ...] = (
    row_of(
        "F31",
        ("liquidators are first", "a fall, and a liquidation before the first transaction in its block; half must sell",
         "it is safe again with two new plans at the most; no loop of reverts"),
        crowded,
        Mutant("defilev/pipeline/planning.py",
               "    return min(usual, max(1 + (health - 1) / 2, _LOWEST_FLOOR)).quantize(_LOWEST_FLOOR, ROUND_DOWN)\n",
               "    return usual\n"),
        quick=1,
    ),
    row_of(
        "F32",
        ("a sandwich", "somebody sells 10 to 10,000 WETH before the sale in its block, and buys after it",
         "a sale reverts or loses no more than the rules allow; the next looks bring the account to its goal"),
        sandwiched,
        Mutant(LADDER, "_sale(wanted, tier.slippage / 2)", "_sale(wanted, tier.slippage * 8)"),
        quick=1,
    ),
    row_of(
        "F33",
        ("the pool is empty", "its provider burns 99 to 99.99 % between the quote and the sale",
         "as before; what can be sold is, no plan fails on a fork, and the rest comes from a reserve"),
        drained,
        Mutant("defilev/plan/staircase.py", "_descend(path, inputs, course, aim, sold)",
               "_descend(path, inputs, course, aim, Sold())"),
        quick=1,
    ),
    row_of(
        "F35",
        ("nothing is left to borrow of the debt's asset", "somebody borrows it all; wallet and pool are full, or empty",
         "the first of reserve, wallet, sale and a part that helps is taken; what remains is said, and people called"),
        dried_up,
        Mutant(LADDER, '        ("wallet", lambda: _repayment(wanted, None)),\n', ""),
    ),
)  # fmt: skip
