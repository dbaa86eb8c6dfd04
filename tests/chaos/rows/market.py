"""Rows F28, F29, F36 to F38, F59 and F60: what the guard does when markets, oracles and its own rules go wrong."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from defilev.config.guard_rules import load_guard_rules
from defilev.errors import RulesInvalid
from tests.chaos.chain import TRIGGER
from tests.chaos.rows.guarding import GOAL, HEALTH, PRICE, Guard, configure, levered, price, until_calm
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check
from tests.support.guards import rules_file

__all__ = ["ROWS"]

EMERGENCY = 1.02
THRESHOLD = "WETH liquidation threshold"
DECIDING, ACTING, TICK = "defilev/guard/deciding.py", "defilev/guard/acting.py", "defilev/guard/tick.py"
CHANGES = '[[account.trigger]]\nkind = "parameter-change"'


def jump(stage: Stage, random: Random) -> Seen:
    """F28: the price falls between the plan and its execution."""
    guard, fall = Guard(stage), random.randrange(1, 41)
    arena = guard.arena
    fallen: list[int] = []

    def taken(_: object) -> None:
        if not fallen:
            fallen.append(fall)
            price(arena, PRICE * (100 - fall) // 100)

    arena.pool.on_taken = taken
    first = guard.look()
    arena.pool.on_taken = lambda held: None
    told = guard.outcomes(first)
    kept = arena.truth().health_factor >= GOAL - 0.01
    ticks = until_calm(guard)
    wrong = check(
        **{f"done is only what kept its promise: {told}": "done" not in told or kept},
        **{
            f"it is brought to the goal, or people are called: {[guard.outcomes(tick) for tick in ticks]}": (
                arena.truth().health_factor >= float(TRIGGER) or "action-partial" in guard.kinds(ticks[0])
            )
        },
        the_price_fell=bool(fallen),
        nothing_is_borrowed=not levered(arena),
    )
    return Seen(wrong, {"fall in per cent": fall, "looks": guard.looks})


def wrong_oracle(stage: Stage, random: Random) -> Seen:
    """F29: the market's own price is wrong; liquidators act by it, and so must the guard."""
    dear = f'[[account.trigger]]\nkind = "price"\nasset = "WETH"\nabove = "3100"\n{HEALTH}'
    guard = Guard(stage, triggers=dear)
    arena = guard.arena
    name, answer = random.choice([("ten times", PRICE * 10), ("capped", PRICE * 9715 // 10_000), ("nothing", 0)])
    before = arena.nonce()
    price(arena, answer)
    tick = guard.look()
    price(arena, answer or PRICE)
    verdict, health = guard.verdict(tick), arena.truth().health_factor
    expected = {"ten times": {"alert"}, "capped": {"act", "nothing"}, "nothing": {"unread"}}[name]
    wrong = check(
        **{f"{name}: {verdict}": verdict in expected},
        **{f"{name}: only a low price is acted on": name == "capped" or arena.nonce() == before},
        **{f"{name}: it is brought to the goal, {health:.3f}": name != "capped" or health >= GOAL - 0.01},
        nothing_is_borrowed=not levered(arena),
    )
    return Seen(wrong, {name: 1.0})


def frozen(stage: Stage, random: Random) -> Seen:
    """F36: a reserve is frozen; that forbids to supply and to borrow, and nothing that a deleverage needs."""
    guard = Guard(stage)
    symbol = random.choice(["WETH", "USDC"])
    configure(guard.arena, "setReserveFreeze(address,bool)", guard.arena.world.token(symbol), True)
    tick = guard.look()
    health = guard.arena.truth().health_factor
    return Seen(check(**{f"{guard.outcomes(tick)}, health {health:.3f}": health >= GOAL - 0.01}), {symbol: 1.0})


def paused(stage: Stage, random: Random) -> Seen:
    """F37: nothing can be repaid; the guard waits, calls, and acts with the first look after it is over."""
    guard = Guard(stage)
    arena, debt = guard.arena, guard.arena.world.token("USDC")
    before = arena.nonce()
    configure(arena, "setReservePause(address,bool)", debt, True)
    waits = [guard.look() for _ in range(random.randrange(1, 3))]
    sent = arena.nonce() - before
    configure(arena, "setReservePause(address,bool)", debt, False)
    after = guard.look()
    wrong = check(
        **{f"it waits: {[guard.verdict(tick) for tick in waits]}": all(guard.verdict(t) == "wait" for t in waits)},
        people_are_called="action-waits" in guard.kinds(waits[0]),
        nothing_is_sent_meanwhile=sent == 0,
        **{f"the first look afterwards acts: {guard.outcomes(after)}": arena.truth().health_factor >= GOAL - 0.01},
    )
    return Seen(wrong, {"looks while paused": len(waits)})


def parameters(stage: Stage, random: Random) -> Seen:
    """F38: governance lowers a threshold between two looks."""
    guard = Guard(stage, triggers=CHANGES + '\n[[account.trigger]]\nkind = "health"\nbelow = "1.05"')
    arena, lowered = guard.arena, random.randrange(8060, 8300)
    guard.look()
    signature = "configureReserveAsCollateral(address,uint256,uint256,uint256)"
    configure(arena, signature, arena.world.token("WETH"), 8050, lowered, 10_500)
    tick = guard.look()
    said = [alert["text"] for alert in tick["alerts"] if alert["kind"] == "parameter-changed"]
    shown = int(tick["decisions"][0]["health_factor"]) / 10**18
    true = arena.health_factor()
    wrong = check(
        **{
            f"it is told with both values: {said}": f"WETH liquidation threshold changed from 8300 to {lowered}" in said
        },
        **{f"the health is the new one: {shown:.4f}, {true:.4f}": abs(shown - true) < 0.001},
    )
    return Seen(wrong, {"points": 8300 - lowered})


NONSENSE: tuple[dict[str, Any], ...] = (
    {"goal": '{ health_factor = "1.0" }'}, {"goal": '{ health_factor = "1.2" }'},
    {"goal": '{ health_factor = "100000" }'}, {"triggers": HEALTH.replace(TRIGGER, "1.0")},
    {"triggers": HEALTH.replace(TRIGGER, "0.9")}, {"tiers": '{ normal = { slippage = "50%" } }'},
    {"tiers": '{ emergency = { slippage = "11%" } }'}, {"tiers": '{ normal = { gas_price = "2001gwei" } }'},
    {"budget": "{ runs_per_day = 5000 }"}, {"budget": "{ runs_per_day = 0 }"}, {"cool_down": '"30d"'},
    {"payer": '"0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A063"'}, {"payer": '"0xnonsense"'}, {"max_leverage": '"50"'},
    {"triggers": '[[account.trigger]]\nkind = "hunch"'}, {"reserve_for": '"100%"'}, {"authority": '"everything"'},
)  # fmt: skip


def tampered(stage: Stage, random: Random) -> Seen:
    """F59: rules that cannot be meant; the bounds stand in the code."""
    said = NONSENSE[stage.number % len(NONSENSE)]
    try:
        load_guard_rules(rules_file(stage.folder / "guard.toml", **said))
    except RulesInvalid as error:
        wrong = check(it_says_why=bool(error.fact and error.fix))
    else:
        wrong = (f"accepted {said}",)
    return Seen(wrong, {"refused": float(not wrong)})


def kill_switch(stage: Stage, random: Random) -> Seen:
    """F60: the halt file appears before a look, or while an action is under way."""
    halt = stage.folder / "halt"
    guard = Guard(stage, guard={"single_endpoint": "true", "halt_file": f'"{halt}"'})
    arena, is_in_flight = guard.arena, random.random() < 0.5
    nonce = arena.nonce()
    if is_in_flight:
        arena.pool.on_taken = lambda held: halt.touch()
    else:
        halt.touch()
    first = guard.look()
    arena.pool.on_taken = lambda held: None
    health = arena.truth().health_factor
    finished = health >= GOAL - 0.01
    price(arena, int(PRICE * EMERGENCY / health))  # no cool-down is waited for then
    sent = arena.nonce()
    second = guard.look()
    wrong = check(
        **{f"what is in flight is finished: {guard.outcomes(first)}": finished == is_in_flight},
        **{f"nothing new begins: {guard.verdict(first)}": is_in_flight or (arena.nonce() == nonce)},
        **{f"nor with the next look: {guard.verdict(second)}": guard.verdict(second) == "held"},
        nothing_is_sent_while_halted=arena.nonce() == sent,
        people_are_called="action-held" in guard.kinds(second) + guard.kinds(first),
    )
    return Seen(wrong, {"in flight": float(is_in_flight)})


def _row(name: str, texts: tuple[str, str, str], trial: Callable[[Stage, Random], Seen], *mutants: Mutant) -> Row:
    return Row(name, *texts, trial, mutants, trials=100, quick=2)


ROWS = (
    _row(
        "F28",
        ("the price falls between plan and execution", "1 to 40 % when the first transaction is taken by the pool",
         "what did not keep its promise is never called done; the next looks go on"),
        jump,
        Mutant(ACTING, "is_kept = outcome.is_kept or plan.goal.kind", "is_kept = True or plan.goal.kind"),
    ),
    _row(
        "F29",
        ("the market's price is wrong", "the feed answers ten times as much, 2.85 % less, or nothing",
         "a low price is acted on as liquidators do; a high one and none never; nothing is borrowed"),
        wrong_oracle,
        Mutant(DECIDING, "_reached(facts) >= facts.goal.value:", "_reached(facts) < 0:"),
    ),
    _row(
        "F36",
        ("a reserve is frozen", "by the market's governance, the collateral's or the debt's",
         "the account is brought to its goal: withdrawing and repaying go on"),
        frozen,
        Mutant("defilev/guard/observing.py", "is_paused=bool(closed_debts(account)),", "is_paused=True,"),
    ),
    _row(
        "F37",
        ("a reserve is paused", "by the market's governance, for one or two looks",
         "the guard waits, calls people, sends nothing, and acts with the first look afterwards"),
        paused,
        Mutant("defilev/guard/obstacles.py", "    if facts.reading.is_paused:\n", "    if False:\n"),
    ),
    _row(
        "F38",
        ("governance lowers a threshold", "by up to 2.4 points, between two looks",
         "it is told with both values, and the health of the next look is the new one"),
        parameters,
        Mutant(DECIDING, "    changed = _changed(memory.parameters, reading.parameters)\n", "    changed = {}\n"),
    ),
    _row(
        "F59",
        ("rules that cannot be meant", "a corpus of goals, triggers, limits, keys and kinds",
         "refused with the reason; bounds in the code hold whatever the file says"),
        tampered,
        Mutant("defilev/config/guard_rules.py", "        self._require_sense(triggers, goal)\n", ""),
    ),
    _row(
        "F60",
        ("the kill switch", "the halt file appears before a look, or when a transaction is on its way",
         "what is on its way is finished; nothing new begins from the next look on; people are called"),
        kill_switch,
        Mutant(TICK, "Path(self.rules.halt_file).expanduser().exists():", "False:"),
    ),
)  # fmt: skip
