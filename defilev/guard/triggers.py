"""Which triggers fire; pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

from defilev.guard.reading import Reading
from defilev.model.guard import Fired, TriggerKind
from defilev.model.guard_rules import Trigger

__all__ = ["AHEAD", "fired_by", "key_of", "new_peaks"]

AHEAD = "the account by the end of an action"
"""What a health trigger is about that fires before its own limit is reached."""

_PLACES = Decimal("0.000001")


def fired_by(
    triggers: Iterable[Trigger],
    reading: Reading,
    *,
    peaks: Mapping[str, Decimal],
    changed: Mapping[str, tuple[str, str]],
    ahead: Decimal | None = None,
) -> list[tuple[Trigger, Fired]]:
    """Return the triggers that fire, each with what was seen.

    Args:
        triggers: of one account's rule.
        reading: what is known of the account.
        peaks: the highest prices that trailing stops have seen, this reading's included.
        changed: by parameter what it was and what it is.
        ahead: the health at the end of an action that is begun now, when prices go on as they do: a health trigger
            fires below liquidation there, whatever its own limit.
    """
    found = []
    for trigger in triggers:
        if trigger.kind == "parameter-change":
            found += [
                (trigger, Fired(trigger.kind, after or "gone", before or "not there", name))
                for name, (before, after) in changed.items()
            ]
        elif trigger.kind == "trailing-stop":
            found += [(trigger, fired) for fired in _trailing(trigger, reading, peaks)]
        elif trigger.kind == "health":
            found += [(trigger, fired) for fired in _health(trigger, reading, ahead)]
        else:
            found += [(trigger, fired) for fired in _FIGURES[trigger.kind](trigger, reading)]
    return found


def key_of(fired: Fired) -> str:
    """Return what tells a trigger from every other between two ticks."""
    return f"{fired.kind} {fired.subject or ''}".strip()


def new_peaks(triggers: Iterable[Trigger], reading: Reading, before: Mapping[str, Decimal]) -> dict[str, Decimal]:
    """Return the highest price of every asset with a trailing stop, up to this reading."""
    assets = [trigger.asset for trigger in triggers if trigger.kind == "trailing-stop" and trigger.asset]
    found = {asset: (before.get(asset), reading.prices.get(asset)) for asset in assets}
    return {
        asset: max(price for price in both if price is not None)
        for asset, both in found.items()
        if any(price is not None for price in both)
    }


def _health(trigger: Trigger, reading: Reading, ahead: Decimal | None) -> Iterator[Fired]:
    """One of the two: low enough now, or liquidatable before an action is over."""
    now = list(_below(trigger, reading.health))
    yield from now
    if not now and ahead is not None and ahead < 1:
        yield Fired(trigger.kind, _shown(ahead), "1", AHEAD)


def _margin_ratio(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    yield from _below(trigger, reading.margin_ratio)


def _probability(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    chance = reading.probabilities.get(trigger.within or 0)
    yield from _above(trigger, None if chance is None else Decimal(str(chance)))


def _leverage(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    yield from _above(trigger, reading.leverage)


def _band(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    """The danger side alone: nothing is ever levered up."""
    trade, health = reading.trade, reading.health
    if trade is not None and health is not None and trade.action in ("deleverage", "close"):
        level = "no debt" if trade.health_factor is None else _shown(Decimal(str(trade.health_factor)))
        yield Fired(trigger.kind, _shown(health), level)


def _price(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    found = reading.prices.get(trigger.asset or "")
    yield from (_above if trigger.is_above else _below)(trigger, found, trigger.asset)


def _stop_loss(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
    account = reading.account
    yield from _below(trigger, Decimal(account.equity_value).scaleb(-account.quote_decimals))


def _trailing(trigger: Trigger, reading: Reading, peaks: Mapping[str, Decimal]) -> Iterator[Fired]:
    asset = trigger.asset or ""
    price, peak = reading.prices.get(asset), peaks.get(asset)
    if price is None or peak is None or trigger.limit is None:
        return
    stop = peak * (1 - trigger.limit)
    if price < stop:
        yield Fired(trigger.kind, _shown(price), _shown(stop), asset)


def _of_each(
    figures: Callable[[Reading], Mapping[str, Decimal]], *, is_above: bool
) -> Callable[[Trigger, Reading], Iterator[Fired]]:
    """Return what watches one figure of every asset."""
    compare = _above if is_above else _below

    def watched(trigger: Trigger, reading: Reading) -> Iterator[Fired]:
        for symbol, figure in figures(reading).items():
            yield from compare(trigger, figure, symbol)

    return watched


def _below(trigger: Trigger, figure: Decimal | None, subject: str | None = None) -> Iterator[Fired]:
    if figure is not None and trigger.limit is not None and figure < trigger.limit:
        yield Fired(trigger.kind, _shown(figure), _shown(trigger.limit), subject)


def _above(trigger: Trigger, figure: Decimal | None, subject: str | None = None) -> Iterator[Fired]:
    if figure is not None and trigger.limit is not None and figure > trigger.limit:
        yield Fired(trigger.kind, _shown(figure), _shown(trigger.limit), subject)


def _shown(figure: Decimal) -> str:
    rounded = figure.quantize(_PLACES).normalize()
    return f"{rounded:f}"


_FIGURES: Mapping[TriggerKind, Callable[[Trigger, Reading], Iterator[Fired]]] = {
    "margin-ratio": _margin_ratio,
    "liquidation-probability": _probability,
    "leverage": _leverage,
    "no-trade-band": _band,
    "price": _price,
    "stop-loss": _stop_loss,
    "borrow-rate": _of_each(lambda reading: reading.borrow_rates, is_above=True),
    "withdrawable": _of_each(lambda reading: reading.withdrawable, is_above=False),
    "utilisation": _of_each(lambda reading: reading.utilisation, is_above=True),
}
