"""Hand-built values for tests: say what matters, the rest is sensible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from defilev.model.account import Leg, LendingAccount, Notice, Price, SelfCheck, Side
from defilev.model.exposure import Driver, Exposure, Term
from defilev.model.request import Address, Block
from defilev.model.token import Token
from defilev.report.health import HealthView
from defilev.report.health_report import ChainView, HealthReport
from defilev.report.total import total_of
from defilev.risk.holdings import holdings_of
from defilev.risk.prices import PriceLimits
from defilev.risk.status import HealthLimits
from defilev.units import BPS, RAY, WAD, Bps, Ray, Wad, to_raw

__all__ = [
    "BLOCK",
    "DAI",
    "ETH_FEED",
    "LIMITS",
    "OWNER",
    "PRICE_LIMITS",
    "USDC",
    "WBTC",
    "WETH",
    "WSTETH",
    "a_borrow",
    "a_driver",
    "a_price",
    "a_report",
    "a_supply",
    "a_term",
    "an_account",
    "an_exposure",
    "exposure_of",
]

WETH = Token(Address("0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2"), "WETH", 18)
WSTETH = Token(Address("0x7f39C581F595B53c5cb19bD0b3f8dA6c935E2Ca0"), "wstETH", 18)
WBTC = Token(Address("0x2260FAC5E5542a773Aa44fBCfeDf7C193bc2C599"), "WBTC", 8)
USDC = Token(Address("0xA0b86991c6218b36c1d19D4a2e9Eb0cE3606eB48"), "USDC", 6)
DAI = Token(Address("0x6B175474E89094C44Da98b954EedeAC495271d0F"), "DAI", 18)

OWNER = Address("0x8f3Cf7ad23Cd3CaDbD9735AFf958023239c6A063")
ETH_FEED = Address("0x5424384B256154046E9667dDFaaa5e550145215e")
BLOCK = Block(number=23_871_204, hash="0x" + "ab" * 32, timestamp=1_767_225_600, base_fee=10**9)
LIMITS = HealthLimits(low=Decimal("1.5"), danger=Decimal("1.1"))
PRICE_LIMITS = PriceLimits(stale_after=3 * 3600)

_ADAPTERS = {WSTETH.address: Address("0xe1D97bF61901B075E9626c8A2340a7De385861Ef")}
_DRIVERS = {WETH.address: ETH_FEED, WSTETH.address: ETH_FEED}
_STABLE = frozenset({USDC.address, DAI.address})
_QUOTE_DECIMALS = 8


def a_driver(token: Token, price: float, *, feed: Address | None = None, stable: bool | None = None) -> Driver:
    """A driver named after `token`; its feed is the token's, and USDC and DAI are stable."""
    is_stable = token.address in _STABLE if stable is None else stable
    return Driver(feed or _DRIVERS.get(token.address, token.address), token.symbol, price, is_stable)


def a_term(
    token: Token,
    *,
    price: float,
    capacity: float = 0.0,
    requirement: float = 0.0,
    driver: Address | None = None,
    supply_rate: float = 0.0,
    borrow_rate: float = 0.0,
) -> Term:
    """A term of `token`; WETH and wstETH share a driver, every other token has its own."""
    return Term(
        asset=token.address,
        symbol=token.symbol,
        driver=driver or _DRIVERS.get(token.address, token.address),
        price=price,
        capacity=capacity,
        requirement=requirement,
        equity=capacity - requirement,
        supply_rate=supply_rate,
        borrow_rate=borrow_rate,
    )


def an_exposure(*terms: Term, liquidated_at_equality: bool = False) -> Exposure:
    """An exposure with one driver for each feed of `terms`."""
    tokens = {token.address: token for token in (WETH, WSTETH, WBTC, USDC, DAI)}
    drivers: dict[Address, Driver] = {}
    for term in terms:
        drivers.setdefault(term.driver, a_driver(tokens[term.asset], term.price, feed=term.driver))
    return Exposure("aave-v3", "main", OWNER, tuple(drivers.values()), terms, liquidated_at_equality)


def a_price(token: Token, price: str, *, updated_at: int | None = BLOCK.timestamp - 840) -> Price:
    """The price of `token` in dollars with 8 decimals; wstETH's comes from an adapter on the ETH feed."""
    driver = _DRIVERS.get(token.address, token.address)
    source = _ADAPTERS.get(token.address, driver)
    return Price(to_raw(Decimal(price), _QUOTE_DECIMALS), _QUOTE_DECIMALS, source, driver, updated_at=updated_at)


def a_supply(
    token: Token,
    amount: str,
    price: str | Price,
    *,
    threshold: int = 8300,
    loan_to_value: int = 8050,
    rate: str = "0.03",
    idle: bool = False,
) -> Leg:
    """A supplied leg of `amount` whole tokens, its value rounded down; thresholds in bps."""
    return replace(
        _leg("supply", token, amount, price, rate),
        liquidation_threshold=Bps(threshold),
        loan_to_value=Bps(loan_to_value),
        used_as_collateral=not idle,
    )


def a_borrow(token: Token, amount: str, price: str | Price, *, rate: str = "0.04") -> Leg:
    """A borrowed leg of `amount` whole tokens, its value rounded down."""
    return _leg("borrow", token, amount, price, rate)


def an_account(
    *legs: Leg,
    market: str = "main",
    owner: Address = OWNER,
    block: Block = BLOCK,
    self_check: SelfCheck | None = None,
    warnings: Sequence[Notice] = (),
) -> LendingAccount:
    """An account with the totals and the health factor that follow from `legs`."""
    counted = [leg for leg in legs if leg.used_as_collateral]
    collateral = sum(leg.value for leg in counted)
    debt = sum(leg.value for leg in legs if leg.side == "borrow")
    weighted = sum(leg.value * (leg.liquidation_threshold or 0) for leg in counted)
    health_factor = Wad(weighted * WAD // (BPS * debt)) if debt else None
    return LendingAccount(
        chain_id=1,
        block=block,
        protocol="aave-v3",
        market=market,
        owner=owner,
        quote_decimals=_QUOTE_DECIMALS,
        collateral_value=collateral,
        debt_value=debt,
        available_borrows=max(0, weighted // BPS - debt),
        liquidation_threshold=Bps(weighted // collateral) if collateral else None,
        loan_to_value=Bps(weighted // collateral - 250) if collateral else None,
        health_factor=health_factor,
        contract_health_factor=health_factor,
        self_check=self_check or SelfCheck("exact", "getUserAccountData.healthFactor"),
        legs=legs,
        details=(("pool", "0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2"), ("revision", "10"), ("e_mode", "0")),
        warnings=tuple(warnings),
        state=None,
    )


def a_report(*views: HealthView) -> HealthReport:
    """The report of `views`, read on Ethereum eleven seconds after the block."""
    holdings = [holding for view in views for holding in holdings_of(exposure_of(view.account))]
    total = total_of([(view, Decimal(1)) for view in views], (), holdings) if views else None
    return HealthReport((ChainView("ethereum", 1, BLOCK, "latest", 11),), views, total=total)


def exposure_of(account: LendingAccount) -> Exposure:
    """The linear forms of a hand-built account, one term per asset; idle supply is left out."""
    counted = [leg for leg in account.legs if leg.side == "borrow" or leg.used_as_collateral]
    assets = {leg.asset.address: leg for leg in counted}
    terms = [_term([leg for leg in counted if leg.asset.address == asset]) for asset in assets]
    return replace(an_exposure(*terms), owner=account.owner, market=account.market)


def _leg(side: Side, token: Token, amount: str, price: str | Price, rate: str) -> Leg:
    at = a_price(token, price) if isinstance(price, str) else price
    raw = to_raw(Decimal(amount), token.decimals)
    value = raw * at.value // 10**token.decimals
    return Leg(side, token, raw, at, value, Ray(int(Decimal(rate) * RAY)))


def _term(legs: Sequence[Leg]) -> Term:
    unit = 10**_QUOTE_DECIMALS
    rates = {leg.side: leg.rate / RAY for leg in legs}
    return a_term(
        legs[0].asset,
        price=legs[0].price.value / 10 ** legs[0].price.decimals,
        capacity=sum(leg.value * (leg.liquidation_threshold or 0) for leg in legs) / (unit * BPS),
        requirement=sum(leg.value for leg in legs if leg.side == "borrow") / unit,
        supply_rate=rates.get("supply", 0.0),
        borrow_rate=rates.get("borrow", 0.0),
    )
