"""The questions that a Perp v2 read asks, all contracts found from the clearing house."""

from __future__ import annotations

from defilev.abi import interface
from defilev.model.request import Address, Call
from defilev.protocols.perp_curie.state import Contracts, Rules

__all__ = [
    "COLLATERAL_CALLS",
    "HELD_CALLS",
    "HOUSE_CALLS",
    "LIST_CALLS",
    "MARKET_CALLS",
    "OWNER_CALLS",
    "POSITION_CALLS",
    "RULE_CALLS",
    "collateral_calls",
    "held_calls",
    "house_calls",
    "list_calls",
    "market_calls",
    "owner_calls",
    "position_calls",
    "rule_calls",
]

HOUSE_CALLS = 6
RULE_CALLS = 9
LIST_CALLS = 2
MARKET_CALLS = 15
POSITION_CALLS = 10
COLLATERAL_CALLS = 5
HELD_CALLS = 1
OWNER_CALLS = 12
SPOT_SECONDS = 0
SHORT_SECONDS = 15
COLLATERAL_SECONDS = 900
HOUSE = (
    "getVault",
    "getExchange",
    "getOrderBook",
    "getAccountBalance",
    "getClearingHouseConfig",
    "getQuoteToken",
)


def house_calls(clearing_house: Address) -> list[Call]:
    """Ask the clearing house for the other contracts, `HOUSE_CALLS` calls."""
    return [interface("perp_curie")[name].call(clearing_house) for name in HOUSE]


def rule_calls(vault: Address, exchange: Address, config: Address) -> list[Call]:
    """Ask for the settlement token and the rules of all markets, `RULE_CALLS` calls."""
    ask = interface("perp_curie")
    of_vault = ("getSettlementToken", "decimals", "getCollateralManager")
    of_config = ("getImRatio", "getMmRatio", "getMarkPriceConfig", "getTwapInterval", "getMaxFundingRate")
    return [
        *(ask[name].call(vault) for name in of_vault),
        ask["getMarketRegistry"].call(exchange),
        *(ask[name].call(config) for name in of_config),
    ]


def list_calls(vault: Address, account_balance: Address, owner: Address) -> list[Call]:
    """Ask which markets and which collateral an owner has, `LIST_CALLS` calls."""
    ask = interface("perp_curie")
    return [ask["getBaseTokens"].call(account_balance, owner), ask["getCollateralTokens"].call(vault, owner)]


def market_calls(contracts: Contracts, rules: Rules, base_token: Address) -> list[Call]:
    """Ask for a market's status and prices, `MARKET_CALLS` calls; only a closed one has a closing price."""
    ask, exchange = interface("perp_curie"), contracts.exchange
    roots = (SPOT_SECONDS, SHORT_SECONDS, rules.market_interval, rules.premium_interval, rules.funding_interval)
    indices = (0, rules.premium_interval, rules.funding_interval)
    return [
        interface("erc20")["symbol"].call(base_token),
        *(ask[name].call(base_token) for name in ("isOpen", "isClosed", "getPriceFeed")),
        ask["getMarkPrice"].call(contracts.account_balance, base_token),
        *(ask["getSqrtMarketTwapX96"].call(exchange, base_token, seconds) for seconds in roots),
        *(ask["getIndexPrice"].call(base_token, seconds) for seconds in indices),
        *(ask[name].call(base_token) for name in ("getPausedIndexPrice", "getClosedPrice")),
    ]


def position_calls(contracts: Contracts, owner: Address, base_token: Address) -> list[Call]:
    """Ask what an owner has in a market, raw and as the contract adds it up, `POSITION_CALLS` calls."""
    ask, balance, book = interface("perp_curie"), contracts.account_balance, contracts.order_book
    totals = ("getAccountInfo", "getTotalPositionSize", "getTotalOpenNotional", "getTotalPositionValue")
    in_orders = ("getTotalTokenAmountInPoolAndPendingFee", "getTotalOrderDebt")
    return [
        *(ask[name].call(balance, owner, base_token) for name in totals),
        *(ask[name].call(book, owner, base_token, is_base) for name in in_orders for is_base in (True, False)),
        ask["getPendingFundingPayment"].call(contracts.exchange, owner, base_token),
        ask["getMarketInfoByTrader"].call(contracts.market_registry, owner, base_token),
    ]


def collateral_calls(contracts: Contracts, token: Address) -> list[Call]:
    """Ask on what terms a token counts as collateral, `COLLATERAL_CALLS` calls."""
    ask, manager, erc20 = interface("perp_curie"), contracts.collateral_manager, interface("erc20")
    return [
        erc20["symbol"].call(token),
        erc20["decimals"].call(token),
        ask["getCollateralConfig"].call(manager, token),
        ask["getPrice"].call(manager, token, COLLATERAL_SECONDS),
        ask["getPriceFeedDecimals"].call(manager, token),
    ]


def held_calls(contracts: Contracts, owner: Address, token: Address) -> list[Call]:
    """Ask how much of a collateral an owner has deposited, `HELD_CALLS` calls."""
    return [interface("perp_curie")["getBalanceByToken"].call(contracts.vault, owner, token)]


def owner_calls(contracts: Contracts, rules: Rules, owner: Address) -> list[Call]:
    """Ask for an account's figures, `OWNER_CALLS` calls.

    `getAccountValue` is asked twice: the vault answers in the settlement token's decimals, the clearing house in 18.
    """
    ask, vault, balance = interface("perp_curie"), contracts.vault, contracts.account_balance
    totals = ("getPnlAndPendingFee", "getTotalDebtValue", "getTotalAbsPositionValue")
    return [
        ask["getBalance"].call(vault, owner),
        ask["isLiquidatable"].call(vault, owner),
        ask["hasOrder"].call(balance, owner),
        ask["getAccountValue"].call(vault, owner),
        ask["getAccountValue"].call(contracts.clearing_house, owner),
        ask["getFreeCollateral"].call(vault, owner),
        ask["getFreeCollateralByRatio"].call(vault, owner, rules.maintenance_ratio),
        *(ask[name].call(balance, owner) for name in totals),
        ask["getMarginRequirementForLiquidation"].call(balance, owner),
        ask["getAllPendingFundingPayment"].call(contracts.exchange, owner),
    ]
