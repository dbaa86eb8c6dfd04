"""The flags of `defilev target` as the question that the pipeline answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import cast

from defilev.config.values import parse_duration
from defilev.errors import InvalidNumber, UnknownName, UsageError
from defilev.model.target_inputs import Objective, Preferences
from defilev.optimize.mix import NEARLY_STILL
from defilev.optimize.objectives import OBJECTIVES
from defilev.pipeline.targeting import SECONDS_PER_HOUR, TargetQuestion
from defilev.pipeline.volatility import VolatilityChoice
from defilev.risk.volatility.estimate import Method
from defilev.units import parse_decimal, parse_percentage

__all__ = ["TargetFlags", "parse_volatility", "target_question"]

SECONDS_PER_DAY = 86_400
LARGEST_VOLATILITY = 10.0
LARGEST_VIEW = 100.0
"""A Sharpe ratio, or a yearly return as a multiple of the price, beyond which it is a slip of the keyboard."""

FEED = Path("feed")
"""What --prices says for the rounds of the oracle's feeds."""

_METHODS: dict[str, Method] = {"ewma": "ewma", "har": "har", "garch": "garch"}


@dataclass(frozen=True, slots=True)
class TargetFlags:
    """What was typed; `None` and empty for what was not."""

    objective: str | None = None
    horizon: str | None = None
    max_liquidation_probability: str | None = None
    volatility: str | None = None
    prices: Path | None = None
    risk_aversion: str | None = None
    health_factor: str | None = None
    leverage: str | None = None
    min_health_factor: str | None = None
    max_leverage: str | None = None
    expected_return: str | None = None
    sharpe: str | None = None
    floor: str | None = None
    reaction: str | None = None
    yields: tuple[str, ...] = ()
    debt: str | None = None
    compare: bool = False


def target_question(flags: TargetFlags, *, usual: Preferences | None = None) -> TargetQuestion:
    """Return the question; `usual` is what holds where no flag says otherwise.

    Raises:
        InvalidNumber: a number outside its range.
        UnknownName: an objective that there is not.
        UsageError: flags that contradict each other, or one that a flag needs.
    """
    _require_consistent(flags)
    usual = usual or Preferences()
    horizon, reaction = _seconds(flags.horizon, "--horizon"), _seconds(flags.reaction, "--reaction")
    preferences = replace(
        usual,
        objective=_objective(flags),
        horizon_days=usual.horizon_days if horizon is None else horizon / SECONDS_PER_DAY,
        reaction_hours=usual.reaction_hours if reaction is None else reaction / SECONDS_PER_HOUR,
        maximum_probability=_share(flags.max_liquidation_probability, "--max-liquidation-probability")
        or usual.maximum_probability,
        risk_aversion=_above(flags.risk_aversion, "--risk-aversion", 0) or usual.risk_aversion,
        health_factor=_above(flags.health_factor, "--health-factor", 1),
        leverage=_above(flags.leverage, "--leverage", 1),
        minimum_health_factor=_above(flags.min_health_factor, "--min-health-factor", 1),
        maximum_leverage=_above(flags.max_leverage, "--max-leverage", 1),
        expected_return=_view(flags.expected_return, "--expected-return", parse_percentage),
        sharpe=_view(flags.sharpe, "--sharpe", parse_decimal),
        floor=_share(flags.floor, "--floor"),
        compare=flags.compare,
    )
    return TargetQuestion(
        preferences=preferences,
        volatility=parse_volatility(flags.volatility, prices=flags.prices),
        yields=dict(_yield(text) for text in flags.yields),
        debt=flags.debt,
    )


def parse_volatility(text: str | None, *, prices: Path | None) -> VolatilityChoice:
    """Return what `--volatility` and `--prices` say: a method, a figure, or an implied figure or file.

    Raises:
        InvalidNumber: a figure that is not between 5 % and 1000 %.
        UsageError: a figure beside a price history.
    """
    history = VolatilityChoice(is_feed=True) if prices == FEED else VolatilityChoice(prices=prices)
    if text is None:
        return history
    said = text.strip()
    if said in _METHODS:
        return replace(history, method=_METHODS[said])
    if said.startswith("implied:"):
        return _implied(said.removeprefix("implied:"), history)
    figure = _figure(said)
    if prices is not None:
        raise UsageError(
            "--volatility with a figure leaves nothing to estimate from --prices",
            fix="leave one of them out, or blend the two with --volatility implied:65%",
        )
    return VolatilityChoice(figure=figure)


def _implied(said: str, history: VolatilityChoice) -> VolatilityChoice:
    if said.endswith("%"):
        return replace(history, implied=_figure(said))
    path = Path(said)
    if not path.is_file():
        raise UsageError(
            f"--volatility implied:{said} is neither a percentage nor a file", fix="write --volatility implied:65%"
        )
    return replace(history, implied_file=path)


def _figure(said: str) -> float:
    if not said.endswith("%"):
        raise InvalidNumber(
            f"--volatility {said!r} is neither a percentage nor a method",
            fix="write --volatility 65%, or one of ewma, har, garch, implied:65%",
        )
    figure = float(parse_percentage(said, what="--volatility"))
    if not NEARLY_STILL <= figure <= LARGEST_VOLATILITY:
        raise InvalidNumber(
            f"--volatility {said} is not between {NEARLY_STILL:.0%} and {LARGEST_VOLATILITY:.0%} a year",
            fix="give the yearly volatility, such as 65%; a pair that moves together needs none",
        )
    return figure


def _seconds(text: str | None, what: str) -> int | None:
    return None if text is None else parse_duration(text, what=what)


def _objective(flags: TargetFlags) -> Objective:
    if flags.objective is None:
        return "keep" if flags.health_factor is None and flags.leverage is None else "fixed"
    name = flags.objective.strip().lower()
    if name not in OBJECTIVES:
        raise UnknownName(f"no objective is called {flags.objective!r}", fix=f"choose one of {', '.join(OBJECTIVES)}")
    return cast("Objective", name)


def _require_consistent(flags: TargetFlags) -> None:
    pairs = (
        ("--health-factor", flags.health_factor, "--leverage", flags.leverage),
        ("--expected-return", flags.expected_return, "--sharpe", flags.sharpe),
    )
    for first, given, second, other in pairs:
        if given is not None and other is not None:
            raise UsageError(f"{first} and {second} say the same thing twice", fix=f"give {first} or {second}")
    has_target = flags.health_factor is not None or flags.leverage is not None
    if has_target and flags.objective is not None and flags.objective != "fixed":
        raise UsageError(
            f"--objective {flags.objective} finds its own target", fix="use --objective fixed with a target of yours"
        )


def _above(text: str | None, what: str, limit: int) -> float | None:
    if text is None:
        return None
    value = parse_decimal(text, what=what)
    if not limit < value <= 1_000_000:
        raise InvalidNumber(f"{what} {text} is not above {limit}", fix=f"give a number above {limit}")
    return float(value)


def _view(text: str | None, what: str, parse: Callable[..., Decimal]) -> float | None:
    value = None if text is None else float(parse(text, what=what))
    if value is not None and abs(value) > LARGEST_VIEW:
        raise InvalidNumber(
            f"{what} {text} is no view of a year", fix="give a Sharpe ratio such as 0.8, or a return such as 20%"
        )
    return value


def _share(text: str | None, what: str) -> float | None:
    if text is None:
        return None
    value = parse_percentage(text, what=what)
    if not 0 < value < 1:
        raise InvalidNumber(f"{what} {text} is not between 0% and 100%", fix=f"write {what} 1%")
    return float(value)


def _yield(text: str) -> tuple[str, float]:
    name, _, rate = (part.strip() for part in text.partition("="))
    if not name or not rate:
        raise UsageError(f"--yield {text!r} does not say what earns how much", fix="write --yield wstETH=2.8%")
    value = parse_percentage(rate, what=f"--yield {name}")
    if not -1 < value < 1:
        raise InvalidNumber(f"--yield {name} {rate} is not a yearly rate", fix="write --yield wstETH=2.8%")
    return name, float(value)
