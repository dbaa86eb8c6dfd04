"""SparkLend: Aave v3.0, from the artifacts its package ships, at SparkLend's Ethereum addresses."""

from collections.abc import Mapping
from decimal import Decimal
from functools import partial
from typing import Any

from localworld.artifacts import Artifact
from localworld.chain import ZERO_ADDRESS, constructor
from localworld.context import PRICE_UNIT, Site, data
from localworld.deploy.lending import expect, lend

PACKAGE = "@aave/core-v3"
FOLDERS = {
    "protocol/libraries/logic": (
        "BorrowLogic",
        "BridgeLogic",
        "EModeLogic",
        "LiquidationLogic",
        "PoolLogic",
        "SupplyLogic",
        "ConfiguratorLogic",
        "FlashLoanLogic",
    ),
    "protocol/configuration": ("PoolAddressesProvider", "ACLManager"),
    "protocol/pool": ("Pool", "PoolConfigurator", "DefaultReserveInterestRateStrategy"),
    "protocol/tokenization": ("AToken", "StableDebtToken", "VariableDebtToken"),
    "misc": ("AaveOracle", "AaveProtocolDataProvider"),
}
RAY_DECIMALS = 27
INIT_RESERVES = (
    "initReserves((address,address,address,uint8,address,address,address,address,"
    "string,string,string,string,string,string,bytes)[])"
)


def deploy(site: Site) -> None:
    """Deploy the market, list its reserves, lend and borrow what sets the rates."""
    config = data("spark")
    market = config["market"]
    _core(site, market, _libraries(site))
    implementations = [
        site.chain.create(constructor(_artifact(site, name).linked({}), "(address)", market["pool"]))
        for name in ("AToken", "StableDebtToken", "VariableDebtToken")
    ]
    for reserve in config["reserve"]:
        _list(site, config, reserve, implementations)
        _configure(site, market["configurator"], reserve)
    _e_mode(site, market["configurator"], config["e_mode"])
    site.chain.send(market["configurator"], "updateFlashloanPremiumTotal(uint128)", market["flash_loan_premium"])
    lend(site, config)


def _artifact(site: Site, name: str) -> Artifact:
    folder = next(folder for folder, names in FOLDERS.items() if name in names)
    return site.artifacts.packaged(PACKAGE, f"artifacts/contracts/{folder}/{name}.sol/{name}.json")


def _libraries(site: Site) -> dict[str, str]:
    addresses: dict[str, str] = {}
    for name in FOLDERS["protocol/libraries/logic"]:
        addresses[name] = site.chain.create(_artifact(site, name).linked(addresses))
    return addresses


def _core(site: Site, market: Mapping[str, Any], libraries: Mapping[str, str]) -> None:
    """Provider, roles, oracle; the pool's and the configurator's implementations are initialised first."""
    chain, owner, provider = site.chain, site.chain.owner, market["addresses_provider"]
    to_provider = partial(chain.send, provider)

    def code(name: str) -> bytes:
        return _artifact(site, name).linked(libraries)

    chain.place(provider, constructor(code("PoolAddressesProvider"), "(string,address)", market["id"], owner))
    to_provider("setACLAdmin(address)", owner)
    chain.place(market["acl_manager"], constructor(code("ACLManager"), "(address)", provider))
    to_provider("setACLManager(address)", market["acl_manager"])
    for role in ("PoolAdmin", "EmergencyAdmin", "RiskAdmin", "AssetListingAdmin"):
        chain.send(market["acl_manager"], f"add{role}(address)", owner)
    tokens = site.tokens.values()
    assets, feeds = [token.address for token in tokens], [token.feed for token in tokens]
    types = "(address,address[],address[],address,address,uint256)"
    oracle = (provider, assets, feeds, ZERO_ADDRESS, ZERO_ADDRESS, PRICE_UNIT)
    chain.place(market["oracle"], constructor(code("AaveOracle"), types, *oracle))
    to_provider("setPriceOracle(address)", market["oracle"])
    pool = chain.create(constructor(code("Pool"), "(address)", provider))
    configurator = chain.create(code("PoolConfigurator"))
    for implementation in (pool, configurator):
        chain.send(implementation, "initialize(address)", provider)
    to_provider("setPoolImpl(address)", pool)
    to_provider("setPoolConfiguratorImpl(address)", configurator)
    data_provider = constructor(code("AaveProtocolDataProvider"), "(address)", provider)
    chain.place(market["data_provider"], data_provider)
    to_provider("setPoolDataProvider(address)", market["data_provider"])
    expect(market["pool"], chain.call(provider, "getPool()", "(address)"))
    expect(market["configurator"], chain.call(provider, "getPoolConfigurator()", "(address)"))


def _list(site: Site, config: Mapping[str, Any], reserve: Mapping[str, Any], implementations: list[str]) -> None:
    """initReserves makes aToken, stable and variable debt token at three nonces in a row."""
    market, token = config["market"], site.tokens[reserve["symbol"]]
    symbol = token.symbol
    names = (
        *(f"Spark {symbol}", f"sp{symbol}"),
        *(f"Spark Variable Debt {symbol}", f"variableDebt{symbol}"),
        *(f"Spark Stable Debt {symbol}", f"stableDebt{symbol}"),
    )
    strategy = _rate_strategy(site, market["addresses_provider"], config["rates"])
    entry = (*implementations, token.decimals, strategy, token.address, market["treasury"], ZERO_ADDRESS, *names, b"")
    site.chain.set_nonce(market["configurator"], reserve["proxy_nonce"])
    site.chain.send(market["configurator"], INIT_RESERVES, [entry])
    signature, returns = "getReserveTokensAddresses(address)", "(address,address,address)"
    a_token, _, debt = site.chain.call(market["data_provider"], signature, returns, token.address)
    expect(reserve.get("a_token", a_token), a_token)
    expect(reserve.get("variable_debt_token", debt), debt)


def _rate_strategy(site: Site, provider: str, rates: Mapping[str, str]) -> str:
    values = [int(Decimal(value).scaleb(RAY_DECIMALS)) for value in rates.values()]
    types = "(address" + ",uint256" * len(values) + ")"
    code = _artifact(site, "DefaultReserveInterestRateStrategy").linked({})
    return site.chain.create(constructor(code, types, provider, *values))


def _configure(site: Site, configurator: str, reserve: Mapping[str, Any]) -> None:
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


def _e_mode(site: Site, configurator: str, e_mode: Mapping[str, Any]) -> None:
    limits = (e_mode["ltv"], e_mode["threshold"], e_mode["bonus"], ZERO_ADDRESS)
    signature = "setEModeCategory(uint8,uint16,uint16,uint16,address,string)"
    site.chain.send(configurator, signature, e_mode["id"], *limits, e_mode["label"])
    for symbol in e_mode["assets"]:
        asset = site.tokens[symbol].address
        site.chain.send(configurator, "setAssetEModeCategory(address,uint8)", asset, e_mode["id"])
