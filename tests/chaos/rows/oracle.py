"""Rows F30 and F40: an oracle whose word is old, and a rollup whose sequencer is down."""

from __future__ import annotations

from random import Random

from defilev.model.request import Address
from tests.chaos.arena import WHO, Arena
from tests.chaos.rows.guarding import (
    GOAL,
    HEALTH,
    PRICE,
    SOMEBODY,
    Guard,
    data_of,
    equip,
    levered,
    price,
    router,
    send,
    swap,
    until_calm,
)
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check, row_of

__all__ = ["ROWS"]

HOUR = 3600
BELOW, TO = 2.0, 2.1
"""The account is at 2.075 by the oracle: a fall of 3.6 % brings it below the trigger."""

UPTIME_FEED = Address("0x00000000000000000000000000000000C0DE0040")
OWNER = "0x2"
"""The slot of a feed that has who may set it."""

GRACE = 3600


def stale(stage: Stage, random: Random) -> Seen:
    """F30: the oracle's round is old or incomplete, and the market has fallen meanwhile; or it is fresh, and stands."""
    kind, fall = random.choice(["old", "incomplete", "fresh"]), random.choice([0.0, random.uniform(0.05, 0.12)])
    rule = f'[[account.trigger]]\nkind = "health"\nbelow = "{BELOW}"'
    guard = Guard(stage, goal=f'{{ health_factor = "{TO}" }}', triggers=rule)
    arena = guard.arena
    if fall:
        _fall(arena, int(PRICE * (1 - fall)))
    now = arena.timestamp("latest")
    at = {"old": now - random.randrange(26 * HOUR, 400 * HOUR), "incomplete": 0, "fresh": now}[kind]
    feed = Address(arena.world.description["feeds"]["WETH"]["address"])
    send(arena, feed, data_of("setAt(int256,uint256)", PRICE, at))
    before = arena.nonce()
    code = guard.command("plan", arena.owner, "-p", "aave-v3", "--to-leverage", "3")
    ticks = until_calm(guard)
    must, health = kind != "fresh" and fall > 0, arena.truth().health_factor * (1 - fall)
    told = [guard.said(tick) for tick in ticks]
    wrong = check(
        **{f"{kind}, {fall:.3f}: by the market it is at {health:.3f}: {told}": not must or health >= TO - 0.01},
        **{f"{kind}, {fall:.3f}: nothing is done without need: {told}": must or arena.nonce() == before},
        **{f"{kind}: people hear that a price is stale": (kind != "fresh") == ("stale-price" in guard.kinds(ticks[0]))},
        **{f"what would raise risk is refused: {code}": code == 7},
        nothing_is_borrowed=not levered(arena),
    )
    return Seen(wrong, {f"{kind}, {'fallen' if fall else 'level'}": 1.0, "acted": float(arena.nonce() > before)})


def _fall(arena: Arena, until: int) -> None:
    """Let the market fall: somebody sells into the deep pool, and no other pool trades."""
    for name, pool in arena.world.description["pools"].items():
        if "WETH" in name and name != "WETH/USDC 0.05%":
            arena.anvil.rpc("anvil_setCode", pool["address"], "0xfe")
    equip(arena)
    send(arena, router(arena), swap(arena, "WETH", "USDC", 10**25, until=until), sender=SOMEBODY)


def sequencer(stage: Stage, random: Random) -> Seen:
    """F40: the sequencer goes down while the account needs protection, and comes back after an hour and more.

    Half of the accounts have just been acted for: neither the cool-down nor the hysteresis holds the first look after.
    """
    is_second = random.random() < 0.5
    guard = Guard(stage, triggers=HEALTH, cool_down='"1d"' if is_second else '"1s"')
    arena = guard.arena
    guard.book = _with_feed(stage)
    _say(arena, 0, since=arena.timestamp("latest") - 30 * 24 * HOUR)
    if is_second:
        guard.look()
        price(arena, PRICE * 93 // 100)
    _say(arena, 1, since=arena.timestamp("latest"))
    before = arena.nonce()
    waits = [guard.look() for _ in range(random.randrange(1, 3))]
    goal = ("-p", "aave-v3", "--to-health-factor", "2.4")
    code = guard.command("rebalance", arena.owner, *goal, "--sign-only", *_key(arena))
    signed, verdicts = arena.nonce() - before, [guard.verdict(tick) for tick in waits]
    outage = random.randrange(4700, 30_000)
    arena.anvil.rpc("evm_increaseTime", outage)
    price(arena, PRICE * 93 // 100)
    up_at = arena.timestamp("latest")
    _say(arena, 0, since=up_at)
    after = guard.look()
    health, acted_at = arena.truth().health_factor, _first_after(arena, before)
    delay = acted_at - up_at if acted_at else -1
    wrong = check(
        **{f"it waits: {verdicts}": set(verdicts) == {"wait"}},
        nothing_is_sent_while_it_is_down=signed == 0,
        **{f"nor is anything signed for a person: {code}": code == 7},
        **{f"people are called: {guard.kinds(waits[0])}": "sequencer-down" in guard.kinds(waits[0])},
        **{f"the first look afterwards acts: {guard.verdict(after)}, {guard.said(after)}": health >= GOAL - 0.01},
        **{f"within the grace period: after {delay} s": 0 <= delay < GRACE},
        **{f"the restart is told: {guard.kinds(after)}": "sequencer-restarted" in guard.kinds(after)},
    )
    return Seen(wrong, {"outage in s": outage, "first transaction after s": delay, "cooling down": float(is_second)})


def _key(arena: Arena) -> tuple[str, ...]:
    keystore, password_file = arena.world.credentials(WHO)
    return ("--keystore", str(keystore), "--password-file", str(password_file))


def _with_feed(stage: Stage) -> str:
    """Place an uptime feed whose owner is the operator, and return an address book that names it."""
    arena, book = stage.arena, stage.folder / "book.toml"
    prices = arena.world.description["feeds"]["WETH"]["address"]
    arena.anvil.rpc("anvil_setCode", UPTIME_FEED, arena.anvil.rpc("eth_getCode", prices, "latest"))
    arena.anvil.rpc(
        "anvil_setStorageAt", UPTIME_FEED, OWNER, arena.anvil.rpc("eth_getStorageAt", prices, OWNER, "latest")
    )
    written = arena.world.address_book.read_text()
    line = f'[chain]\nsequencer_uptime_feed = "{UPTIME_FEED}"'
    assert written.count("[chain]") == 1
    book.write_text(written.replace("[chain]", line))
    return str(book)


def _say(arena: Arena, answer: int, *, since: int) -> None:
    send(arena, UPTIME_FEED, data_of("setAt(int256,uint256)", answer, since))


def _first_after(arena: Arena, nonce: int) -> int:
    """Return the time of the block with the owner's transaction of a nonce, 0 when there is none."""
    block = arena.included_at(nonce)
    return arena.timestamp(hex(block)) if block else 0


ROWS: tuple[Row, ...] = (
    row_of(
        "F30",
        ("the oracle's word is old", "26 to 400 hours, or an incomplete round; the pool is as high, or 5 to 12 % lower",
         "the lower of both prices is acted on; nothing raises risk; a fresh price is acted on as it is"),
        stale,
        Mutant("defilev/guard/reading.py", "else min(found, self.market_health)", "else found"),
        quick=2,
    ),
    row_of(
        "F40",
        ("the sequencer is down", "for 78 minutes to 8 hours, as its feed says; half of the accounts are cooling down",
         "nothing is signed; the first look after the restart acts, within the grace period"),
        sequencer,
        Mutant("defilev/guard/obstacles.py", "        if notice.name in NOT_UP:\n", "        if False:\n"),
        quick=1,
    ),
)  # fmt: skip
