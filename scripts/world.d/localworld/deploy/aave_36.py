"""Aave v3.6, market `main`: compiled from its sources, every contract at its Ethereum mainnet address."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from localworld.chain import ZERO_ADDRESS, calldata, constructor
from localworld.context import PRICE_UNIT, Site, data
from localworld.deploy.lending import expect, lend

GROUP = "aave-v3.6"
LIBRARIES = ("BorrowLogic", "SupplyLogic", "LiquidationLogic", "PoolLogic", "ConfiguratorLogic", "FlashLoanLogic")
INCENTIVES = keccak(b"INCENTIVES_CONTROLLER")
ACTIVE_BIT = 56
DECIMALS_BIT = 48
VIRTUAL_ACCOUNTING_BIT = 252


def deploy(site: Site) -> None:
    """Deploy the market, list its reserves, lend and borrow what sets the rates."""
    config = data("main")
    market = config["market"]
    libraries = _libraries(site)
    _core(site, market, libraries)
    _views(site, market)
    for reserve in config["reserve"]:
        _list(site, market, reserve)
        _configure(site, market["configurator"], reserve)
    _e_mode(site, market["configurator"], config["e_mode"])
    site.chain.send(market["configurator"], "updateFlashloanPremium(uint128)", market["flash_loan_premium"])
    lend(site, config)


def _code(site: Site, name: str, libraries: Mapping[str, str] | None = None) -> bytes:
    return site.artifacts.compiled(GROUP, name).linked(libraries or {})


def _libraries(site: Site) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for name in LIBRARIES:
        addresses[name] = site.chain.create(_code(site, name, addresses))
    return addresses


def _core(site: Site, market: Mapping[str, Any], libraries: Mapping[str, str]) -> None:
    """Provider, roles, oracle, then the three proxies: the provider creates them at nonces 1, 2 and 3."""
    chain, owner, provider = site.chain, site.chain.owner, market["addresses_provider"]
    code = partial(_code, site)
    to_provider = partial(chain.send, provider)
    chain.place(provider, constructor(code("PoolAddressesProvider"), "(string,address)", market["id"], owner))
    strategy = code("DefaultReserveInterestRateStrategyV2")
    chain.place(market["rate_strategy"], constructor(strategy, "(address)", provider))
    pool = constructor(code("PoolInstance", libraries), "(address,address)", provider, market["rate_strategy"])
    chain.place(market["pool_implementation"], pool)
    chain.place(market["configurator_implementation"], code("PoolConfiguratorInstance", libraries))
    to_provider("setACLAdmin(address)", owner)
    chain.place(market["acl_manager"], constructor(code("ACLManager"), "(address)", provider))
    to_provider("setACLManager(address)", market["acl_manager"])
    for role in ("PoolAdmin", "EmergencyAdmin", "RiskAdmin", "AssetListingAdmin"):
        chain.send(market["acl_manager"], f"add{role}(address)", owner)
    chain.place(market["oracle"], _oracle(site, provider))
    to_provider("setPriceOracle(address)", market["oracle"])
    to_provider("setPoolImpl(address)", market["pool_implementation"])
    to_provider("setPoolConfiguratorImpl(address)", market["configurator_implementation"])
    rewards = chain.create(constructor(code("RewardsController"), "(address)", owner))
    to_provider("setAddressAsProxy(bytes32,address)", INCENTIVES, rewards)
    expect(market["pool"], chain.call(provider, "getPool()", "(address)"))
    expect(market["configurator"], chain.call(provider, "getPoolConfigurator()", "(address)"))


def _oracle(site: Site, provider: str) -> bytes:
    tokens = site.tokens.values()
    assets, feeds = [token.address for token in tokens], [token.feed for token in tokens]
    types = "(address,address[],address[],address,address,uint256)"
    code = _code(site, "AaveOracle")
    return constructor(code, types, provider, assets, feeds, ZERO_ADDRESS, ZERO_ADDRESS, PRICE_UNIT)


def _views(site: Site, market: Mapping[str, Any]) -> None:
    """The data providers, and one implementation each for all aTokens and all debt tokens."""
    chain, provider, pool, rewards = (
        site.chain,
        market["addresses_provider"],
        market["pool"],
        market["rewards_controller"],
    )
    data_provider = constructor(_code(site, "AaveProtocolDataProvider"), "(address)", provider)
    chain.place(market["data_provider"], data_provider)
    chain.send(provider, "setPoolDataProvider(address)", market["data_provider"])
    feeds = (site.tokens["WETH"].feed, site.tokens["USDC"].feed)
    ui = constructor(_code(site, "UiPoolDataProviderV3"), "(address,address)", *feeds)
    chain.place(market["ui_data_provider"], ui)
    a_token = _code(site, "ATokenInstance")
    supply = constructor(a_token, "(address,address,address)", pool, rewards, market["treasury"])
    chain.place(market["a_token_implementation"], supply)
    debt = constructor(_code(site, "VariableDebtTokenInstance"), "(address,address)", pool, rewards)
    chain.place(market["debt_token_implementation"], debt)


def _list(site: Site, market: Mapping[str, Any], reserve: Mapping[str, Any]) -> None:
    """Do by hand, as the configurator, what its initReserves does, with the proxies at their real nonces."""
    chain, configurator, pool = site.chain, market["configurator"], market["pool"]
    token = site.tokens[reserve["symbol"]]
    nonce, symbol = reserve["proxy_nonce"], token.symbol
    with chain.acting_as(configurator):
        names = (f"Aave Ethereum {symbol}", f"aEth{symbol}")
        a_token = _proxy(site, market, nonce, market["a_token_implementation"], token.symbol, names)
        names = (f"Aave Ethereum Variable Debt {symbol}", f"variableDebtEth{symbol}")
        debt = _proxy(site, market, nonce + 2, market["debt_token_implementation"], token.symbol, names)
        expect(reserve["a_token"], a_token)
        expect(reserve["variable_debt_token"], debt)
        as_configurator = partial(chain.send, sender=configurator)
        as_configurator(pool, "initReserve(address,address,address)", token.address, a_token, debt)
        bits = token.decimals << DECIMALS_BIT | 1 << ACTIVE_BIT | 1 << VIRTUAL_ACCOUNTING_BIT
        as_configurator(pool, "setConfiguration(address,(uint256))", token.address, (bits,))
        curve = [reserve[key] for key in ("optimal_usage", "base_rate", "slope_1", "slope_2")]
        rates = encode(["uint16", "uint32", "uint32", "uint32"], curve)
        signature = "setInterestRateParams(address,bytes)"
        as_configurator(market["rate_strategy"], signature, token.address, rates)


def _proxy(
    site: Site,
    market: Mapping[str, Any],
    nonce: int,
    implementation: str,
    symbol: str,
    names: tuple[str, str],
) -> str:
    """Create and initialise one token proxy as the configurator, at the address its nonce gives."""
    chain, configurator, token = site.chain, market["configurator"], site.tokens[symbol]
    chain.set_nonce(configurator, nonce)
    code = _code(site, "InitializableImmutableAdminUpgradeabilityProxy")
    proxy = chain.create(constructor(code, "(address)", configurator), sender=configurator)
    signature = "initialize(address,address,uint8,string,string,bytes)"
    initialize = calldata(signature, market["pool"], token.address, token.decimals, *names, b"")
    chain.send(proxy, "initialize(address,bytes)", implementation, initialize, sender=configurator)
    return proxy


def _configure(site: Site, configurator: str, reserve: Mapping[str, Any]) -> None:
    """Set the risk parameters, before anyone supplies."""
    asset = site.tokens[reserve["symbol"]].address
    send = partial(site.chain.send, configurator)
    send("setReserveBorrowing(address,bool)", asset, True)
    collateral = (reserve["ltv"], reserve["threshold"], reserve["bonus"])
    send("configureReserveAsCollateral(address,uint256,uint256,uint256)", asset, *collateral)
    send("setReserveFactor(address,uint256)", asset, reserve["reserve_factor"])
    send("setReserveFlashLoaning(address,bool)", asset, True)
    send("setLiquidationProtocolFee(address,uint256)", asset, reserve["protocol_fee"])
    send("setSupplyCap(address,uint256)", asset, reserve["supply_cap"])
    send("setBorrowCap(address,uint256)", asset, reserve["borrow_cap"])
    if reserve["borrowable_in_isolation"]:
        send("setBorrowableInIsolation(address,bool)", asset, True)


def _e_mode(site: Site, configurator: str, e_mode: Mapping[str, Any]) -> None:
    send = partial(site.chain.send, configurator)
    limits = (e_mode["ltv"], e_mode["threshold"], e_mode["bonus"])
    send("setEModeCategory(uint8,uint16,uint16,uint16,string)", e_mode["id"], *limits, e_mode["label"])
    for symbol in e_mode["collateral"]:
        asset = site.tokens[symbol].address
        send("setAssetCollateralInEMode(address,uint8,bool)", asset, e_mode["id"], True)
    for symbol in e_mode["borrowable"]:
        asset = site.tokens[symbol].address
        send("setAssetBorrowableInEMode(address,uint8,bool)", asset, e_mode["id"], True)
