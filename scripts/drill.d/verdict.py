"""What came of a drill: who could be saved, who was liquidated, what it cost, and whether anything was done twice."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cast import DECIMALS, GAS_MONEY, PRICES, TIERS, Part
from price_path import GWEI, Moment
from watchman import Watchman, block_of

from defilev.abi import checksum, keccak
from defilev.journal import open_for_reading, place_of
from defilev.model.request import Address
from tests.support.world import World

REPAY = "Repay(address,address,address,uint256,bool)"
LIQUIDATION = "LiquidationCall(address,address,address,uint256,uint256,address,bool)"
MOST_TRANSACTIONS = 12
"""Of a sale from its trigger at the most, each of which takes a block; near liquidation it takes three times that."""

ALLOWED = 0.03
"""What a health factor, at the price of the plan, may lie above the goal: more is an action that was done twice."""


@dataclass(frozen=True)
class Seen:
    """The chain as the drill saw it after each block: its number, the price, and health factors by owner."""

    block: int
    moment: Moment
    health: Mapping[Address, float]


def feasible(parts: Sequence[Part], path: Sequence[Moment]) -> set[str]:
    """Return the names of those whose rule could be kept from the start on.

    A reserve that is at least the need at the path's lowest price; a sale whose transactions fit into the blocks
    between its trigger and its liquidation; nothing to do at all.
    """
    lowest = min(moment.price for moment in path)
    found = set()
    for part in parts:
        is_safe = part.health(lowest) >= 1
        has_enough = part.authority == "reserve" and part.reserve >= part.need(lowest)
        if is_safe or has_enough or (part.authority == "owner" and _is_served(part, path)):
            found.add(part.name)
    return found


def _is_served(part: Part, path: Sequence[Moment]) -> bool:
    """Tell whether a sale's transactions fit into the blocks between trigger and liquidation that its rule can use."""
    begin, end = (_first(part, path, limit) for limit in (part.trigger, 1.0))
    usable = [moment for moment in path[begin:end] if _is_usable(part, moment)]
    return end == len(path) or len(usable) >= MOST_TRANSACTIONS


def _is_usable(part: Part, moment: Moment) -> bool:
    """Tell whether the tier that the health is in pays for the gas, and takes what the pools pay."""
    health = part.health(moment.price)
    tier = [tier for tier in TIERS if tier[1] is None or health < float(tier[1])][-1]
    share, gas = float(tier[2].rstrip("%")) / 100, int(tier[3].removesuffix("gwei")) * GWEI
    return moment.base_fee <= gas and 1 - moment.pool < share


def _first(part: Part, path: Sequence[Moment], limit: float) -> int:
    return next((place for place, moment in enumerate(path) if part.health(moment.price) < limit), len(path))


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
    """Return what was done twice: transactions that the journal does not know, and repayments far past a goal.

    `before` are the transactions that the guard's keys had sent when it began. Of accounts that were liquidated only
    the transactions are counted: a liquidation moves them past any goal.
    """
    found = list(_unknown(world, parts, watchman, before))
    by_actor = {(part.owner, part.actor): part for part in parts if part.actor is not None}
    places = {each.block: place for place, each in enumerate(seen)}
    taken, planned = liquidations(world, since=seen[0].block), _planned_at(watchman)
    for log in _logs(world, REPAY, seen[0].block):
        who = (checksum("0x" + log["topics"][2][-40:]), checksum("0x" + log["topics"][3][-40:]))
        part, place = by_actor.get(who), places[int(log["blockNumber"], 16)]
        if part is None or part.owner in taken or part.owner not in seen[place].health:
            continue
        begun = seen[places.get(planned.get(log["transactionHash"], 0), place)]
        rise = seen[place].moment.price / begun.moment.price
        if seen[place].health[part.owner] / rise > part.goal + ALLOWED:
            found.append(f"{part.name}: health {seen[place].health[part.owner]:.3f} at block {seen[place].block}")
    return found


def _planned_at(watchman: Watchman) -> dict[str, int]:
    """Return by transaction the block on which its plan was made."""
    found: dict[str, int] = {}
    for told in _runs(watchman):
        blocks = [row["block_number"] for row in told["observation"] if row["role"] == "before"]
        found |= {row["hash"]: blocks[0] for row in told["attempt"] if blocks}
    return found


def _runs(watchman: Watchman) -> list[dict[str, Any]]:
    journal = open_for_reading(place_of(watchman.journal))
    if journal is None:
        raise SystemExit("the guard wrote no journal")
    with journal:
        return [journal.run(run["id"]) for run in journal.runs()]


def _unknown(world: World, parts: Sequence[Part], watchman: Watchman, before: int) -> Iterator[str]:
    written = [row for told in _runs(watchman) for row in told["receipt"]]
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


def resumed_late(watchman: Watchman) -> int:
    """Return how many processes that were started after a kill did not lead with their first tick."""
    later = [life for life in watchman.lives[1:] if life.ticks]
    return sum(not life.ticks[0]["is_leader"] for life in later)


def _logs(world: World, event: str, since: int) -> list[dict[str, Any]]:
    topic = "0x" + keccak(event.encode()).hex()
    asked = {"address": world.pool("main"), "fromBlock": hex(since), "toBlock": "latest", "topics": [topic]}
    logs: list[dict[str, Any]] = world.rpc("eth_getLogs", asked)
    return logs
