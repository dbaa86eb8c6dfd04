"""From an account to its target: rates from the market's own curve, volatility, multipliers, and then the optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from defilev.config.multipliers import load_multipliers
from defilev.config.settings import TargetSettings
from defilev.errors import CallReverted, Infeasible, UnknownName, UsageError
from defilev.model.account import Leg, LendingAccount
from defilev.model.exposure import Exposure, plain_symbol
from defilev.model.multipliers import MultiplierTable
from defilev.model.request import Address
from defilev.model.target import Target
from defilev.model.target_inputs import BorrowMarket, Depth, Jumps, Position, Preferences, RiskMarket
from defilev.model.token import Token
from defilev.observe.drive import drive
from defilev.optimize.mix import ACROSS, Mix, mix_of
from defilev.optimize.target import choose_target
from defilev.pipeline.hubs import native_of, read_hubs
from defilev.pipeline.session import Session
from defilev.pipeline.surroundings import deltas_of, depth_of, stress_cases
from defilev.pipeline.volatility import Volatilities, VolatilityChoice, volatilities_of
from defilev.protocols import PROTOCOLS
from defilev.risk.first_passage import jumps_for_volatility
from defilev.units import BPS, RAY, WAD, to_decimal

__all__ = ["SECONDS_PER_HOUR", "TargetQuestion", "make_target", "usual_preferences"]

SECONDS_PER_HOUR = 3_600

REBALANCE_GAS = 650_000
"""Withdraw, two approvals, a swap and a repayment."""

OTHER_ASSETS_FACTOR = 1.15
"""What multipliers are raised by for an asset that they were not derived from."""


@dataclass(frozen=True, slots=True)
class TargetQuestion:
    """What is asked: preferences, where volatility comes from, and yields that the chain does not show.

    `yields` are continuous rates per year by asset symbol, such as what wstETH's own rate grows by. `debt` is the asset
    to borrow when nothing is owed yet; a stablecoin of the market when left out.
    """

    preferences: Preferences
    volatility: VolatilityChoice = field(default_factory=VolatilityChoice)
    yields: Mapping[str, float] = field(default_factory=dict)
    debt: str | None = None


def usual_preferences(settings: TargetSettings) -> Preferences:
    """Return the preferences of somebody who stated none."""
    return Preferences(
        reaction_hours=settings.reaction / SECONDS_PER_HOUR,
        prior_sharpe=float(settings.prior_sharpe),
        information_years=float(settings.information_years),
    )


def make_target(session: Session, account: LendingAccount, exposure: Exposure, question: TargetQuestion) -> Target:
    """Return the target of `account`, which was read at the session's block and has collateral.

    Raises:
        Infeasible: no collateral counts, or no equity is left.
        UnknownName: a yield or debt of an asset that the market does not list.
        UsageError, HistoryUnusable: nothing says how prices move, or a history cannot be used.
        DataError: the chain does not answer.
    """
    if account.collateral_value <= 0:
        raise Infeasible("no collateral counts in this account", fix="supply collateral first")
    wants = question.preferences
    owed = _debt_tokens(session, account, question)
    borrow_market, notes = _borrow_market(session, account, owed)
    given = volatilities_of(
        exposure,
        question.volatility,
        horizon_days=wants.horizon_days,
        at=account.block.timestamp,
        fetch=session.fetch,
    )
    mix = mix_of(exposure, given.by_feed, given.correlation)
    depth, unknown = _depth(session, account, exposure)
    position = replace(
        _position(account, exposure, mix, question, borrow_market, owed),
        depth=depth,
        deltas=deltas_of(exposure, given.betas),
        stress_cases=stress_cases(exposure),
    )
    market = _market(exposure, mix, given, position, (*notes, *unknown))
    session.reader.verify()
    return choose_target(position, market, replace(wants, gas_value=_gas_value(session, account)))


def _debt_tokens(session: Session, account: LendingAccount, question: TargetQuestion) -> list[Token]:
    """Return what is owed, the largest first; what would be borrowed when nothing is."""
    legs = sorted((leg for leg in account.legs if leg.side == "borrow"), key=lambda leg: -leg.value)
    if legs:
        _require_owed(question.debt, [leg.asset.symbol for leg in legs])
        return [leg.asset for leg in legs]
    tokens = {token.symbol.casefold(): token for token in PROTOCOLS[account.protocol].tokens(account)}
    wanted = [question.debt] if question.debt else list(session.settings.stablecoins)
    found = [tokens[symbol.casefold()] for symbol in wanted if symbol.casefold() in tokens]
    if not found:
        raise UnknownName(
            f"{account.market} lists no {' or '.join(wanted[:3])} to borrow",
            fix="name an asset of the market with --debt",
            known=", ".join(token.symbol for token in tokens.values()),
        )
    return found[:1]


def _require_owed(debt: str | None, owed: Sequence[str]) -> None:
    if debt is not None and debt.casefold() not in {symbol.casefold() for symbol in owed}:
        raise UsageError(
            f"{', '.join(owed)} is owed already, and --debt {debt} says what would be borrowed when nothing is",
            fix="leave --debt out",
        )


def _borrow_market(
    session: Session, account: LendingAccount, owed: Sequence[Token]
) -> tuple[BorrowMarket | None, tuple[str, ...]]:
    """Return what the borrow rate depends on; without it, and with several debts, rates stay as they are."""
    if len(owed) != 1:
        return None, ("several debts: the borrow rate is taken as it is, whatever the size of the debt",)
    try:
        return drive(PROTOCOLS[account.protocol].borrow_market(account, owed[0].address), session.fetch), ()
    except CallReverted as error:
        return None, (f"the borrow rate is taken as it is: {error.fact}",)


def _depth(session: Session, account: LendingAccount, exposure: Exposure) -> tuple[Depth | None, tuple[str, ...]]:
    try:
        return depth_of(session, account, exposure), ()
    except CallReverted as error:
        return None, (f"what selling does to the pools is not known: {error.fact}",)


def _position(
    account: LendingAccount,
    exposure: Exposure,
    mix: Mix,
    question: TargetQuestion,
    borrow_market: BorrowMarket | None,
    owed: Sequence[Token],
) -> Position:
    unit = 10**account.quote_decimals
    supplies = [leg for leg in account.legs if leg.side == "supply" and leg.used_as_collateral]
    borrows = [leg for leg in account.legs if leg.side == "borrow"]
    stated = _stated_yield(account, supplies, question.yields)
    penalty = PROTOCOLS[account.protocol].penalty(account)
    health = None if account.health_factor is None else account.health_factor / WAD
    return Position(
        chain_id=account.chain_id,
        block=account.block,
        protocol=account.protocol,
        market=account.market,
        owner=account.owner,
        collateral_value=to_decimal(account.collateral_value, account.quote_decimals),
        debt_value=to_decimal(account.debt_value, account.quote_decimals),
        health_factor=health,
        liquidation_threshold=sum(term.capacity for term in exposure.terms) * unit / account.collateral_value,
        loan_to_value=(account.loan_to_value or 0) / BPS,
        supply_rate=_weighted_rate(supplies) + stated,
        borrow_rate=_weighted_rate(borrows) if borrows else _asked_rate(borrow_market),
        side=mix.side,
        risky_asset=_risky(exposure, mix),
        collateral_asset=", ".join(leg.asset.symbol for leg in sorted(supplies, key=lambda leg: -leg.value)),
        debt_asset=", ".join(token.symbol for token in owed),
        stated_yield=stated,
        liquidation_bonus=None if penalty is None else float(penalty.bonus),
        close_factor=0.5 if penalty is None else float(penalty.close_factor),
        borrow_market=borrow_market,
        depeg=None if health is None or mix.side != "correlated" else 1 / health - 1,
        market_priced=all(leg.price.ratio is None for leg in supplies),
        moving_share=mix.moving_share,
        quote=account.quote,
        market_label=account.market_label,
    )


def _asked_rate(market: BorrowMarket | None) -> float:
    return 0.0 if market is None else market.rate


def _weighted_rate(legs: Sequence[Leg]) -> float:
    total = sum(leg.value for leg in legs)
    return sum(leg.value * (leg.rate / RAY) for leg in legs) / total if total else 0.0


def _stated_yield(account: LendingAccount, supplies: Sequence[Leg], yields: Mapping[str, float]) -> float:
    known = {token.symbol.casefold() for token in PROTOCOLS[account.protocol].tokens(account)}
    rates = {symbol.casefold(): rate for symbol, rate in yields.items()}
    for symbol in rates:
        if symbol not in known:
            raise UnknownName(f"{account.market} lists no asset {symbol!r}", fix="name an asset of the market")
    total = sum(leg.value for leg in supplies)
    return sum(leg.value * rates.get(leg.asset.symbol.casefold(), 0.0) for leg in supplies) / total if total else 0.0


def _risky(exposure: Exposure, mix: Mix) -> str:
    """Return the names of the drivers that move on the exposed side, the heaviest first."""
    figure = "requirement" if mix.side == "short" else "capacity"
    weights: dict[Address, float] = {}
    for term in exposure.terms:
        weights[term.driver] = weights.get(term.driver, 0.0) + float(getattr(term, figure))
    volatile = [driver for driver in exposure.drivers if not driver.stable] or list(exposure.drivers)
    heaviest = sorted(volatile, key=lambda driver: -weights.get(driver.feed, 0.0))
    names = [plain_symbol(driver.symbol) for driver in heaviest if weights.get(driver.feed, 0.0) > 0]
    return ", ".join(dict.fromkeys(names)) or plain_symbol(heaviest[0].symbol)


def _market(
    exposure: Exposure, mix: Mix, given: Volatilities, position: Position, notes: tuple[str, ...]
) -> RiskMarket:
    stress = None if given.stress_by_feed is None else mix_of(exposure, given.stress_by_feed, given.correlation)
    has_prices = mix.side != "correlated"
    if not position.market_priced and not position.stated_yield:
        notes += ("what the collateral's own rate grows by is not known; state it: --yield wstETH=2.8%",)
    return RiskMarket(
        volatility=mix.volatility,
        exposure_volatility=mix.exposure_volatility,
        drift=mix.drift,
        method=given.method,
        parts=given.parts,
        stress_volatility=None if stress is None else max(stress.volatility, mix.volatility),
        jumps=_jumps(mix, mix.volatility) if has_prices else None,
        table=_table(position) if has_prices else None,
        correlation=ACROSS if mix.assumed and not given.measured else None,
        notes=(*given.notes, *notes) if has_prices else notes,
        stress_jumps=None if stress is None or not has_prices else _jumps(mix, max(stress.volatility, mix.volatility)),
    )


def _jumps(mix: Mix, volatility: float) -> Jumps:
    """Return the shipped jumps at this volatility; of a short account's health they go the other way."""
    kou = jumps_for_volatility(volatility)
    up, down, share = 1 / kou.up_rate, 1 / kou.down_rate, kou.up_share
    if mix.side == "short":
        up, down, share = down, up, 1 - share
    return Jumps(kou.intensity, share, mean_up=up, mean_down=down)


def _table(position: Position) -> MultiplierTable:
    table = load_multipliers()
    if set(position.risky_asset.split(", ")) <= {plain_symbol(asset) for asset in table.assets}:
        return table
    return table.scaled(OTHER_ASSETS_FACTOR, asset_class="other")


def _gas_value(session: Session, account: LendingAccount) -> Decimal:
    """Return what a rebalance costs in gas, in quote units; zero where the market has no price of the native asset."""
    protocol = PROTOCOLS[account.protocol]
    native = native_of(protocol.tokens(account), read_hubs(session))
    if native is None:
        return Decimal(0)
    base_fee = session.block.base_fee
    price = session.node.gas_price() if base_fee is None else base_fee
    value = protocol.value_down(account, native.address, price * REBALANCE_GAS)
    return to_decimal(value, account.quote_decimals)
