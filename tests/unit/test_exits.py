"""The exit ladder against closed forms: where each way out ends, in which order, and along which move."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from math import inf

import pytest

from defilev.model.account import LendingAccount
from defilev.model.exits import Exit, ExitLadder, ExitQuestion
from defilev.model.exposure import Exposure
from defilev.model.target_inputs import Depth
from defilev.optimize.exits import exit_ladder, health_after_rounds, health_of_no_return
from defilev.report.exits_json import exits_part
from defilev.report.exits_text import exit_lines
from defilev.report.figures import NARROW_SPACE
from defilev.report.ink import plain
from defilev.risk.axis import axis_of, moved
from tests.factories import DAI, USDC, WBTC, WETH, WSTETH, a_borrow, a_supply, an_account, exposure_of

QUESTION = ExitQuestion(goal=1.1, floor=1.02, slippage=0.005, flash_fee=0.0005, rounds=12, least_rise=0.001)
PAIR = an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "60000", "1"))
SHORT = an_account(a_supply(USDC, "200000", "1", threshold=7800), a_borrow(WETH, "30", "3000"))
LOOP = an_account(a_supply(WSTETH, "100", "3660", threshold=9500), a_borrow(WETH, "110", "3000"))
MIXED = an_account(
    a_supply(WETH, "20", "3000"),
    a_supply(WBTC, "1", "90000", threshold=7800),
    a_borrow(USDC, "60000", "1"),
    a_borrow(DAI, "30000", "1"),
)


def _exposure(account: LendingAccount) -> Exposure:
    """The forms with the equity that the protocols give: collateral less debt of each asset."""
    worth = {leg.asset.address: leg.value / 10**8 * (1 if leg.side == "supply" else -1) for leg in account.legs}
    exposure = exposure_of(account)
    return replace(exposure, terms=tuple(replace(term, equity=worth[term.asset]) for term in exposure.terms))


def _ladder(account: LendingAccount, *, question: ExitQuestion = QUESTION, depth: Depth | None = None) -> ExitLadder:
    ladder = exit_ladder(_exposure(account), question, bonus=0.05, depth=depth)
    assert ladder is not None
    return ladder


def _exit(ladder: ExitLadder, way: str, asset: str = "") -> Exit:
    (found,) = (each for each in ladder.exits if (each.way, each.asset) == (way, asset))
    return found


def test_liquidation_is_where_capacity_meets_the_debt() -> None:
    """50 WETH at 83 % against 60,000: health 1 after a fall of 1 - 60,000 / 124,500."""
    assert 1 - 60_000 / 124_500 == pytest.approx(_exit(_ladder(PAIR), "liquidation").shock, abs=1e-9)


def test_the_point_of_no_return_is_the_closed_form() -> None:
    """(1 + f) / (1 - s) · threshold, and the fall that leads there; a sale there leaves health where it is."""
    (last,) = _ladder(PAIR).no_return

    assert 1.0005 / 0.995 * 0.83 == pytest.approx(last.health_factor) == health_of_no_return(0.83, QUESTION)
    assert 1 - last.health_factor * 60_000 / 124_500 == pytest.approx(last.shock, abs=1e-9)
    assert last.shock is not None
    capacity, sold = 124_500 * (1 - last.shock), 1.0
    after = (capacity - 0.83 * sold) / (60_000 - sold * 0.995 / 1.0005)
    assert capacity / 60_000 == pytest.approx(after, abs=1e-9)


def test_the_wallet_reaches_as_far_as_its_money_does() -> None:
    """W repaid from the wallet holds health at the goal until capacity = goal · (debt - W); none of it is no exit."""
    rich = replace(QUESTION, wallet=((USDC.address, 3_000.0),))

    assert 1 - 1.1 * 57_000 / 124_500 == pytest.approx(_exit(_ladder(PAIR, question=rich), "repay").shock, abs=1e-9)
    assert _exit(_ladder(PAIR), "repay").shock is None


def test_no_exit_is_open_after_liquidation() -> None:
    """A wallet that could repay everything is an exit until liquidation, and no longer."""
    rich = replace(QUESTION, wallet=((USDC.address, 60_000.0), (WETH.address, 1e9)))
    ladder = _ladder(PAIR, question=rich)

    liquidation = _exit(ladder, "liquidation").shock
    assert [liquidation] * 2 == [pytest.approx(_exit(ladder, way).shock) for way in ("repay", "add")]


def test_added_collateral_falls_with_the_rest() -> None:
    """2 WETH more hold health at the goal until (capacity + 2 · 3000 · 0.83) · (1 - x) = goal · debt."""
    more = replace(QUESTION, wallet=((WETH.address, 6_000.0),))
    expected = 1 - 1.1 * 60_000 / (124_500 + 4_980)

    assert expected == pytest.approx(_exit(_ladder(PAIR, question=more), "add").shock, abs=1e-9)


def test_a_sale_in_rounds_ends_before_liquidation_and_a_part_of_it_at_the_floor() -> None:
    """A plain account cannot withdraw below its floor: selling stops where health is the floor, at the latest."""
    ladder = _ladder(PAIR)
    whole, part = _exit(ladder, "sell", "WETH"), _exit(ladder, "sell-part", "WETH")

    assert whole.shock is not None
    assert part.shock is not None
    assert whole.shock < part.shock < 1 - 1.02 * 60_000 / 124_500
    assert 1.02 == pytest.approx(part.health_factor, abs=1e-3)


def test_rounds_end_at_the_goal_and_never_below_the_start() -> None:
    """From just above the floor twelve rounds compound; from well above it the goal is met exactly."""
    exposure = _exposure(PAIR)
    axis = axis_of(exposure)
    assert axis is not None
    near, far = (moved(exposure, axis, shock) for shock in (0.507, 0.48))

    assert near.health_factor < (health_after_rounds(near, near.holdings[0], QUESTION) or inf) < 1.1
    assert 1.1 == pytest.approx(health_after_rounds(far, far.holdings[0], QUESTION))


@pytest.mark.parametrize(
    ("account", "kind", "name"),
    [
        (PAIR, "fall", "WETH"),
        (SHORT, "rise", "WETH"),
        (LOOP, "ratio", "wstETH/WETH"),
        (MIXED, "fall", "all but stablecoins"),
    ],
)
def test_the_move_is_the_one_that_liquidates(account: LendingAccount, kind: str, name: str) -> None:
    """A fall, a rise for a volatile debt, and the ratio of a pair on one feed, which no fall of the feed touches."""
    ladder = _ladder(account)

    assert (kind, name) == (ladder.axis.kind, ladder.axis.name)
    shocks = [each.shock or 0.0 for each in ladder.exits]
    assert sorted(shocks) == shocks


def test_nothing_owed_has_no_exits() -> None:
    """Without a debt, or without collateral, there is no way out to lose."""
    assert exit_ladder(_exposure(an_account(a_supply(WETH, "1", "3000"))), QUESTION) is None
    assert exit_ladder(_exposure(an_account(a_borrow(USDC, "1", "1"))), QUESTION) is None


def test_a_liquidatable_account_has_no_exit_but_a_race() -> None:
    """Everything is closed now; the point of no return is still ahead."""
    ladder = _ladder(an_account(a_supply(WETH, "50", "3000"), a_borrow(USDC, "124600", "1")))

    assert {None} == {each.shock for each in ladder.exits}
    assert [True] == [each.shock is not None and each.shock > 0 for each in ladder.no_return]


def test_toxicity_begins_where_collateral_is_debt_and_bonus() -> None:
    """At a bonus of 5 % a liquidation hurts above a loan-to-value of 1 / 1.05."""
    ladder = _ladder(PAIR)

    assert 1 / 1.05 == ladder.toxic_loan_to_value
    assert 1 - 60_000 * 1.05 / 150_000 == pytest.approx(ladder.toxic_shock, abs=1e-9)


@pytest.mark.parametrize(("impact", "helps"), [(1e-9, True), (1e-3, False)])
def test_own_impact_says_whether_a_sale_helps(*, impact: float, helps: bool) -> None:
    """Beyond (h(1 - s)/threshold - 1)/C per unit the first unit sold lowers health."""
    depth = Depth("uniswap-v3", "WETH", "USDC", impact, Decimal(60_000))
    found = _ladder(PAIR, depth=depth).impact

    assert found is not None
    critical = (2.075 * 0.995 / 0.83 - 1) / 150_000 * found.sale
    assert helps == found.helps
    assert critical == pytest.approx(found.critical_move)


@pytest.mark.parametrize("width", [80, 140])
@pytest.mark.parametrize("account", [PAIR, SHORT, LOOP, MIXED])
def test_the_ladder_fits_its_terminal(account: LendingAccount, width: int) -> None:
    """No line is wider than the terminal, and each exit has its line."""
    ladder = _ladder(account)
    lines = exit_lines(ladder, quote="USD", width=width, ink=plain)

    assert max(map(len, lines)) <= width
    assert any("LIQUIDATION" in line for line in lines)
    assert len(ladder.no_return) == sum("no return for" in line for line in lines)


def test_the_words_of_a_simple_account() -> None:
    """The lines that docs/exits.md shows."""
    lines = exit_lines(_ladder(PAIR), quote="USD", width=80, ink=plain)
    text = "\n".join(lines).replace(NARROW_SPACE, " ")

    assert "−51.8 %  LIQUIDATION" in text
    assert "−59.7 %  no return for WETH: below health 0.835 no sale helps" in text


def test_the_document_signs_a_fall_and_has_no_figure_for_what_is_closed() -> None:
    """A fall is negative; what does not work now is `None`, never zero."""
    part = exits_part(_ladder(PAIR))
    by_way = {each["way"]: each for each in part["ladder"]}

    assert by_way["repay"]["shock"] is None
    assert by_way["liquidation"]["shock"].startswith("-0.518")
    assert "0.00" == by_way["repay"]["wallet_value"]
