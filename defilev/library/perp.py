"""One perpetual at one block, and what can be asked of it."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from defilev.errors import Infeasible
from defilev.library.figures import Figures
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount, PerpLeg
from defilev.pipeline.exposing import perp_exposure_of
from defilev.protocols import PERPS_AS_LOANS
from defilev.report.health import HealthQuestion
from defilev.report.liquidation import LiquidationView
from defilev.report.perp import PerpView, perp_view

if TYPE_CHECKING:
    from defilev.library.changes import Number
    from defilev.library.proposal import Proposal
    from defilev.plan import PerpVia

__all__ = ["Perp"]


class Perp(Figures[PerpAccount, PerpView]):
    """A perpetual as it was read: see `Figures`. Its health factor reads the position as a loan."""

    _unowed = "no legs"

    @property
    def legs(self) -> tuple[PerpLeg, ...]:
        """The sides of indices that share the margin, in base units."""
        return self.value.legs

    @property
    def margin_ratio(self) -> Decimal | None:
        """Equity over maintenance margin, as exchanges show it; `None` without legs."""
        return self.view.margin_ratio

    def liquidation_prices(self) -> tuple[LiquidationView, ...]:
        """Return, for each price that alone can liquidate, that price and the distance to it."""
        return self.view.by_driver

    def plan(
        self,
        *,
        to_margin_ratio: Number | None = None,
        to_health_factor: Number | None = None,
        to_leverage: Number | None = None,
        close: bool = False,
        via: PerpVia | None = None,
        max_slippage: Number | None = None,
        market: str | None = None,
    ) -> Proposal:
        """Return the transactions that reach a goal, with what they promise; nothing is signed.

        Args:
            to_margin_ratio, to_health_factor, to_leverage, close: one goal.
            via: `reduce` trades, `margin` deposits the settlement token; trades when left out.
            max_slippage: the most a trade may lose against the mark price, as a fraction; the setting's when left out.
            market: the position to begin with, by symbol; the largest when left out.

        Raises:
            InvalidNumber: not one goal, or a number that cannot be meant.
            Infeasible: no plan reaches the goal, or no plan is made for the protocol.
            UnknownName, DataError: see `planning.make_plan`.
        """
        from defilev.library.proposal import Proposal, goal_of, question_of
        from defilev.pipeline.planning import make_plan
        from defilev.plan import Constraints

        if self.protocol not in PERPS_AS_LOANS:
            raise Infeasible(
                f"no plan is made for {self.protocol}", fix="`defilev order` builds single orders on a GMX position"
            )
        levels = {"to_margin_ratio": to_margin_ratio, "to_health_factor": to_health_factor, "to_leverage": to_leverage}
        goal, settings = goal_of(close=close, **levels), self._session.settings
        wanted = Constraints(via, () if market is None else (market,))
        question = question_of(settings, goal, max_slippage=max_slippage, constraints=wanted)
        loan = PERPS_AS_LOANS[self.protocol].loan(self.value)
        return Proposal(self._session, make_plan(self._session, loan, question))

    def _forms(self) -> Exposure:
        return perp_exposure_of(self.value, settings=self._session.settings)

    def _view(self, question: HealthQuestion, *, note: str = "") -> PerpView:
        return perp_view(self.value, exposure=self.exposure, question=question, name=self.name, note=note)

    def _loans(self) -> list[LendingAccount]:
        return []
