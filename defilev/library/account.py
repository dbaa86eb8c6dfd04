"""One account at one block, and every question that can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import InvalidNumber, UsageError
from defilev.library.changes import Number
from defilev.library.figures import Figures
from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Exposure
from defilev.pipeline.exposing import exposure_of
from defilev.report.health import HealthQuestion, HealthView, health_view
from defilev.report.liquidation import LiquidationView

if TYPE_CHECKING:
    from defilev.library.proposal import Proposal
    from defilev.model.target import Target
    from defilev.model.target_inputs import Preferences

__all__ = ["Account", "Number"]

_LARGEST_VOLATILITY = 10.0


class Account(Figures[LendingAccount, HealthView]):
    """A loan as it was read: see `Figures`."""

    _unowed = "no debt"

    @property
    def legs(self) -> tuple[Leg, ...]:
        """What is supplied and owed, in base units."""
        return self.value.legs

    def liquidation_prices(self) -> tuple[LiquidationView, ...]:
        """Return, for each asset whose price alone can liquidate, that price and the distance to it."""
        return self.view.by_asset

    def target(
        self,
        *,
        volatility: float | None = None,
        prices: str | Path | None = None,
        preferences: Preferences | None = None,
        yields: Mapping[str, float] | None = None,
        debt: str | None = None,
    ) -> Target:
        """Return the leverage that the account should have, and why.

        Args:
            volatility: how much prices move, per √year: 0.65 for 65 %.
            prices: in its place, a file of candles, or a directory of them named by asset. Without either, the rounds
                of the oracle's own feeds are read.
            preferences: what is wanted; the usual, with the settings' own assumptions, when left out.
            yields: what assets earn beside the market's rate, continuous per year by symbol.
            debt: what would be borrowed, when nothing is owed yet.

        Raises:
            InvalidNumber: a volatility that no market has.
            UsageError: both of `volatility` and `prices`.
            Infeasible, UnknownName, HistoryUnusable, DataError: see `targeting.make_target`.
        """
        from defilev.optimize.mix import NEARLY_STILL
        from defilev.pipeline.targeting import TargetQuestion, make_target, usual_preferences
        from defilev.pipeline.volatility import VolatilityChoice

        if volatility is not None and not NEARLY_STILL <= volatility <= _LARGEST_VOLATILITY:
            raise InvalidNumber(
                f"volatility {volatility} is not between {NEARLY_STILL} and {_LARGEST_VOLATILITY:g}",
                fix="0.65 is 65% a year; a pair that moves together needs none",
            )
        if volatility is not None and prices is not None:
            raise UsageError("volatility and prices say the same thing twice", fix="give one of them")
        choice = VolatilityChoice(figure=volatility, prices=None if prices is None else Path(prices))
        usual = usual_preferences(self._session.settings.target)
        question = TargetQuestion(preferences or usual, choice, yields or {}, debt)
        return make_target(self._session, self.value, self.exposure, question)

    def plan(
        self,
        *,
        to_health_factor: Number | None = None,
        to_leverage: Number | None = None,
        close: bool = False,
        max_slippage: Number | None = None,
        sell: Sequence[str] = (),
        repay: Sequence[str] = (),
        keep: Sequence[str] = (),
    ) -> Proposal:
        """Return the transactions that reach a goal, with what they promise; nothing is signed.

        Args:
            to_health_factor, to_leverage, close: one goal.
            max_slippage: the most a sale may lose against the oracle, as a fraction; the setting's when left out.
            sell, repay: all that may be sold and repaid; everything when left out.
            keep: what must not be touched; with `=2%` what is sold as if that cost so much more.

        Raises:
            InvalidNumber: not one goal, or a number that cannot be meant.
            Infeasible: no plan reaches the goal.
            UnknownName, DataError: see `planning.make_plan`.
        """
        from defilev.library.proposal import Proposal, goal_of, question_of
        from defilev.pipeline.planning import make_plan
        from defilev.plan import parse_constraints

        goal = goal_of(close=close, to_health_factor=to_health_factor, to_leverage=to_leverage)
        wanted = parse_constraints(sell=sell, repay=repay, keep=keep)
        question = question_of(self._session.settings, goal, max_slippage=max_slippage, constraints=wanted)
        return Proposal(self._session, make_plan(self._session, self.value, question))

    def _forms(self) -> Exposure:
        return exposure_of(self.value, settings=self._session.settings)

    def _view(self, question: HealthQuestion, *, note: str = "") -> HealthView:
        return health_view(self.value, exposure=self.exposure, question=question, name=self.name, note=note)

    def _loans(self) -> list[LendingAccount]:
        return [self.value]
