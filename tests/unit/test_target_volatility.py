"""Where an account's volatility comes from: real candles and a real volatility index, rounds of feeds, a figure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from defilev.config.prices import load_history, load_implied
from defilev.errors import HistoryUnusable, UsageError
from defilev.model.request import Batch, CallResult, Results
from defilev.pipeline.volatility import Volatilities, VolatilityChoice, volatilities_of
from defilev.risk.series import daily_returns
from defilev.risk.volatility import beta, blend_implied, estimate_volatility, implied_by_beta
from tests.factories import ETH_FEED, USDC, WBTC, WETH, WSTETH, a_term, an_exposure

DATA = Path(__file__).resolve().parents[1] / "golden" / "data"
PRICES = DATA / "prices"
DVOL = DATA / "vol" / "btc_dvol_deribit_1h_2025h1.csv.gz"
END = 1_751_328_000
"""2025-07-01, when the recorded half year closes."""

ONE = an_exposure(a_term(WETH, price=2500, capacity=1000), a_term(USDC, price=1, requirement=500))
TWO = an_exposure(
    a_term(WETH, price=2500, capacity=600),
    a_term(WBTC, price=107_000, capacity=400),
    a_term(USDC, price=1, requirement=500),
)
LOOP = an_exposure(a_term(WSTETH, price=3000, capacity=1000), a_term(WETH, price=2500, requirement=900))


def asked(
    choice: VolatilityChoice, exposure: object = ONE, fetch: Callable[[Batch], Results] | None = None
) -> Volatilities:
    def nobody(_: Batch) -> Results:
        raise AssertionError("nothing is to be asked of the chain")

    return volatilities_of(exposure, choice, horizon_days=7, at=END, fetch=fetch or nobody)  # type: ignore[arg-type]


def test_real_candles_say_what_they_were_chosen_from() -> None:
    """ETH and BTC, first half of 2025: each asset's figures, a measured correlation, and BTC's beta to ETH."""
    found = asked(VolatilityChoice(prices=PRICES), TWO)
    names = {part.name for part in found.parts}
    assert {"WETH ewma", "WETH long-run", "WETH blend", "WETH floor", "WBTC blend"} <= names
    assert found.measured
    assert 0.6 < found.by_feed[ETH_FEED] < 0.9
    assert 0.0 == found.by_feed[USDC.address]
    assert (1.0, 0.0) == (found.betas[ETH_FEED], found.betas[USDC.address])
    assert 0.3 < found.betas[WBTC.address] < 0.9


def test_index_of_the_asset_itself_is_blended_in() -> None:
    """BTC's index at its last close, 37.74 %, in the weight that a 30-day figure has for a week."""
    alone = an_exposure(a_term(WBTC, price=107_000, capacity=1000), a_term(USDC, price=1, requirement=500))
    found = asked(VolatilityChoice(prices=PRICES, implied_file=DVOL), alone)
    assert (0.3774, END) == pytest.approx(load_implied(DVOL, at=END))
    plain = estimate_volatility(load_history(PRICES, "BTC"), horizon_days=7, asset_floor=0.0)
    blended = blend_implied(plain.used, 0.3774, 7)
    floor = next(part.value for part in found.parts if part.name == "WBTC floor")
    assert max(floor, blended) == pytest.approx(found.by_feed[WBTC.address], rel=1e-9)
    assert "blend and implied" == found.method


def test_index_of_bitcoin_serves_ether_through_its_beta_and_says_so() -> None:
    """ETH has no index here: β × BTC's with ETH's own residual is used, and a note says both."""
    found = asked(VolatilityChoice(prices=PRICES, implied_file=DVOL))
    measured = beta(daily_returns(load_history(PRICES, "ETH")), daily_returns(load_history(PRICES, "BTC")))
    expected = implied_by_beta(0.3774, measured.value, measured.residual_volatility)
    implied = next(part.value for part in found.parts if part.name == "WETH implied")
    assert expected == pytest.approx(implied, rel=1e-9)
    assert implied > 0.3774
    (note,) = [note for note in found.notes if "own residual" in note]
    assert f"{measured.value:.2f} × that of BTC" in note
    assert f"residual of {measured.residual_volatility:.0%}" in note


def test_index_without_the_histories_that_its_beta_needs_is_refused() -> None:
    """Alone it is of BTC only; beside one file there is no BTC to measure the beta to: each fix names what would do."""
    with pytest.raises(UsageError, match="of BTC only") as alone:
        asked(VolatilityChoice(implied_file=DVOL))
    assert "--prices DIR" in alone.value.fix
    file = PRICES / "ethusdt_binance_spot_1h_2025h1.csv.gz"
    with pytest.raises(UsageError, match="needs its beta") as single:
        asked(VolatilityChoice(prices=file, implied_file=DVOL))
    assert "btc*.csv.gz" in single.value.fix


def test_an_index_that_ended_days_ago_is_refused() -> None:
    """What options said four days ago says nothing of today."""
    with pytest.raises(HistoryUnusable, match=r"ends 4\.0 days before"):
        volatilities_of(
            ONE, VolatilityChoice(implied_file=DVOL), horizon_days=7, at=END + 4 * 86_400, fetch=lambda _: []
        )


def test_methods_ask_for_the_history_that_they_need() -> None:
    """Half a year is enough for HAR and not for GARCH, whose refusal says how much is."""
    assert "har" == asked(VolatilityChoice(method="har", prices=PRICES)).method
    with pytest.raises(HistoryUnusable, match=r"181\.0 days, and 503 are needed"):
        asked(VolatilityChoice(method="garch", prices=PRICES))


def test_nothing_is_asked_where_nothing_moves_but_together() -> None:
    """A loop needs no volatility, whatever is said of prices; a figure needs no history."""
    for choice in (VolatilityChoice(), VolatilityChoice(is_feed=True), VolatilityChoice(prices=PRICES)):
        assert {ETH_FEED: 0.0} == asked(choice, LOOP).by_feed
    with pytest.raises(HistoryUnusable, match="does not exist"):
        asked(VolatilityChoice(prices=PRICES / "nowhere"), LOOP)
    assert 0.65 == asked(VolatilityChoice(figure=0.65)).by_feed[ETH_FEED]


def test_without_prices_the_feed_is_asked() -> None:
    """Neither a figure nor prices: the rounds of the oracle's feed, and a source without any is a refusal."""
    answers: list[int] = []

    def no_feed(batch: Batch) -> Results:
        answers.append(len(batch))
        return [CallResult(success=False, data=b"") for _ in batch]

    for choice in (VolatilityChoice(), VolatilityChoice(is_feed=True), VolatilityChoice(method="ewma")):
        with pytest.raises(HistoryUnusable, match="no rounds") as caught:
            asked(choice, fetch=no_feed)
        assert "--volatility 65%" in caught.value.fix
    assert [2, 2, 2] == answers
