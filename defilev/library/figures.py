"""What a loan and a perpetual are both asked, with one word for each figure."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from decimal import Decimal
from typing import Generic, TypeVar

from defilev.library.changes import Number, change_of, changes_of
from defilev.model.account import LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.perp import PerpAccount
from defilev.model.request import Address
from defilev.pipeline.session import Session
from defilev.report.health import HealthQuestion, HealthView
from defilev.report.health_report import Scenarios, question_for
from defilev.report.liquidation import LiquidationView, RatioView
from defilev.report.perp import PerpView
from defilev.report.scenario import ShockView, StressView
from defilev.report.shocks import named_shocks
from defilev.risk.status import Status

__all__ = ["Figures"]

V = TypeVar("V", LendingAccount, PerpAccount)
W = TypeVar("W", HealthView, PerpView)


class Figures(ABC, Generic[V, W]):
    """An account as it was read, checked against the contract.

    `value` is what was read, `exposure` its linear forms, `view` every figure that `defilev health` shows. Figures are
    exact decimals, in the account's quote currency; `None` where there is no such figure.
    """

    value: V
    view: W
    exposure: Exposure

    def __init__(self, session: Session, value: V, *, name: str | None = None, note: str = "") -> None:
        self._session = session
        self.value = value
        self.name = name
        self.exposure = self._forms()
        self.view = self._view(question_for(session.settings), note=note)

    def __repr__(self) -> str:
        health = self._unowed if self.health_factor is None else f"health factor {self.health_factor:.3f} {self.status}"
        return f"<{type(self).__name__} {self.name or self.owner} {self.protocol} {self.value.market_name}: {health}>"

    @property
    def owner(self) -> Address:
        """Whose it is."""
        return self.value.owner

    @property
    def protocol(self) -> str:
        """The protocol's name."""
        return self.value.protocol

    @property
    def market(self) -> str:
        """The market's name, of an isolated one its id, of a perpetual with a margin of its own its key."""
        return self.value.market

    @property
    def health_factor(self) -> Decimal | None:
        """What counts over what is owed; a loan's is the contract's own, all eighteen digits, `None` without a debt."""
        return self.view.health_factor

    @property
    def status(self) -> Status:
        """OK, LOW, DANGER or LIQUIDATABLE."""
        return self.view.status

    @property
    def equity(self) -> Decimal:
        """Collateral less debt; of a perpetual what is left of the margin with profit, fees and price impact."""
        return self.view.balance.equity_value

    @property
    def leverage(self) -> Decimal | None:
        """Collateral, or what is traded, over equity; `None` without equity."""
        return self.view.balance.leverage

    def shock(self, changes: Mapping[str, Number] | None = None, /, **named: Number) -> ShockView:
        """Return the state after relative changes of prices, all at once: `shock(WETH=-0.20)`.

        Each moves the asset's feed, and all that is priced from it. A mapping takes symbols that are no Python names.

        Raises:
            InvalidNumber: a change that leaves nothing of a price, or that nobody can mean.
            UnknownName: the market has no such asset.
            UsageError: no change, or two that cannot happen together.
        """
        asked = changes_of({**(changes or {}), **named})
        shocks = named_shocks(asked, self._loans(), [self.exposure])
        shocked = self._view(question_for(self._session.settings, Scenarios(shocks=asked), shocks)).shock
        assert shocked is not None  # noqa: S101 - shocks were asked for
        return shocked

    def stress(self, change: Number) -> StressView:
        """Return the state after one relative change of everything but stablecoins; raises `InvalidNumber`."""
        scenarios = Scenarios(changes=(change_of("everything", change),))
        return self._view(question_for(self._session.settings, scenarios)).stress[0]

    def nearest_liquidation(self) -> LiquidationView | RatioView | None:
        """Return the nearest liquidation by a feed, or by the ratio of a pair; `None` when there is none."""
        return self.view.nearest

    def to_json(self) -> str:
        """Return what was read as a document; `from_json` gives it back."""
        return self.value.to_json()

    _unowed: str

    @abstractmethod
    def _forms(self) -> Exposure:
        """Return the linear forms of the value."""

    @abstractmethod
    def _view(self, question: HealthQuestion, *, note: str = "") -> W:
        """Return every figure that a question asks for."""

    @abstractmethod
    def _loans(self) -> list[LendingAccount]:
        """Return the account where its market has tokens beside those that it holds, which a shock may name."""
