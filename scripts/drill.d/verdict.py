"""What came of a drill: who could be saved, who was liquidated, what it cost, and whether anything was done twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cast import DECIMALS, GAS_MONEY, PRICES, Part
from price_path import Moment
from watchman import Watchman, block_of

from defilev.abi import checksum, keccak
from defilev.journal import open_for_reading, place_of
from defilev.model.request import Address
from tests.support.world import World

REPAY = "Repay(address,address,address,uint256,bool)"
APPROVE, NOTHING = "0x095ea7b3", "0x"
LIQUIDATION = "LiquidationCall(address,address,address,uint256,uint256,address,bool)"
ALLOWED = 0.03
"""What a health factor may lie above the goal, at the lowest price so far: more is an action that was done twice."""


@dataclass(frozen=True)
class Seen:
    """The chain as the drill saw it after each block: its number, the price, and health factors by owner."""

    block: int
    moment: Moment
    health: Mapping[Address, float]


def liquidations(world: World, *, since: int) -> dict[Address, int]:
    """Return by owner the block of the first liquidation."""
    found: dict[Address, int] = {}
    for log in _logs(world, LIQUIDATION, since):
        found.setdefault(checksum("0x" + log["topics"][3][-40:]), int(log["blockNumber"], 16))
    return found


def equity(world: World, part: Part, price: float, *, is_guarded: bool) -> float:
    """Return the dollars in a position and beside it, what was paid for gas taken off."""
    owner, payer = (part.owner, part.payer) if is_guarded else (part.twin, part.twin_payer)
    (account,) = world.read("main", [owner])
    total: float = float(account.equity_value) / 10**account.quote_decimals
    for holder in (owner, payer):
        total += sum(world.balance(symbol, holder) / 10**places for symbol, places in DECIMALS.items())
        total += sum(world.balance(symbol, holder) / 10**18 * each * price for symbol, each in PRICES.items())
        spent = GAS_MONEY - int(world.rpc("eth_getBalance", holder, "latest"), 16)
        total -= spent / 10**18 * PRICES["WETH"] * price
    return total


def duplicates(
    world: World, parts: Sequence[Part], seen: Sequence[Seen], watchman: Watchman, *, before: int
) -> list[str]:
    """Return what was done twice, as the chain shows it: calls that were made again, and repayments far past a goal.

    No action aims higher than at the goal at the lowest price that there was until then; what ends above was done once
    more. Of accounts that were liquidated only calls are compared: a liquidation moves them past any goal. Beside that
    the journal must know as many transactions as the chain has.

    Args:
        before: transactions that the guard's keys had sent when it began.
    """
    runs = _runs(watchman)
    read_at = {row["hash"]: _read_at(run) for run in runs for row in run["receipt"]}
    return [
        *_repeated(world, parts, seen, read_at),
        *_overshot(world, parts, seen),
        *_unknown(world, parts, runs, before),
    ]


def _read_at(run: Mapping[str, Any]) -> int:
    """Return the block that an account was read at when a run was planned."""
    return min(int(each["block_number"]) for each in run["observation"])


def _repeated(world: World, parts: Sequence[Part], seen: Sequence[Seen], read_at: Mapping[str, int]) -> Iterator[str]:
    """Yield calls that succeeded again with the same bytes, without knowledge of what the earlier one had done.

    A run that was planned at a block that has the earlier one, as its journal says, is an action of its own: where a
    price falls in a straight line two of them ask for the same amount. An allowance may be granted or taken back again,
    and a call of nothing, which takes the nonce of what is no longer wanted, does nothing.
    """
    names = {part.actor.lower(): part.name for part in parts if part.actor is not None}
    last: dict[tuple[str, str, str], int] = {}
    for block in range(seen[0].block + 1, seen[-1].block + 1):
        for sent in world.rpc("eth_getBlockByNumber", hex(block), True)["transactions"]:
            if sent["from"] in names and not sent["input"].startswith(APPROVE) and sent["input"] != NOTHING:
                if world.rpc("eth_getTransactionReceipt", sent["hash"])["status"] != "0x1":
                    continue
                made = (names[sent["from"]], sent["to"], sent["input"])
                if read_at.get(sent["hash"], 0) < last.get(made, 0):
                    yield f"{made[0]}: the call {sent['input'][:10]}… of block {last[made]} was made again in {block}"
                last[made] = block


def _overshot(world: World, parts: Sequence[Part], seen: Sequence[Seen]) -> Iterator[str]:
    by_actor = {(part.owner, part.actor): part for part in parts if part.actor is not None}
    places = {each.block: place for place, each in enumerate(seen)}
    taken = liquidations(world, since=seen[0].block)
    for log in _logs(world, REPAY, seen[0].block):
        who = (checksum("0x" + log["topics"][2][-40:]), checksum("0x" + log["topics"][3][-40:]))
        part, place = by_actor.get(who), places[int(log["blockNumber"], 16)]
        if part is None or part.owner in taken or part.owner not in seen[place].health:
            continue
        lowest = min(each.moment.price for each in seen[: place + 1])
        health = seen[place].health[part.owner] * lowest / seen[place].moment.price
        if health > part.goal + ALLOWED:
            yield f"{part.name}: health {health:.3f} at the lowest price so far, block {seen[place].block}"


def _runs(watchman: Watchman) -> list[dict[str, Any]]:
    journal = open_for_reading(place_of(watchman.journal))
    if journal is None:
        raise SystemExit("the guard wrote no journal")
    with journal:
        return [journal.run(run["id"]) for run in journal.runs()]


def _unknown(world: World, parts: Sequence[Part], runs: Sequence[Mapping[str, Any]], before: int) -> Iterator[str]:
    written = [row for told in runs for row in told["receipt"]]
    sent = nonces(world, parts)
    if sent - before != len(written):
        yield f"{sent - before} transactions on the chain, {len(written)} in the journal"


def nonces(world: World, parts: Sequence[Part]) -> int:
    """Return how many transactions the guard's keys have sent so far."""
    actors = [part.actor for part in parts if part.actor is not None]
    return sum(int(world.rpc("eth_getTransactionCount", actor, "latest"), 16) for actor in actors)


def runs_of(watchman: Watchman) -> int:
    """Return how many runs the guard's journal has."""
    return len(_runs(watchman))


def alerted(watchman: Watchman, name: str, *, before: int) -> bool:
    """Tell whether people were told of an account, louder than `info`, at a block before another."""
    return any(
        alert["account"] == name and alert["severity"] != "info"
        for tick in watchman.ticks
        if 0 <= block_of(tick) < before
        for alert in tick["alerts"]
    )


@dataclass(frozen=True)
class FirstTick:
    """The first tick of a process that followed a killed one: whether it led, and blocks that had come meanwhile."""

    is_leader: bool
    blocks: int


def first_ticks(watchman: Watchman) -> list[FirstTick]:
    """Return the first tick of every process after the first that lived to tell of one.

    `blocks` are those between the newest block at its start and the one that it read.
    """
    return [
        FirstTick(life.ticks[0]["is_leader"], max(block_of(life.ticks[0]) - life.head, 0))
        for life in watchman.lives[1:]
        if life.ticks
    ]


def _logs(world: World, event: str, since: int) -> list[dict[str, Any]]:
    topic = "0x" + keccak(event.encode()).hex()
    asked = {"address": world.pool("main"), "fromBlock": hex(since), "toBlock": "latest", "topics": [topic]}
    logs: list[dict[str, Any]] = world.rpc("eth_getLogs", asked)
    return logs
