"""Replay a crash on the local chain, once with and once without the guard, and print one JSON object.

--prices FILE   hourly candles: ts,open,high,low,close; the ones behind the calibration when left out
--from, --to    Unix seconds, or a time such as 2020-03-12T00:00; the hours that are replayed
--accounts N    how many are guarded; as many are not
--kills K       how often the guard is killed without warning
--write-docs    put what came of it into docs/drill.md, under this name
"""

from __future__ import annotations

import argparse
import json
import random
import shlex
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cast import Part, cast, enter, rules
from drill_page import write_page
from feasible import CAN, Why, reason
from price_path import Moment, candles, moments
from seas import Seas
from verdict import Seen, alerted, duplicates, equity, first_ticks, liquidations, nonces, runs_of
from watchman import Watchman

from defilev.model.request import Address
from tests.support.world import ROOT, World, own_world

PRICES = ROOT / "scripts" / "calibration.d" / "data" / "ethusdt_binance_spot_1h.csv.gz"
BLOCK = 12.0
"""Seconds after which a block comes whatever the guard does; it comes sooner when the guard has nothing left to do."""

CALM = 20
"""Blocks after the path, in which what was begun is brought to its end."""

LONGEST_DELAY = 0.5
EARLY = 5
"""One kill in so many does not wait until the process before it has told of a tick."""

Document = dict[str, Any]


def main() -> int:
    """Run the drill; return 1 when an account was lost that could be saved, or anything was done twice."""
    chosen = _parser().parse_args()
    path = moments(candles(chosen.prices, begin=chosen.begin, end=chosen.end))
    with tempfile.TemporaryDirectory(prefix="drill-") as scratch:
        folder = chosen.folder or Path(scratch)
        (folder / "world").mkdir(parents=True)
        with own_world(folder / "world") as world:
            result = drill(world, path, folder, accounts=chosen.accounts, kills=chosen.kills, seed=chosen.seed)
    if chosen.write_docs:
        words = shlex.join(["scripts/drill", *sys.argv[1:]])
        write_page(chosen.write_docs, result, words, date=f"{datetime.now(UTC):%Y-%m-%d}")
    print(json.dumps(result, indent=1))
    return int(bool(result["feasible_liquidated"] or result["duplicates"] or result["resumed_late"]))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/drill", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prices", type=Path, default=PRICES, metavar="FILE")
    parser.add_argument("--from", dest="begin", type=_moment, required=True, metavar="TS")
    parser.add_argument("--to", dest="end", type=_moment, required=True, metavar="TS")
    parser.add_argument("--accounts", type=int, default=20, metavar="N")
    parser.add_argument("--kills", type=int, default=0, metavar="K")
    parser.add_argument("--seed", type=int, default=1, metavar="S", help="of everything random")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="where to leave the journal and what the guard said")
    parser.add_argument("--write-docs", metavar="NAME")
    return parser


def _moment(text: str) -> int:
    return int(text) if text.isdigit() else int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def drill(world: World, path: Sequence[Moment], folder: Path, *, accounts: int, kills: int, seed: int) -> Document:
    """Return what came of one path."""
    lowest = min(moment.price for moment in path)
    parts = cast(accounts, lowest=lowest, seed=seed)
    shown = [path[0], *path, *[path[-1]] * CALM]
    due = sorted(random.Random(seed).sample(range(2, len(path)), kills))  # noqa: S311 - a drill is to be repeatable
    why = {part.name: reason(part, shown, dead={place + 1 for place in due}) for part in parts}
    (folder / "feasible.json").write_text(json.dumps(why, indent=1))
    enter(world, parts)
    seas = Seas(world)
    seas.prepare()
    before = Start(nonces(world, parts), _equities(world, parts, 1.0))
    watchman = Watchman(world, rules(world, parts, folder, lowest=lowest, seed=seed), folder)
    watchman.start()
    began = time.monotonic()
    try:
        seen = _replay(seas, parts, shown, watchman, due=due, seed=seed)
        code = watchman.stop()
    finally:
        watchman.lives[-1].process.kill()
    result = _result(world, parts, why, seen, watchman, before)
    return result | {"kills": kills, "ended_with": code, "seconds": round(time.monotonic() - began), "seed": seed}


@dataclass(frozen=True)
class Start:
    """What there was before: transactions of the guard's keys, and equities of those with and without a guard."""

    nonces: int
    equities: dict[bool, list[float]]


def _replay(
    seas: Seas, parts: Sequence[Part], path: Sequence[Moment], watchman: Watchman, *, due: list[int], seed: int
) -> list[Seen]:
    """Let the chain go along the path; kill the guard where it is due, every other time while it acts."""
    chance, world = random.Random(seed + 1), seas.world  # noqa: S311 - a drill is to be repeatable
    left, armed = list(due), 0
    seen = [_seen(world, parts, path[0])]
    for place, moment in enumerate(path):
        seas.next(moment, _prey(parts, seen[-1], moment))
        seen.append(_seen(world, parts, moment))
        block = seen[-1].block
        if left and place >= left[0] and (watchman.has_told() or not len(left) % EARLY):
            left.pop(0)
            if len(left) % 2:
                armed += 1
            else:
                time.sleep(chance.uniform(0, LONGEST_DELAY))
                watchman.kill()
        watchman.wait(block, seconds=BLOCK)
        if armed and watchman.pending():
            armed -= 1
            time.sleep(chance.uniform(0, LONGEST_DELAY / 4))
            watchman.kill()
            watchman.wait(block, seconds=BLOCK)
    return seen


def _seen(world: World, parts: Sequence[Part], moment: Moment) -> Seen:
    block = world.head()
    accounts = world.read("main", [each for part in parts for each in (part.owner, part.twin)], block=block)
    health = {each.owner: each.health_factor / 10**18 for each in accounts if each.health_factor is not None}
    return Seen(block.number, moment, health)


def _prey(parts: Sequence[Part], seen: Seen, moment: Moment) -> list[tuple[str, str, Address]]:
    """Return whom the new price makes liquidatable: the liquidator comes in the block that brings it."""
    change = moment.price / seen.moment.price
    return [
        (part.collateral, part.debt, owner)
        for part in parts
        for owner in (part.owner, part.twin)
        if owner in seen.health and seen.health[owner] * change < 1
    ]


def _result(
    world: World,
    parts: Sequence[Part],
    why: dict[str, Why],
    seen: Sequence[Seen],
    watchman: Watchman,
    before: Start,
) -> Document:
    taken = liquidations(world, since=seen[0].block)
    able = {name for name, word in why.items() if word in CAN}
    price = seen[-1].moment.price
    after = _equities(world, parts, price)
    lost = [part for part in parts if part.owner in taken]
    infeasible = [part for part in lost if part.name not in able]
    found = duplicates(world, parts, seen, watchman, before=before.nonces)
    first = first_ticks(watchman)
    return {
        "accounts": len(parts),
        "feasible": len(able),
        "guarded": _side(lost, before.equities[True], after[True]),
        "unguarded": _side([part for part in parts if part.twin in taken], before.equities[False], after[False]),
        "alerted_infeasible": sum(alerted(watchman, part.name, before=taken[part.owner]) for part in infeasible),
        "duplicates": len(found),
        "infeasible_liquidated": len(infeasible),
        "feasible_liquidated": [part.name for part in lost if part.name in able],
        "saved_beyond": [
            part.name for part in parts if part.twin in taken and part.owner not in taken and part.name not in able
        ],
        "doubled": found,
        "lowest_price": round(min(each.moment.price for each in seen), 4),
        "last_price": round(price, 4),
        "blocks": len(seen) - 1,
        "killed": len(watchman.lives) - 1,
        "resumed": len(first),
        "resumed_late": sum(not tick.is_leader or tick.blocks > 1 for tick in first),
        "hurried": watchman.hurried,
        "actions": runs_of(watchman),
        "why": why,
        "by_authority": _by_authority(parts, able, lost, taken),
    }


def _equities(world: World, parts: Sequence[Part], price: float) -> dict[bool, list[float]]:
    return {kind: [equity(world, part, price, is_guarded=kind) for part in parts] for kind in (True, False)}


def _side(lost: Sequence[Part], before: Sequence[float], after: Sequence[float]) -> Document:
    return {
        "liquidated": len(lost),
        "equity_change": round(sum(after) - sum(before), 2),
        "equity_at_start": round(sum(before), 2),
        "equity_at_end": round(sum(after), 2),
    }


def _by_authority(parts: Sequence[Part], able: set[str], lost: Sequence[Part], taken: dict[Address, int]) -> Document:
    return {
        authority: {
            "accounts": sum(part.authority == authority for part in parts),
            "feasible": sum(part.authority == authority and part.name in able for part in parts),
            "liquidated": sum(part.authority == authority for part in lost),
            "unguarded_liquidated": sum(part.authority == authority and part.twin in taken for part in parts),
        }
        for authority in ("reserve", "owner", "alert-only")
    }


if __name__ == "__main__":
    sys.exit(main())
