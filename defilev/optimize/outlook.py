"""What holding a leverage means: chance of liquidation by three models, carry, drag, implied return, growth, loss."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from defilev.model.target import HorizonRisk, Outlook
from defilev.model.target_inputs import BorrowMarket, Jumps, Position, Preferences, RiskMarket
from defilev.optimize.carry import net_carry
from defilev.optimize.conversions import leverage_to_health_factor
from defilev.optimize.leverage import (
    expected_return_of_sharpe,
    growth_rate,
    implied_return,
    leverage_decay,
)
from defilev.risk.first_passage import (
    KouJumps,
    LiquidationTerms,
    calibrated_liquidation_probability,
    diffusion_drift,
    diffusion_volatility,
    interest_only_years,
    jump_liquidation_probability,
    liquidation_outcome,
    liquidation_probability,
)

__all__ = ["Case", "kou_of", "money", "quoted_rate"]

DAYS_PER_YEAR = 365.0
SHOWN_DAYS = (1.0, 7.0, 30.0)
VOLATILITY_ERROR = 0.15
_CENT = Decimal("0.01")


def money(value: float) -> Decimal:
    """Return an estimated amount of quote units to the cent."""
    return Decimal(repr(value)).quantize(_CENT)


def kou_of(jumps: Jumps) -> KouJumps:
    """Return the jumps in the form that first passage takes."""
    return KouJumps(jumps.intensity, jumps.up_share, up_rate=1 / jumps.mean_up, down_rate=1 / jumps.mean_down)


def quoted_rate(market: BorrowMarket, extra: float) -> float:
    """Return the yearly borrow rate once `extra` quote units more (negative: less) are owed by the account."""
    owed = max(float(market.borrowed) + extra, 0.0)
    total = float(market.borrowed + market.liquidity)
    usage = min(owed / total, 1.0) if total > 0 else 0.0
    if usage <= market.optimal_usage:
        return market.base + market.slope_1 * usage / market.optimal_usage
    return market.base + market.slope_1 + market.slope_2 * (usage - market.optimal_usage) / (1 - market.optimal_usage)


@dataclass(frozen=True, slots=True)
class Case:
    """One account in one market under one user's preferences: what every figure of a target is a function of."""

    position: Position
    market: RiskMarket
    preferences: Preferences

    @property
    def has_price_risk(self) -> bool:
        """Whether prices, and not only rates, can liquidate."""
        return self.position.side != "correlated"

    @property
    def horizon(self) -> float:
        """The horizon of the liquidation budget in years."""
        return self.preferences.horizon_days / DAYS_PER_YEAR

    @property
    def equity(self) -> float:
        """Equity in quote units."""
        return float(self.position.equity_value)

    @property
    def view(self) -> float:
        """The price drift per year that the user states, or else that of the prior."""
        wants = self.preferences
        if wants.expected_return is not None:
            return wants.expected_return
        sharpe = wants.prior_sharpe if wants.sharpe is None else wants.sharpe
        return expected_return_of_sharpe(sharpe, self.market.exposure_volatility, risk_free_rate=wants.risk_free_rate)

    @property
    def idle_rate(self) -> float:
        """What money outside earns: never more than borrowing costs."""
        return min(self.preferences.idle_rate, self.position.borrow_rate)

    def borrow_rate(self, leverage: float) -> float:
        """Return the borrow rate that the market would ask at this leverage, by its own curve where it is known."""
        position = self.position
        if position.borrow_market is None:
            return position.borrow_rate
        extra = max(leverage - 1, 0.0) * self.equity - float(position.debt_value)
        change = quoted_rate(position.borrow_market, extra) - quoted_rate(position.borrow_market, 0.0)
        return max(position.borrow_rate + change, 0.0)

    def health_factor(self, leverage: float) -> float | None:
        """Return the health factor at a leverage; `None` when nothing would be owed."""
        return leverage_to_health_factor(leverage, self.position.liquidation_threshold)

    def risk(self, health_factor: float | None, days: float, *, borrow_rate: float) -> HorizonRisk:
        """Return the chance of liquidation within `days`; nothing owed has none, health of 1 or less is certain."""
        if health_factor is None:
            return HorizonRisk(days, 0.0, 0.0, 0.0, 0.0, 0.0)
        if health_factor <= 1:
            return HorizonRisk(days, 1.0, 1.0, 1.0, 1.0, 1.0)
        carry = self.position.supply_rate - borrow_rate
        sigma = self.market.volatility
        levels = (sigma, sigma * (1 - VOLATILITY_ERROR), sigma * (1 + VOLATILITY_ERROR))
        calibrated, low, high = (self._calibrated(health_factor, level, days, carry) for level in levels)
        years = days / DAYS_PER_YEAR
        plain = liquidation_probability(health_factor, sigma, years, self.market.drift + carry)
        return HorizonRisk(days, calibrated, low, high, self._jumps(health_factor, years, carry), plain)

    def outlook(self, name: str, leverage: float, *, health_factor: float | None = None) -> Outlook:
        """Return what holding `leverage` means; `health_factor` is the exact one where it is known."""
        health = self.health_factor(leverage) if health_factor is None else health_factor
        rate = self.borrow_rate(leverage) if health is not None else self.position.borrow_rate
        risks = self._risks(health, rate)
        years = None if health is None else interest_only_years(health, self.position.supply_rate, rate)
        return Outlook(
            name=name,
            leverage=leverage,
            health_factor=health,
            risks=risks,
            borrow_rate=rate,
            carry=net_carry(max(leverage, 1.0), self.position.supply_rate, rate),
            decay=leverage_decay(leverage, self.market.exposure_volatility**2) if leverage > 1 else 0.0,
            implied_return=self._implied(leverage, rate),
            growth=self._growth(leverage, rate),
            expected_loss=self._expected_loss(leverage, risks, rate),
            interest_days=None if years is None else years * DAYS_PER_YEAR,
        )

    def _risks(self, health: float | None, rate: float) -> tuple[HorizonRisk, ...]:
        if not self.has_price_risk:
            return ()
        days = sorted({*SHOWN_DAYS, self.preferences.horizon_days})
        return tuple(self.risk(health, each, borrow_rate=rate) for each in days)

    def _calibrated(self, health: float, sigma: float, days: float, carry: float) -> float | None:
        table = self.market.table
        if table is None or not table.horizons[0].days <= days <= table.horizons[-1].days:
            return None
        return calibrated_liquidation_probability(health, sigma, days / DAYS_PER_YEAR, carry, table=table)

    def jump_process(
        self, sigma: float, carry: float, jumps_of: Jumps | None = None
    ) -> tuple[float, float, KouJumps] | None:
        """Return volatility and drift of the diffusion part and the jumps, the market's own if none are given.

        `None` without jumps.
        """
        chosen = jumps_of or self.market.jumps
        if chosen is None or sigma <= 0:
            return None
        jumps = kou_of(chosen)
        diffusion = diffusion_volatility(sigma, jumps)
        growth = self.market.drift + 0.5 * self.market.volatility**2 + carry
        return diffusion, diffusion_drift(growth, diffusion, jumps), jumps

    def _jumps(self, health: float, years: float, carry: float) -> float | None:
        process = self.jump_process(self.market.volatility, carry)
        if process is None:
            return None
        diffusion, drift, jumps = process
        found = jump_liquidation_probability(health, diffusion, years, drift, jumps)
        return min(max(float(found), 0.0), 1.0)

    def _implied(self, leverage: float, rate: float) -> float | None:
        sigma, supply = self.market.exposure_volatility, self.position.supply_rate
        if not self.has_price_risk:
            return None
        if self.position.side == "short":
            return supply - rate - (leverage - 1) * sigma**2
        return implied_return(leverage, sigma, supply, rate)

    def _growth(self, leverage: float, rate: float) -> float | None:
        sigma, supply = self.market.exposure_volatility, self.position.supply_rate
        if not self.has_price_risk:
            return None
        if self.position.side == "short":
            short = leverage - 1
            return leverage * supply - short * (self.view + rate) - 0.5 * (short * sigma) ** 2
        return growth_rate(leverage, self.view, sigma, supply, rate, idle_rate=min(self.idle_rate, rate))

    def _expected_loss(self, leverage: float, risks: tuple[HorizonRisk, ...], rate: float) -> Decimal | None:
        """Return `βκD·P·(1 + (1−κ)P′)`: P′ is the chance of a second liquidation, given the whole horizon again."""
        position = self.position
        chosen = [risk for risk in risks if risk.days == self.preferences.horizon_days]
        if position.liquidation_bonus is None or not chosen:
            return None
        terms = LiquidationTerms(position.liquidation_threshold, position.liquidation_bonus, position.close_factor)
        after = self.risk(liquidation_outcome(terms).health_factor, chosen[0].days, borrow_rate=rate)
        often = chosen[0].deciding * (1 + (1 - position.close_factor) * after.deciding)
        debt = max(leverage - 1, 0.0) * self.equity
        return money(position.liquidation_bonus * position.close_factor * debt * often)
