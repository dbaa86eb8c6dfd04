"""Volatility estimators and forecasts against published fits, simulation and algebra."""

from __future__ import annotations

import builtins
from pathlib import Path

import numpy as np
import pytest

from defilev.config.prices import load_history
from defilev.errors import ExtraMissing, HistoryUnusable, InvalidNumber
from defilev.model.history import DAY, PriceHistory
from defilev.risk.series import DailyReturns, DailyVariances, daily_returns, daily_variances
from defilev.risk.volatility import (
    aligned,
    beta,
    blend_implied,
    close_to_close,
    correlation,
    estimate_volatility,
    ewma,
    fit_garch,
    fit_gjr_garch,
    garman_klass,
    gjr_garch,
    half_long_run,
    har,
    implied_by_beta,
    long_run,
    parkinson,
    repair_correlation,
    rogers_satchell,
    shrink_correlation,
    stress_floor,
    stress_level,
    stressed_correlation,
    yang_zhang,
)

PRICES = Path(__file__).resolve().parents[1] / "golden" / "data" / "prices"


def candles(paths: np.ndarray, *, interval: int = 3600, start: float = 100.0) -> PriceHistory:
    """Candles whose log prices follow `paths`: one row of increments per candle."""
    closes = np.log(start) + paths.sum(axis=1).cumsum()
    opens = np.concatenate([[np.log(start)], closes[:-1]])
    inside = opens[:, None] + paths.cumsum(axis=1)
    high = np.maximum(inside.max(axis=1), np.maximum(opens, closes))
    low = np.minimum(inside.min(axis=1), np.minimum(opens, closes))
    times = np.arange(len(paths), dtype=np.int64) * interval + 1_600_000_000 // DAY * DAY
    return PriceHistory("X", interval, times, np.exp(opens), np.exp(high), np.exp(low), np.exp(closes))


def days_of(variance: np.ndarray) -> DailyVariances:
    return DailyVariances(np.arange(len(variance), dtype=np.int64), variance, 0)


def test_efficiency_and_bias_of_range_estimators() -> None:
    """Variance of the estimators against close-to-close: 5.2, 7.4, 6.0 ± 6 %, bias below 3 % at 5,000 steps.

    Parkinson 1980, Garman–Klass 1980, Rogers–Satchell 1991; each estimates forty thousand simulated candles, ten at a
    time. Ten squared normal returns have a relative variance of 2/10, against which efficiency is measured.
    """
    generator = np.random.default_rng(12)
    sigma, group = 0.001, 10
    estimators = {5.2: parkinson, 7.4: garman_klass, 6.0: rogers_satchell}
    found: dict[float, list[float]] = {efficiency: [] for efficiency in estimators}
    for _ in range(400):
        steps = generator.standard_normal((100, 5000), dtype=np.float32) * np.float32(sigma / 5000**0.5)
        for start in range(0, 100, group):
            history = candles(steps[start : start + group].astype(np.float64))
            for efficiency, estimator in estimators.items():
                found[efficiency].append(estimator(history) ** 2 / (8760 * sigma**2))
    for efficiency, variances in found.items():
        assert 4000 == len(variances)
        assert 1.0 == pytest.approx(np.mean(variances), abs=0.03)
        assert efficiency == pytest.approx(2.0 / group / np.var(variances), rel=0.06)


def test_estimators_recover_the_volatility() -> None:
    """On candles of a 70 % Brownian motion every estimator gives 70 %, ranges a little less (discreteness)."""
    sigma = 0.7 / np.sqrt(8760)
    history = candles(np.random.default_rng(3).standard_normal((6000, 250)) * sigma / np.sqrt(250))
    assert 0.7 == pytest.approx(close_to_close(history), rel=0.03)
    for estimator in (parkinson, garman_klass, rogers_satchell, yang_zhang):
        assert 0.7 == pytest.approx(estimator(history), rel=0.08)


def test_only_rogers_satchell_ignores_a_trend() -> None:
    """Log drift of 1.5σ per candle, true variance 1: close-to-close 3.25, Parkinson 1.79, Garman–Klass 1.21, RS .92."""
    steps = np.random.default_rng(5).standard_normal((8000, 1000)) / np.sqrt(1000) + 1.5 / 1000
    history = candles(steps * 0.001)
    scale = 0.001 * np.sqrt(8760)
    found = [(f(history) / scale) ** 2 for f in (close_to_close, parkinson, garman_klass, rogers_satchell)]
    assert [3.25, 1.79, 1.21, 0.94] == pytest.approx(found, rel=0.05)


def test_year_is_365_days_of_24_hours() -> None:
    """The same daily variance gives the same volatility from hourly and from daily candles."""
    generator = np.random.default_rng(1)
    hourly = candles(generator.standard_normal((24 * 400, 4)) * 0.002)
    daily = candles(np.diff(np.log(hourly.close[23::24]), prepend=np.log(100.0))[:, None], interval=DAY)
    assert close_to_close(hourly) == pytest.approx(close_to_close(daily), rel=0.12)


def test_real_half_year() -> None:
    """ETH and BTC, first half of 2025: hourly closes give 79.2 % and 49.3 %, and ranges read higher on real candles."""
    for name, expected in (("ETH", 0.792), ("BTC", 0.493)):
        history = load_history(PRICES, name)
        assert expected == pytest.approx(close_to_close(history), abs=5e-3)
        assert close_to_close(history) < parkinson(history) < rogers_satchell(history)


def test_ewma_is_the_weighted_mean() -> None:
    """Weights λ^age, normalised; a constant variance is returned as it is."""
    variance = np.array([1.0, 4.0, 9.0])
    expected = (0.94**2 * 1 + 0.94 * 4 + 9) / (0.94**2 + 0.94 + 1)
    assert np.sqrt(365 * expected) == pytest.approx(ewma(days_of(variance)))
    assert np.sqrt(365 * 2.0) == pytest.approx(half_long_run(days_of(np.full(50, 2.0))))


def test_blend_is_half_of_each_in_variance() -> None:
    """The calibrated estimator averages the variances of EWMA and long run."""
    daily = days_of(np.random.default_rng(2).exponential(size=200))
    assert 0.5 * ewma(daily) ** 2 + 0.5 * long_run(daily) ** 2 == pytest.approx(half_long_run(daily) ** 2)


def test_har_finds_a_persistent_process() -> None:
    """On simulated log-HAR variances the forecast is nearer to the truth than the long-run mean (Corsi 2009)."""
    generator = np.random.default_rng(9)
    logs = np.full(2000, -7.0)
    for t in range(30, 2000):
        mean = 0.35 * logs[t - 1] + 0.35 * logs[t - 7 : t].mean() + 0.25 * logs[t - 30 : t].mean()
        logs[t] = -0.35 + mean + 0.3 * generator.standard_normal()
    errors = []
    for t in range(1500, 1990, 10):
        past, ahead = days_of(np.exp(logs[:t])), np.exp(logs[t : t + 7]).mean()
        errors.append([abs(np.log(f**2 / 365 / ahead)) for f in (har(past, 7), long_run(past))])
    forecast, naive = np.mean(errors, axis=0)
    assert forecast < 0.8 * naive


def test_har_refuses_what_it_cannot_use() -> None:
    """Too few days, and days on which the price stood still."""
    with pytest.raises(HistoryUnusable, match="too few"):
        har(days_of(np.ones(80)), 7)
    with pytest.raises(HistoryUnusable, match="stood still"):
        har(days_of(np.zeros(200)), 7)


def test_garch_fit_is_the_published_one() -> None:
    """S&P 500 2000–2013, constant-mean GARCH(1,1): LL −5141.39; .0531 .0156 .0879 .9014; n 3,520 (arch's documents)."""
    from arch.data import sp500

    prices = sp500.load().loc["2000-01-01":"2014-01-01", "Adj Close"]
    fit = fit_garch(prices.pct_change().dropna().to_numpy())
    assert 3520 == fit.observations
    assert -5141.390 == pytest.approx(fit.log_likelihood, abs=1e-2)
    assert [0.0531, 0.0156, 0.0879, 0.9014] == pytest.approx([fit.mean, fit.omega, fit.alpha, fit.beta], abs=1e-3)


def test_term_structure_is_that_of_arch() -> None:
    """T·σ̄² + (σ²₊₁ − σ̄²)(1 − pᵀ)/(1 − p) is the sum of the forecasts that arch gives: 97.048735 over 30 days."""
    from arch.data import sp500

    returns = sp500.load()["Adj Close"].pct_change().dropna().to_numpy()
    assert 97.048735 == pytest.approx(1e4 * fit_garch(returns).horizon_variance(30), rel=1e-4)


def test_garch_falls_back_and_says_why() -> None:
    """A forecast that is not within a factor of two of the EWMA is not used."""
    generator = np.random.default_rng(4)
    returns = 0.02 * generator.standard_t(5, 800)
    trusted = gjr_garch(returns, 7, ewma_volatility=0.02 * np.sqrt(5 / 3 * 365))
    refused = gjr_garch(returns, 7, ewma_volatility=3.0)
    assert trusted.fallback is None
    assert 3.0 == refused.volatility
    assert "EWMA used" in (refused.fallback or "")
    assert fit_gjr_garch(returns).degrees is not None


def test_garch_needs_its_package_and_enough_days(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without arch the error names the extra; with too few days the days needed."""
    with pytest.raises(HistoryUnusable, match="too few"):
        fit_garch(np.zeros(100))
    real = builtins.__import__

    def without_arch(name: str, *rest: object, **more: object) -> object:
        if name == "arch":
            raise ImportError(name)
        return real(name, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(builtins, "__import__", without_arch)
    with pytest.raises(ExtraMissing) as caught:
        fit_garch(0.01 * np.random.default_rng(1).standard_normal(600))
    assert "defilev[garch]" in caught.value.fix


def test_implied_volatility_weighs_by_horizon() -> None:
    """Half of the variance at 30 days and beyond, in proportion below."""
    assert np.sqrt(0.5 * 0.8**2 + 0.5 * 0.6**2) == pytest.approx(blend_implied(0.6, 0.8, 45))
    weight = 0.5 * 7 / 30
    assert np.sqrt(weight * 0.8**2 + (1 - weight) * 0.6**2) == pytest.approx(blend_implied(0.6, 0.8, 7))
    assert np.hypot(1.2 * 0.5, 0.3) == pytest.approx(implied_by_beta(0.5, 1.2, 0.3))


def test_floor_and_stress_of_a_changing_market() -> None:
    """The floor is the larger of the asset's and the quiet quarter; the stress level is the worst weeks'."""
    daily = days_of(np.where(np.arange(700) % 100 < 7, 0.01, 0.0004))
    assert 0.9 == stress_floor(daily, asset_floor=0.9)
    assert stress_floor(daily, asset_floor=0.0) < long_run(daily) < stress_level(daily)
    with pytest.raises(HistoryUnusable, match="stress"):
        stress_level(days_of(np.ones(30)))


def test_shrinkage_beats_the_sample() -> None:
    """Six assets, 60 observations, ρ=.7: Frobenius loss .510 against .550 of the sample (Ledoit–Wolf 2004)."""
    generator = np.random.default_rng(6)
    truth = np.where(np.eye(6, dtype=bool), 1.0, 0.7)
    root = np.linalg.cholesky(truth)
    losses = []
    for _ in range(300):
        x = generator.standard_normal((60, 6)) @ root.T
        scaled = x / np.sqrt((x**2).mean(axis=0))
        losses.append([np.linalg.norm(m - truth) for m in (shrink_correlation(x), scaled.T @ scaled / 60)])
    shrunk, sample = np.mean(losses, axis=0)
    assert shrunk < 0.95 * sample


def test_correlations_are_possible_after_repair() -> None:
    """No eigenvalue below zero, a diagonal of ones; what is already possible is left alone; nonsense is refused."""
    impossible = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    repaired = repair_correlation(impossible)
    assert np.linalg.eigvalsh(repaired).min() > -1e-12
    assert [1.0, 1.0, 1.0] == list(np.diag(repaired))
    assert np.ones((2, 2)) == pytest.approx(repair_correlation(np.ones((2, 2))))
    with pytest.raises(InvalidNumber, match="correlation"):
        repair_correlation(np.array([[1.0, 0.5], [0.2, 1.0]]))


def test_a_bad_day_cuts_diversification_only() -> None:
    """Collaterals rise to .9, a volatile debt falls by .3, what is already worse stays."""
    stressed = stressed_correlation(np.array([[1, 0.5, 0.6], [0.5, 1, 0.2], [0.6, 0.2, 1]]), [0, 1], [2])
    assert stressed[0, 1] > 0.8
    assert stressed[0, 2] < 0.45


def test_beta_of_a_doubled_asset() -> None:
    """Returns twice the reference's have raw beta 2, shrunk to .33 + .67·2 (Blume), on the days both have."""
    generator = np.random.default_rng(7)
    day = np.arange(200, dtype=np.int64)
    reference = DailyReturns(day, 0.03 * generator.standard_normal(200), 0)
    asset = DailyReturns(day[20:], 2 * reference.value[20:], 0)
    found = beta(asset, reference)
    assert (2.0, 1.67, 180) == pytest.approx((found.raw, found.value, found.days))
    matrix = correlation(aligned([asset, reference]))
    assert matrix[0, 1] > 0.99
    with pytest.raises(HistoryUnusable, match="in common"):
        aligned([asset, DailyReturns(day + 190, reference.value, 0)])


def test_estimate_says_what_it_was_chosen_from() -> None:
    """The used volatility is the larger of floor and forecast, and every figure behind it is there."""
    history = load_history(PRICES, "BTC")
    found = estimate_volatility(history, horizon_days=7, implied=0.9, asset_floor=0.45)
    names = [component.name for component in found.components]
    assert ["ewma", "long-run", "blend", "implied", "floor"] == names
    assert found.used >= found.floor >= 0.45
    bound = estimate_volatility(history, horizon_days=7, asset_floor=2.0)
    assert 2.0 == bound.used == bound.calibrated
    assert any("floor" in note for note in bound.notes)
    assert "har" == estimate_volatility(history, horizon_days=7, method="har").method


def test_days_need_all_their_candles() -> None:
    """A missing hour drops its day from the variances, and the return across a missing close."""
    history = candles(np.random.default_rng(1).standard_normal((24 * 10, 2)) * 0.01)
    keep = np.arange(len(history)) != 24 * 4 + 23
    holed = PriceHistory(
        "X",
        3600,
        *(column[keep] for column in (history.opens_at, history.open, history.high, history.low, history.close)),
    )
    whole, fewer = daily_variances(history), daily_variances(holed)
    assert (9, 7) == (len(whole), len(fewer))
    assert fewer.dropped > whole.dropped
    assert (9, 7) == (len(daily_returns(history)), len(daily_returns(holed)))
