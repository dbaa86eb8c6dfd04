"""What a plan may use: the way to its goal, what may be sold and repaid, and what is not touched, or not gladly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias, get_args

from defilev.errors import InvalidNumber, UsageError
from defilev.model.token import Token
from defilev.units import parse_percentage

__all__ = [
    "ANYTHING",
    "LOAN_WAYS",
    "PERP_WAYS",
    "Constraints",
    "Keep",
    "PerpVia",
    "Via",
    "is_named",
    "options_of",
    "parse_constraints",
]

LoanVia = Literal["mixed", "wallet", "payer", "collateral", "sell", "atomic"]
PerpVia = Literal["reduce", "margin"]
Via: TypeAlias = LoanVia | PerpVia

LOAN_WAYS: tuple[str, ...] = get_args(LoanVia)
"""From the wallet and by sales; from the wallet; from another's; by adding collateral; by sales; by the executor."""

PERP_WAYS: tuple[str, ...] = get_args(PerpVia)


@dataclass(frozen=True, slots=True)
class Keep:
    """An asset, by symbol or address, that is not touched, or that is sold as if it cost `penalty` of its value more.

    `penalty` is a fraction; `None` says that it is never sold, and never taken from the wallet.
    """

    asset: str
    penalty: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Constraints:
    """What the user wants of a plan beside its goal; assets are symbols or addresses.

    `via` is the way, `None` for the usual one: what the wallet has of the debts and then sales, or for perpetuals to
    reduce them. `sell` and `repay` are all that may be sold and repaid, everything when empty. Upwards
    `borrow` and `buy` are what is borrowed, and supplied more of, `None` for the largest.
    """

    via: Via | None = None
    sell: tuple[str, ...] = ()
    repay: tuple[str, ...] = ()
    keep: tuple[Keep, ...] = ()
    borrow: str | None = None
    buy: str | None = None

    def keeps(self, token: Token) -> bool:
        """Tell whether `token` must not be touched."""
        return any(keep.penalty is None and is_named([keep.asset], token) for keep in self.keep)

    def may_sell(self, token: Token) -> bool:
        """Tell whether `token` may be sold."""
        return not self.keeps(token) and (not self.sell or is_named(self.sell, token))

    def penalty(self, token: Token) -> float:
        """Return what selling `token` is to count beyond what it costs, as a fraction of what is sold."""
        return float(sum((keep.penalty or 0 for keep in self.keep if is_named([keep.asset], token)), Decimal(0)))


ANYTHING = Constraints()
"""What is asked for when nothing is."""


def is_named(names: Sequence[str], token: Token) -> bool:
    """Tell whether one of `names` is the token's symbol or address, in any case."""
    return any(name.casefold() in (token.symbol.casefold(), token.address.casefold()) for name in names)


def parse_constraints(
    *,
    via: str | None = None,
    sell: Sequence[str] | None = None,
    repay: Sequence[str] | None = None,
    keep: Sequence[str] | None = None,
    borrow: str | None = None,
    buy: str | None = None,
    has_payer: bool = False,
) -> Constraints:
    """Return the constraints that were typed; `keep` as `wstETH`, or `wstETH=2%` for a penalty.

    A payer is a way of its own, which need not be named.

    Raises:
        UsageError: no such way, or constraints that contradict each other.
        InvalidNumber: a penalty that is no percentage between 0 and 100.
    """
    kept, sold = tuple(_keep(text) for text in keep or ()), tuple(sell or ())
    via = "payer" if via is None and has_payer else via
    if via in ("wallet", "payer", "collateral", "margin") and sold:
        raise UsageError(f"--via {via} sells nothing, and --sell says what to sell", fix="leave one of them out")
    if via == "collateral" and repay:
        raise UsageError("--via collateral repays nothing, and --repay says what to repay", fix="leave one of them out")
    both = [name for name in sold if name.casefold() in {each.asset.casefold() for each in kept if not each.penalty}]
    if both:
        raise UsageError(f"--sell {both[0]} and --keep {both[0]} contradict each other", fix="leave one of them out")
    return Constraints(_via(via), sold, tuple(repay or ()), kept, borrow, buy)


def options_of(constraints: Constraints, payer: str | None = None) -> tuple[str, ...]:
    """Return the options that ask for `constraints`, as they are typed."""
    via = () if constraints.via is None or payer is not None else ("--via", constraints.via)
    kept = (
        f"{keep.asset}={(keep.penalty * 100).normalize():f}%" if keep.penalty else keep.asset
        for keep in constraints.keep
    )
    named = {"--sell": constraints.sell, "--repay": constraints.repay, "--keep": tuple(kept)}
    named |= {f"--{option}": (name,) for option in ("borrow", "buy") if (name := getattr(constraints, option))}
    repeated = (part for option, names in named.items() for name in names for part in (option, name))
    return (*via, *repeated, *(() if payer is None else ("--payer", payer)))


def _via(text: str | None) -> Via | None:
    ways = (*LOAN_WAYS, *PERP_WAYS)
    if text is not None and text not in ways:
        raise UsageError(f"--via {text!r} is no way to a goal", fix=f"give one of {', '.join(ways)}")
    return text  # type: ignore[return-value]


def _keep(text: str) -> Keep:
    asset, sign, penalty = text.partition("=")
    if not sign:
        return Keep(asset.strip())
    value = parse_percentage(penalty, what="--keep")
    if not 0 < value < 1:
        raise InvalidNumber(f"--keep {text.strip()} is not a penalty", fix="write it as wstETH=2%, or wstETH for never")
    return Keep(asset.strip(), value)
