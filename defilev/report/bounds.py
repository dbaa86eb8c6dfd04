"""Between which two moves of a price an account, or a whole book, lives: a loan dies of a fall, its hedge of a rise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from defilev.model.exposure import Exposure, plain_symbol
from defilev.model.request import Address
from defilev.report.liquidation import decimal_figure
from defilev.risk.forms import terms_of
from defilev.risk.liquidation import joint_shock

__all__ = ["Bounds", "bounds_of", "nearest_bound"]


@dataclass(frozen=True, slots=True)
class Bounds:
    """The relative moves of `driver` at which an account is liquidated, `None` where none does.

    `driver` is its plain name, and `None` for everything but stablecoins moving together. What can be liquidated now
    has zeros.
    """

    driver: str | None
    below: Decimal | None
    above: Decimal | None


def bounds_of(exposure: Exposure, *, quote: str, is_liquidatable: bool) -> tuple[Bounds, ...]:
    """Return the bounds of an account: of everything together, then of each driver that it depends on, by name.

    A driver of an account that counts in a token is a price in that token (WSTETH/ETH).
    """
    against = f"/{plain_symbol(quote)}" if exposure.relative else ""
    feeds: dict[str | None, list[Address]] = {}
    for driver in exposure.drivers:
        if not driver.stable and not driver.fixed and terms_of(exposure, driver.feed):
            feeds.setdefault(None, []).append(driver.feed)
            feeds.setdefault(plain_symbol(driver.symbol) + against, []).append(driver.feed)
    if is_liquidatable:
        return tuple(Bounds(name, Decimal(0), Decimal(0)) for name in feeds)
    return tuple(
        Bounds(name, _step(exposure, moved, -1.0), _step(exposure, moved, 1.0)) for name, moved in feeds.items()
    )


def nearest_bound(
    bounds: Iterable[tuple[int, Bounds]], side: Callable[[Bounds], Decimal | None]
) -> tuple[int, Decimal] | None:
    """Return whose bound on a side is nearest, by number, and where it is; `None` where nobody has one."""
    found = [(number, move) for number, each in bounds if (move := side(each)) is not None]
    return min(found, key=lambda each: abs(each[1]), default=None)


def _step(exposure: Exposure, feeds: Sequence[Address], sign: float) -> Decimal | None:
    step = joint_shock(exposure, dict.fromkeys(feeds, sign))
    return None if step is None else decimal_figure(sign * step)
