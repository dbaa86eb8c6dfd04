"""The liquidation prices of the linear forms against the contract's own integers, in random states of a local chain."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from range_orders import MOVES, errors_of  # noqa: E402

from defilev.model.perp import PerpAccount  # noqa: E402
from defilev.protocols.perp_curie import PERP_CURIE  # noqa: E402
from defilev.protocols.perp_curie.math import account_value, margin_requirement, size  # noqa: E402
from defilev.protocols.perp_curie.state import CurieState, Position  # noqa: E402
from tests.support.curie import Curie  # noqa: E402
from tests.support.world import own_world  # noqa: E402

PAGE = ROOT / "docs" / "perp-curie.md"
STATES = 60
SMALLEST = 0.00005
MOVED = {"positions alone (`hedged`)": "hedged", "range orders, 6,000 ticks either way (the maker)": "lender"}
BEGIN, END = "<!-- forms -->\n", "<!-- /forms -->"


def margin_at(state: CurieState, position: Position, price: int) -> int:
    """Return what is left above the margin, in the contract's integers, with one market's mark at `price`."""
    moved = replace(position, market=replace(position.market, mark_price=price))
    at = replace(state, positions=tuple(moved if each is position else each for each in state.positions))
    return account_value(at) - margin_requirement(at)


def turning(state: CurieState, position: Position, *, near: int) -> int:
    """Return the price nearest to `near` where the contract's integers turn, by bisection between half and double."""
    low, high = near // 2, 2 * near
    rises = margin_at(state, position, high) > margin_at(state, position, low)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if (margin_at(state, position, middle) >= 0) == rises else (middle, high)
    return high if rises else low


def of_forms(account: PerpAccount, position: Position) -> float:
    """Return the price where capacity meets requirement when only this market moves."""
    exposure = PERP_CURIE.exposure(account, stable=frozenset())
    own = [term for term in exposure.terms if term.asset == position.market.token.address]
    rest = sum(term.capacity - term.requirement for term in exposure.terms if term not in own)
    return own[0].price * -rest / (own[0].capacity - own[0].requirement)


def differences(curie: Curie) -> Iterator[tuple[bool, float]]:
    """Yield, for every position of every state, whether it is without orders, and the relative difference."""
    random = Random(5)  # noqa: S311
    for _ in range(STATES):
        curie.shake(random)
        for account in curie.read(list(curie.owners().values())):
            state: CurieState = account.state
            for position, leg in ((each, leg) for each in state.positions for leg in account.legs):
                if leg.index != position.market.token or leg.liquidation_price is None or not size(position):
                    continue
                exact = turning(state, position, near=leg.liquidation_price)
                yield not state.has_orders, abs(of_forms(account, position) / (exact / 10**18) - 1)


def shown(error: float) -> str:
    """Return a share with its sign, without one where two places do not tell it from none."""
    return f"{error:+.2%}" if abs(error) >= SMALLEST else "0.00%"


def main() -> int:
    """Print the table, or write it into the page; return 1 when the forms are further off than a billionth."""
    with tempfile.TemporaryDirectory() as folder, own_world(Path(folder)) as world:
        moved = {what: errors_of(Curie(world), name) for what, name in MOVED.items()}
        found = list(differences(Curie(world)))
    linear = [difference for is_linear, difference in found if is_linear]
    rows = (
        "| positions without orders, in random states | largest relative difference of a liquidation price |",
        "|---|---|",
        f"| {len(linear)} in {STATES} | {max(linear):.1e} |",
    )
    heads = " | ".join(f"{move:+d} %" for move in MOVES)
    others = (
        f"| {heads} |".join(("| the price of ether moves by ", "")),
        "|---" * (1 + len(MOVES)) + "|",
        *(f"| {what} | {' | '.join(map(shown, errors))} |" for what, errors in moved.items()),
    )
    table = "".join(f"{row}\n" for row in (*rows, "", *others))
    print(table, end="")
    if "--write" in sys.argv:
        text = PAGE.read_text()
        before, _, rest = text.partition(BEGIN)
        PAGE.write_text(before + BEGIN + table + END + rest.partition(END)[2])
    return 0 if max(linear) < 1e-9 else 1


if __name__ == "__main__":
    sys.exit(main())
