"""Reads the accounts of a rules file at one block: all of a market at once, and what single triggers ask for beside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from defilev.guard.reading import Reading
from defilev.model.account import LendingAccount
from defilev.model.guard_rules import AccountRule
from defilev.model.request import Address
from defilev.model.target import Target, Trade
from defilev.model.target_inputs import Preferences
from defilev.pipeline.exposing import exposure_of
from defilev.pipeline.loans import read_loans
from defilev.pipeline.look import read_accounts
from defilev.pipeline.market_prices import limits_of, market_health
from defilev.pipeline.session import Session
from defilev.pipeline.targeting import TargetQuestion, make_target
from defilev.pipeline.volatility import VolatilityChoice
from defilev.pipeline.watching import Surroundings, closed_debts, parameters_of, read_surroundings
from defilev.protocols import PERPS_AS_LOANS, PROTOCOLS
from defilev.risk.prices import stale_prices
from defilev.units import RAY, to_decimal

__all__ = ["read_rules", "reading_of"]

DAY = 86_400
_SURROUNDED = frozenset({"utilisation", "parameter-change"})


def read_rules(session: Session, rules: Iterable[AccountRule]) -> dict[str, Reading]:
    """Return by name what each account of `rules` looks like at the session's block.

    Raises:
        UnknownName: a protocol or market that the address book does not have.
        DataError: the chain does not answer, or not consistently.
    """
    by_market: dict[tuple[str, str], list[AccountRule]] = {}
    for rule in rules:
        by_market.setdefault((rule.protocol, rule.market), []).append(rule)
    found: dict[str, Reading] = {}
    for (protocol, market), members in by_market.items():
        owners = list(dict.fromkeys(rule.owner for rule in members))
        by_owner = dict(zip(owners, _accounts(session, owners, protocol, market), strict=True))
        asking = [rule for rule in members if _asks_around(rule)]
        around = read_surroundings(session, [by_owner[rule.owner] for rule in asking])
        known = dict(zip((rule.name for rule in asking), around, strict=True))
        found |= {
            rule.name: _reading(session, rule, by_owner[rule.owner], known.get(rule.name, Surroundings()))
            for rule in members
        }
    return found


def reading_of(session: Session, rule: AccountRule, account: LendingAccount) -> Reading:
    """Return what there is to know of one account, as far as its rule asks; raises `DataError`."""
    (around,) = read_surroundings(session, [account]) if _asks_around(rule) else [Surroundings()]
    return _reading(session, rule, account, around)


def _accounts(session: Session, owners: Sequence[Address], protocol: str, market: str) -> Sequence[LendingAccount]:
    """Return the account of each owner, in their order; an empty one of who has no perpetuals."""
    if protocol in PERPS_AS_LOANS:
        return read_loans(session, owners, protocol=protocol, market=market)
    return read_accounts(session, owners, protocols=[protocol], market=market)


def _asks_around(rule: AccountRule) -> bool:
    return any(trigger.kind in _SURROUNDED for trigger in rule.triggers)


def _reading(session: Session, rule: AccountRule, account: LendingAccount, around: Surroundings) -> Reading:
    is_watching = any(trigger.kind == "parameter-change" for trigger in rule.triggers)
    targets = _targets(session, rule, account)
    stale = stale_prices(account, limits=limits_of(session))
    supplies = [leg for leg in account.legs if leg.side == "supply"]
    return Reading(
        account=account,
        leverage=_leverage(account),
        prices={leg.asset.symbol: to_decimal(leg.price.value, leg.price.decimals) for leg in account.legs},
        borrow_rates={leg.asset.symbol: Decimal(leg.rate) / RAY for leg in account.legs if leg.side == "borrow"},
        withdrawable={leg.asset.symbol: _withdrawable(account, leg.asset.address, leg.amount) for leg in supplies},
        utilisation={
            leg.asset.symbol: Decimal(str(around.utilisation[leg.asset.symbol]))
            for leg in supplies
            if leg.asset.symbol in around.utilisation
        },
        probabilities={seconds: _chance(target) for seconds, target in targets.items()},
        trade=_trade(targets),
        parameters={**parameters_of(account), **around.curves, **around.caps} if is_watching else {},
        is_paused=bool(closed_debts(account)),
        notices=(*account.warnings, *stale),
        market_health=market_health(session, account) if stale and account.protocol in PROTOCOLS else None,
        margin_ratio=_margin_ratio(account),
    )


def _margin_ratio(account: LendingAccount) -> Decimal | None:
    if account.protocol not in PERPS_AS_LOANS or account.state is None:
        return None
    wad = PERPS_AS_LOANS[account.protocol].margin_ratio(account)
    return None if wad is None else to_decimal(wad, 18)


def _leverage(account: LendingAccount) -> Decimal | None:
    if account.protocol in PERPS_AS_LOANS:
        found = None if account.state is None else PERPS_AS_LOANS[account.protocol].leverage(account)
        return None if found is None else Decimal(found.numerator) / found.denominator
    if account.debt_value == 0 or account.equity_value <= 0:
        return None
    return Decimal(account.collateral_value) / Decimal(account.equity_value)


def _withdrawable(account: LendingAccount, asset: Address, amount: int) -> Decimal:
    if amount == 0 or account.protocol not in PROTOCOLS:
        return Decimal(1)
    liquidity = PROTOCOLS[account.protocol].liquidity(account, asset)
    return min(Decimal(liquidity) / Decimal(amount), Decimal(1))


def _targets(session: Session, rule: AccountRule, account: LendingAccount) -> dict[int, Target]:
    """Return by horizon in seconds the targets that the rule's triggers and goal are about."""
    if rule.volatility is None or account.health_factor is None or account.equity_value <= 0:
        return {}
    usual = Preferences()
    horizons = {trigger.within for trigger in rule.triggers if trigger.within is not None}
    asks_for_band = any(trigger.kind == "no-trade-band" for trigger in rule.triggers)
    if asks_for_band or (rule.goal is not None and rule.goal.kind == "band"):
        horizons.add(int(usual.horizon_days * DAY))
    exposure = exposure_of(account, settings=session.settings)
    volatility = VolatilityChoice(figure=float(rule.volatility))
    return {
        seconds: make_target(
            session, account, exposure, TargetQuestion(Preferences(horizon_days=seconds / DAY), volatility)
        )
        for seconds in sorted(horizons)
    }


def _chance(target: Target) -> float:
    """Return the chance of liquidation within the target's own horizon; the lognormal where no other applies."""
    risk = min(target.now.risks, key=lambda risk: abs(risk.days - target.preferences.horizon_days))
    return risk.deciding


def _trade(targets: Mapping[int, Target]) -> Trade | None:
    usual = int(Preferences().horizon_days * DAY)
    return targets[usual].trade if usual in targets else None
