"""One account at one block, and every question that can be asked of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import InvalidNumber, UsageError
from defilev.library.changes import Number, change_of, changes_of
from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Exposure
from defilev.model.request import Address
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.session import Session
from defilev.report.health import HealthView, health_view
from defilev.report.health_report import Scenarios, question_for
from defilev.report.liquidation import LiquidationView, RatioView
from defilev.report.scenario import ShockView, StressView
from defilev.report.shocks import named_shocks
from defilev.risk.status import Status

if TYPE_CHECKING:
    from defilev.library.proposal import Proposal
    from defilev.model.target import Target
    from defilev.model.target_inputs import Preferences

__all__ = ["Account", "Number"]

_LARGEST_VOLATILITY = 10.0


class Account:
    """An account as it was read, checked against the contract.

    `value` is what was read, `exposure` its linear forms, `view` every figure that `defilev health` shows. Figures are
    exact decimals, in the market's quote currency; `None` where there is no such figure.
    """

    def __init__(self, session: Session, value: LendingAccount, *, name: str | None = None, note: str = "") -> None:
        self._session = session
        self.value = value
        self.name = name
        self.exposure: Exposure = exposure_of(value, settings=session.settings)
        question = question_for(session.settings)
        self.view: HealthView = health_view(value, exposure=self.exposure, question=question, name=name, note=note)

    def __repr__(self) -> str:
        health = "no debt" if self.health_factor is None else f"health factor {self.health_factor:.3f} {self.status}"
        return f"<Account {self.name or self.owner} {self.protocol} {self.value.market_name}: {health}>"

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
        """The market's name, of an isolated one its id."""
        return self.value.market

    @property
    def legs(self) -> tuple[Leg, ...]:
        """What is supplied and owed, in base units."""
        return self.value.legs

    @property
    def health_factor(self) -> Decimal | None:
        """The contract's own, all eighteen digits; `None` when nothing is owed."""
        return self.view.health_factor

    @property
    def status(self) -> Status:
        """OK, LOW, DANGER or LIQUIDATABLE."""
        return self.view.status

    @property
    def equity(self) -> Decimal:
        """Collateral less debt."""
        return self.view.balance.equity_value

    @property
    def leverage(self) -> Decimal | None:
        """Collateral over equity; `None` without equity."""
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
        scenarios = Scenarios(shocks=asked)
        shocks = named_shocks(asked, [self.value], [self.exposure])
        question = question_for(self._session.settings, scenarios, shocks)
        shocked = health_view(self.value, exposure=self.exposure, question=question).shock
        assert shocked is not None  # noqa: S101 - shocks were asked for
        return shocked

    def stress(self, change: Number) -> StressView:
        """Return the state after one relative change of everything but stablecoins; raises `InvalidNumber`."""
        question = question_for(self._session.settings, Scenarios(changes=(change_of("everything", change),)))
        return health_view(self.value, exposure=self.exposure, question=question).stress[0]

    def liquidation_prices(self) -> tuple[LiquidationView, ...]:
        """Return, for each asset whose price alone can liquidate, that price and the distance to it."""
        return self.view.by_asset

    def nearest_liquidation(self) -> LiquidationView | RatioView | None:
        """Return the nearest liquidation by a feed, or by the ratio of a pair; `None` when there is none."""
        return self.view.nearest

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
        from defilev.library.proposal import Proposal, question_of
        from defilev.pipeline.planning import make_plan

        question = question_of(
            self._session.settings,
            to_health_factor=to_health_factor,
            to_leverage=to_leverage,
            close=close,
            max_slippage=max_slippage,
            sell=sell,
            repay=repay,
            keep=keep,
        )
        return Proposal(self._session, make_plan(self._session, self.value, question))

    def to_json(self) -> str:
        """Return what was read as a `defilev/account@1` document; `from_json` gives it back."""
        return self.value.to_json()
