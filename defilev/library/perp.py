"""One perpetual at one block, and what can be asked of it; it is read, and not planned for."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from defilev.library.changes import Number, changes_of
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount, PerpLeg
from defilev.model.request import Address
from defilev.pipeline.exposing import perp_exposure_of
from defilev.pipeline.session import Session
from defilev.report.health_report import Scenarios, question_for
from defilev.report.liquidation import LiquidationView
from defilev.report.perp import PerpView, perp_view
from defilev.report.scenario import ShockView, StressView
from defilev.report.shocks import named_shocks
from defilev.risk.status import Status

__all__ = ["Perp"]


class Perp:
    """A perpetual as it was read, checked against the contract.

    `value` is what was read, `exposure` its linear forms, `view` every figure that `defilev health` shows. Figures are
    exact decimals, in the account's quote currency; `None` where there is no such figure.
    """

    def __init__(self, session: Session, value: PerpAccount, *, name: str | None = None, note: str = "") -> None:
        self._session = session
        self.value = value
        self.name = name
        self.exposure: Exposure = perp_exposure_of(value, settings=session.settings)
        self.view: PerpView = self._view(Scenarios(), note=note)

    def __repr__(self) -> str:
        health = "no legs" if self.health_factor is None else f"health factor {self.health_factor:.3f} {self.status}"
        return f"<Perp {self.name or self.owner} {self.value.protocol} {self.value.market_name}: {health}>"

    @property
    def owner(self) -> Address:
        """Whose it is."""
        return self.value.owner

    @property
    def legs(self) -> tuple[PerpLeg, ...]:
        """The sides of indices that share the margin, in base units."""
        return self.value.legs

    @property
    def health_factor(self) -> Decimal | None:
        """What is held over what is owed, the position read as a loan; `None` without legs."""
        return self.view.health_factor

    @property
    def margin_ratio(self) -> Decimal | None:
        """Equity over maintenance margin, as exchanges show it; `None` without legs."""
        return self.view.margin_ratio

    @property
    def status(self) -> Status:
        """OK, LOW, DANGER or LIQUIDATABLE."""
        return self.view.status

    @property
    def equity(self) -> Decimal:
        """What is left of the margin when profit, fees and price impact are counted."""
        return self.view.balance.equity_value

    @property
    def leverage(self) -> Decimal | None:
        """Notional over equity; `None` without equity."""
        return self.view.balance.leverage

    def shock(self, changes: Mapping[str, Number] | None = None, /, **named: Number) -> ShockView:
        """Return the state after relative changes of prices, all at once: see `Account.shock`."""
        shocked = self._view(Scenarios(shocks=changes_of({**(changes or {}), **named}))).shock
        assert shocked is not None  # noqa: S101 - shocks were asked for
        return shocked

    def stress(self, change: Number) -> StressView:
        """Return the state after one relative change of everything but stablecoins; raises `InvalidNumber`."""
        ((_, asked),) = changes_of({"everything": change})
        return self._view(Scenarios(changes=(asked,))).stress[0]

    def liquidation_prices(self) -> tuple[LiquidationView, ...]:
        """Return, for each price that alone can liquidate, that price and the distance to it."""
        return self.view.by_driver

    def to_json(self) -> str:
        """Return what was read as a `defilev/perp-account@1` document; `from_json` gives it back."""
        return self.value.to_json()

    def _view(self, scenarios: Scenarios, *, note: str = "") -> PerpView:
        shocks = named_shocks(scenarios.shocks, [], [self.exposure])
        question = question_for(self._session.settings, scenarios, shocks)
        return perp_view(self.value, exposure=self.exposure, question=question, name=self.name, note=note)
