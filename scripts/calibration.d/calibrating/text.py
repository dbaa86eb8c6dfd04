"""The words of the page."""

TITLE = """# Calibration: how often prices really fell that far

Made by `scripts/calibration` from the price histories in `scripts/calibration.d/data`; do not edit. What it
shows decides which figure the optimizer acts on: the *calibrated* probability, read from how far ETH and BTC
fell in units of their own volatility."""

HOW = """## How it was done

- **Start and barrier.** Every UTC day's last hourly close from 2019-01-01 on is a start, for ETH and for BTC.
  The barrier of a health factor is touched when an hourly low within the horizon is at or below start/health
  factor (one collateral, stable debt, no interest).
- **No look-ahead.** A prediction uses candles up to the start only; 2018 is history for the first ones. Tables
  and fits are frozen before the starts that they are judged on.
- **Gaps.** Nothing is filled: windows in which an hour is missing are left out, and so are days with a missing
  hour from the variances.
- **Volatility.** Daily variance is the sum of 24 squared hourly log returns. *EWMA* has decay 0.94; *blend* is
  ½ EWMA + ½ the mean of all days so far, in variance; *HAR* regresses on 1, 7 and 30 days, refitted every day;
  *GARCH* is GJR-GARCH(1,1)-t on daily returns, refitted every 30 days, with its term structure, replaced by the
  EWMA where the fit is not to be trusted.
- **Methods.** *Lognormal* is the closed form with zero mean return. *Jumps* is Kou's model with the default
  jumps and the blend as total volatility. *FHS* is filtered historical simulation of the GARCH fit, {paths}
  paths, intraday lows included. *Calibrated* reads the multiplier table with the blend.
- **Intervals.** Starts overlap and the two assets fall together, so a 95 % Wilson interval counts only calendar
  windows that fit side by side: 30-day figures rest on a few dozen of them."""

READ = """## What to keep in mind

- The sample is one history of two assets that fall together. Probabilities of 1 % are known to a factor of
  about two, 0.1 % is extrapolation.
- The worst day of the sample (12 March 2020) decides the far tail at 1 and 7 days; a table without it is
  thinner.
- The calibrated figure never falls below the smallest probability of its table (the tables of the first years
  reach 0.2 % to 1.5 % only): far from the barrier it says "at most that", and is printed as such by `defilev
  target`.
- In the diagram points on the lower edge are 0.1 % or less.
- LINK's range estimators are ruled by one candle, a low of $0.0001 on 2020-03-12: a wick of one venue. Closes
  are the safer measure, and `defilev target` refuses a history with such a wick in the range that it uses.
- Candles of one exchange are not the protocol's oracle: an oracle that lags or filters wicks liquidates less
  often than the lows suggest.
- The pooled table is for assets that behave like ETH and BTC; others get its multipliers times 1.15 until they
  are calibrated.
- Bootstrap seed {seed}; a run on the same data writes the same page."""

FOLLOWED = """From 2019 on, at every day's close anew: borrow all that 1 % in 7 days allows at a threshold of 83 %. A
liquidation takes 5 % of half of the debt. No fees and no interest, which flatters those who borrow. There are few
liquidations, and still no more than about a hundredth of the peak was left at some time: volatility drag."""

VOLATILITY = """![Volatility of ETH and BTC](volatility.svg)

Thin lines: the root of the mean daily variance of 30 days. Thick ones and the table: the whole file."""

SHIPPED = """`defilev/config/tables/major.json`: {assets}, starts {first} to {last}, estimator `{estimator}`. ± is a
standard error by bootstrap of 30-day blocks. Below 1 % the tail is a fitted generalised Pareto law:
extrapolation."""

HELD_OUT = """Multipliers fitted on windows from 2019 that ended before 2022, judged on starts from 2022 on.
*Lognormal* is the same judgement of the normal law's multipliers 1.96, 2.58 and 3.29."""

OUTSIDE = """Another asset, LINK, against the shipped table and with the margin of 1.15 that other assets get:"""

BREACHED_WHOLE = """How often it would have been liquidated. All starts 2019 to 2025; the calibrated row uses the
table of 1 January of the start's own year. Starts on which a method cannot tell so small a probability are
left out: the table of January 2019 ends at 1.5 % for 30 days; — is where none is left."""

BREACHED_LATE = """Starts from 2022 on; the calibrated row uses one table, of the windows that ended before 2022."""

PREDICTED_WHOLE = """Daily starts 2019 to 2025, ETH and BTC. *Touched* is the share of windows in which the price's
low reached 1/(health factor) of the start; the other columns are mean predictions. Bold: outside the interval."""

PREDICTED_LATE = """The same from 2022 on, with the calibrated column of the table fitted before 2022:"""

BRIER = (
    """Mean squared error of all predictions above (Brier score, times 1,000; lower is better), starts from 2022 on:"""
)
