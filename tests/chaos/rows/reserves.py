"""Rows F34, F39, F41 and F42: what the market's reserves and tokens allow is not what a plan would like."""

from __future__ import annotations

from random import Random

from defilev.abi import decode
from defilev.model.request import Address
from tests.chaos.arena import Arena
from tests.chaos.chain import WITHDRAW
from tests.chaos.rows.guarding import (
    GOAL,
    HEALTH,
    Guard,
    ask,
    configure,
    data_of,
    deal,
    empty,
    equip,
    levered,
    router,
    send,
    until_calm,
)
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check, row_of
from tests.chaos.tokens import blocking, charging

__all__ = ["ROWS"]

WETH, USDC = 10**18, 10**6
NEEDED = 1.5
"""With so much WETH leaving the market no sale brings the account above its trigger."""

ELSEWHERE = "0x00000000000000000000000000000000C0DE0001"
CHARGES = ("does not move what it is asked to", "the token keeps a part of what it moves")
BLOCKED = "Blacklistable: account is blacklisted"
REFUSED = 7
DAY = 86_400


def lent_out(stage: Stage, random: Random) -> Seen:
    """F34: all of the collateral is lent out, to the last unit or but for a little of it."""
    guard = Guard(stage, in_steps=True)
    arena, before = guard.arena, stage.arena.health_factor()
    left = random.choice([0, 0, random.randrange(WETH // 10, int(NEEDED * WETH))])
    equip(arena)
    empty(arena, "WETH", against="USDC", left=left)
    first = guard.look()
    said, health, withdrawn = guard.said(first), arena.truth().health_factor, _withdrawn(arena)
    deal(arena, arena.owner, "USDC", 20_000 * USDC)  # what people bring when they are called
    ticks = until_calm(guard)
    after, later = arena.truth().health_factor, [guard.said(tick) for tick in ticks]
    wrong = check(
        **{f"no more leaves than there is: {withdrawn} of {left}": withdrawn <= left},
        **{f"what there is is used: {health:.4f} after {before:.4f}, {said}": health > before + 0.001 or left == 0},
        **{f"what remains is said: {said}": "can leave the market" in " ".join(said)},
        people_are_called=bool({"action-partial", "action-refused"} & set(guard.kinds(first))),
        **{f"with a reserve the goal is reached: {after:.3f}, {later}": after >= GOAL - 0.01},
        nothing_is_reverted=not arena.reverted(),
    )
    return Seen(wrong, {"WETH in the market": left / WETH, "health": round(health, 4)})


def _withdrawn(arena: Arena) -> int:
    """Return the base units of WETH that the owner's transactions took out of the market."""
    logs = [log for receipt in arena.receipts() for log in receipt["logs"] if log["topics"][0] == WITHDRAW]
    return sum(int(log["data"], 16) for log in logs)


def capped(stage: Stage, random: Random) -> Seen:
    """F39: caps are reached and flags are set; what lowers a debt needs none of them, and nothing raises one."""
    sells = random.random() < 0.5
    guard = Guard(stage, in_steps=sells)
    arena = guard.arena
    chosen = random.sample(list(LIMITS), random.randrange(1, len(LIMITS) + 1))
    for name in chosen:
        LIMITS[name](arena)
    code = guard.command("plan", arena.owner, "-p", "aave-v3", "--to-leverage", "3")
    tick = guard.look()
    health = arena.truth().health_factor
    wrong = check(
        **{f"with {chosen}: {guard.said(tick)}, health {health:.3f}": health >= GOAL - 0.01},
        **{f"what would raise risk is refused at once: {code}": code == REFUSED},
        nothing_is_reverted=not arena.reverted(),
        nothing_is_borrowed=not levered(arena),
    )
    return Seen(wrong, dict.fromkeys(chosen, 1.0))


def _configured(arena: Arena, symbol: str, bits: int) -> None:
    """Set bits of a reserve's configuration as its configurator would when nobody held anything of it."""
    pool, token = arena.world.pool("main"), arena.world.token(symbol)
    where = Address(arena.world.description["markets"]["main"]["addresses_provider"])
    configurator = Address("0x" + ask(arena, where, data_of("getPoolConfigurator()"))[-20:].hex())
    now = int.from_bytes(ask(arena, pool, data_of("getConfiguration(address)", token)))
    send(arena, pool, data_of("setConfiguration(address,(uint256))", token, (now | bits,)), sender=configurator)


LIMITS = {
    "borrow cap": lambda arena: configure(arena, "setBorrowCap(address,uint256)", arena.world.token("USDC"), 1),
    "supply cap": lambda arena: configure(arena, "setSupplyCap(address,uint256)", arena.world.token("WETH"), 1),
    "no borrowing": lambda arena: configure(
        arena, "setReserveBorrowing(address,bool)", arena.world.token("USDC"), False
    ),
    "siloed": lambda arena: _configured(arena, "USDC", 1 << 62),
    "isolation": lambda arena: _configured(arena, "WETH", 1 << 212),
}
"""What stands in the way of who wants to borrow or supply more: one token, or one cent of a ceiling."""


def strange_token(stage: Stage, random: Random) -> Seen:
    """F41: a token begins to charge for transfers, or to refuse the account, at once or after a first transaction."""
    symbol, kind, is_late = random.choice(["WETH", "USDC"]), random.choice(["fee", "blocked"]), random.random() < 0.5
    guard = Guard(stage, in_steps=symbol == "WETH")
    arena = guard.arena
    changed: list[str] = []

    def taken(_: object) -> None:
        if not changed:
            changed.append(_tamper(arena, symbol, kind, percent=random.randrange(1, 11)))

    if is_late:
        arena.pool.on_taken = taken
    else:
        taken(None)
    before, nonce = _held(arena), arena.nonce()
    ticks = [guard.look(), guard.look()]
    arena.truth()
    said, sent = [guard.said(tick) for tick in ticks], arena.nonce() - nonce
    names = CHARGES if kind == "fee" else (BLOCKED,)
    lost = 1 - _held(arena) / before
    is_named = any(name in text for text in said[-1] for name in names)
    is_well = is_late and lost < 0.0001 and arena.health_factor() >= GOAL - 0.01
    wrong = check(
        **{f"{kind} of {symbol}, late {is_late}: nothing more is signed, {sent} were: {said}": sent <= 2 * is_late},
        **{f"{kind} of {symbol}, late {is_late}: it is named: {said[-1]}": is_named or is_well},
        **{f"{kind} of {symbol}: {lost:.5f} is lost, and nobody hears of it: {said}": lost < 0.0001 or is_late},
        people_are_called=is_well or "action-failed" in guard.kinds(ticks[-1]),
        it_was_done=bool(changed),
    )
    return Seen(wrong, {f"{kind} of {symbol}": 1.0, "transactions": sent})


def _tamper(arena: Arena, symbol: str, kind: str, *, percent: int) -> str:
    token = arena.world.token(symbol)
    arena.anvil.rpc("anvil_setCode", ELSEWHERE, arena.anvil.rpc("eth_getCode", token, "latest"))
    code = (
        charging(ELSEWHERE, percent=percent)
        if kind == "fee"
        else blocking(ELSEWHERE, account=arena.owner, words=BLOCKED)
    )
    arena.anvil.rpc("anvil_setCode", token, code)
    return code


def _held(arena: Arena) -> float:
    """Return the dollars of the owner: what the market counts, and the wallet's WETH and USDC."""
    figures = ask(arena, arena.world.pool("main"), data_of("getUserAccountData(address)", arena.owner))
    collateral, debt = decode(["uint256"] * 6, figures)[:2]
    return (collateral - debt) / 1e8 + _balance(arena, "WETH") / WETH * 3000 + _balance(arena, "USDC") / USDC


def _balance(arena: Arena, symbol: str) -> int:
    return int.from_bytes(ask(arena, arena.world.token(symbol), data_of("balanceOf(address)", arena.owner)))


def accrued(stage: Stage, random: Random) -> Seen:
    """F42: time passes between the plan and what repays everything: seconds, or more than the plan allows for."""
    sells = random.random() < 0.5
    guard = Guard(stage, in_steps=sells, goal="{ close = true }", triggers=HEALTH)
    arena, jumps = guard.arena, random.randrange(1, 4)
    if not sells:
        deal(arena, arena.owner, "USDC", 100_000 * USDC)
    passed = [int(10 ** random.uniform(0, 5.5)) for _ in range(jumps)]
    due, gone = list(passed), random.randrange(2)

    def taken(_: object) -> None:
        nonlocal gone
        gone -= 1
        if due and gone < 0:
            arena.anvil.rpc("evm_increaseTime", due.pop())

    arena.pool.on_taken = taken
    ticks = until_calm(guard)
    arena.truth()
    owed = _owed(arena)
    wrong = check(
        **{f"after {passed} s {owed} base units are owed: {[guard.said(tick) for tick in ticks]}": owed == 0},
        **{f"an allowance is left: {_allowed(arena)}": not any(_allowed(arena))},
        **{f"no loop of reverts: {arena.reverted()}": len(arena.reverted()) <= 2},
    )
    return Seen(wrong, {"seconds": max(passed), "looks": guard.looks, "reverted": len(arena.reverted())})


def _owed(arena: Arena) -> int:
    """Return what the owner owes in USDC, in base units, as the debt token says."""
    pool, token = arena.world.pool("main"), arena.world.token("USDC")
    debt = ask(arena, pool, data_of("getReserveVariableDebtToken(address)", token))
    return int.from_bytes(ask(arena, Address("0x" + debt[-20:].hex()), data_of("balanceOf(address)", arena.owner)))


def _allowed(arena: Arena) -> list[int]:
    pairs = [(symbol, spender) for symbol in ("WETH", "USDC") for spender in (router(arena), arena.world.pool("main"))]
    ask_for = [
        (arena.world.token(symbol), data_of("allowance(address,address)", arena.owner, to)) for symbol, to in pairs
    ]
    return [int.from_bytes(ask(arena, token, data)) for token, data in ask_for]


ROWS: tuple[Row, ...] = (
    row_of(
        "F34",
        ("all of the collateral is lent out", "somebody borrows it all, or all but up to 1.5 WETH",
         "what is there is used and no more; what cannot leave is said and people called; a reserve reaches the goal"),
        lent_out,
        Mutant("defilev/plan/staircase.py",
               "                return _Short(path, refusal)\n", "                raise\n"),
        quick=1,
    ),
    row_of(
        "F39",
        ("caps and flags", "caps of one token, borrowing disabled, a siloed debt, a debt ceiling of a cent",
         "a deleverage needs none of them and reverts at none; what would raise risk is refused before anything else"),
        capped,
        Mutant("defilev/plan/refusals.py", "    if Aim(inputs.goal).met(account):\n", "    if False:\n"),
        quick=1,
    ),
    row_of(
        "F41",
        ("a token that keeps a part, or refuses the account", "code laid over WETH or USDC, at once or in between",
         "it is named and nothing more is signed; what costs the owner nothing keeps nobody from the goal"),
        strange_token,
        Mutant("defilev/pipeline/trying.py", "    require_moved(plan, report)\n", ""),
        quick=1,
    ),
    row_of(
        "F42",
        ("interest accrues while everything is repaid", "one second to four days pass before up to three transactions",
         "nothing is owed at the end, to the last unit, and no allowance is left"),
        accrued,
        Mutant("defilev/plan/sale.py", "Repay(debt, None)", "Repay(debt, allowance - 10**6)"),
        quick=1,
    ),
)  # fmt: skip
