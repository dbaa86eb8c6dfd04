"""Rehearses falls of 10, 20 and 30 % and a depeg of 5 % for the named accounts of a local world."""

from __future__ import annotations

import argparse
import io
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any

from rehearsal_page import write_page

from defilev.cli.app import main as defilev
from tests.support.world import World, own_world

LENDING = ("comfortable", "mixed", "loop", "short", "ltv-zero", "dust")
ISOLATED = {
    "morpho-comfortable": "wstETH/USDC",
    "morpho-near": "wstETH/USDC",
    "morpho-loop": "wstETH/WETH",
}
FALLS = ("-10%", "-20%", "-30%")
DEPEG = "-5%"
HARD = ("--liquidity", "-50%", "--gas", "100gwei", "--max-slippage", "3%")
"""What comes with a fall: half of the liquidity, dear gas, and an owner who pays for getting out."""

ALL_VOLATILE = ("WETH", "WBTC")
FIELDS = (
    "outcome",
    "refusal",
    "health_factor_before",
    "health_factor_shocked",
    "health_factor_after",
    "cost",
    "gas_value",
    "quote",
)


def rehearsals(world: World) -> Iterator[dict[str, Any]]:
    """Yield what came of each rehearsal, with the words that asked for it."""
    for name in (*LENDING, *ISOLATED):
        flags = world.flags(ISOLATED.get(name, "main"))
        held = _held(world, name, flags)
        for fall in FALLS:
            moves = [word for asset in ALL_VOLATILE if asset in held for word in ("--at", f"{asset}={fall}")]
            yield _rehearsed(
                world, name, f"fall of {fall.lstrip('-')}", (*flags, *(moves or ("--at", f"wstETH={fall}")))
            )
        if "wstETH" in held:
            yield _rehearsed(world, name, f"wstETH {DEPEG}", (*flags, "--depeg", f"wstETH={DEPEG}"))


def _held(world: World, name: str, flags: tuple[str, ...]) -> set[str]:
    document = _run(world, ("health", world.account(name), *flags))
    return {leg["asset"]["symbol"] for leg in document["accounts"][0]["legs"]}


def _rehearsed(world: World, name: str, shock: str, words: tuple[str, ...]) -> dict[str, Any]:
    document = _run(world, ("rehearse", world.account(name), *words, *HARD))
    steps = [] if document["plan"] is None else document["plan"]["steps"]
    return {"account": name, "shock": shock, "steps": len(steps), **{field: document[field] for field in FIELDS}}


def _run(world: World, words: tuple[str, ...]) -> dict[str, Any]:
    """Return the document of a command; how it ended is in it."""
    printed = io.StringIO()
    node = ("--rpc-url", world.rpc_url, "--address-book", str(world.address_book), "--json", "--quiet")
    with redirect_stdout(printed), redirect_stderr(io.StringIO()):
        defilev([*words, *node])
    document: dict[str, Any] = json.loads(printed.getvalue())
    if document["schema"] == "defilev/error@1":
        raise SystemExit(f"defilev {' '.join(words)}: {document['fact']}")
    return document


def main() -> None:
    """Rehearse, print, and write the page when asked to."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--write-docs", action="store_true")
    asked = options.parse_args()
    with tempfile.TemporaryDirectory(prefix="defilev-rehearsals-") as folder:
        os.environ |= dict.fromkeys(("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"), folder)
        os.chdir(folder)
        with own_world(Path(folder) / "world") as world:
            found = list(rehearsals(world))
    if asked.write_docs:
        write_page(found, " ".join(HARD))
    print(json.dumps({"rehearsals": found}, indent=1))


if __name__ == "__main__":
    main()
