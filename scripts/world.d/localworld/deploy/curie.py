"""Perp v2 "Curie" from the artifacts its packages ship: contracts, two markets, a maker, and who trades in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import floor, isqrt, log
from typing import Any

from localworld.chain import constructor
from localworld.context import Site, data
from localworld.deploy import feeds
from localworld.deploy.lending import expect

PACKAGE = "@perp/curie-contract"
ORACLES = "@perp/perp-oracle-contract"
WAD_DECIMALS = 18
DEADLINE = 2**40
FEED_TIMEOUT = 86_400
TWAP_SECONDS = 900
OLDEST_OBSERVATION = 2_000  # a new pool has no average over half an hour before
MAX_TICKS_A_BLOCK = 1_000
UNLIMITED = 10**30
OPEN = "openPosition((address,bool,bool,uint256,uint256,uint256,uint160,bytes32))"
ADD_LIQUIDITY = "addLiquidity((address,uint256,uint256,int24,int24,uint256,uint256,bool,uint256))"
MARKET_KEYS = ("base_token", "symbol", "feed", "dispatcher")


@dataclass(frozen=True, slots=True)
class _Curie:
    """The build and its configuration."""

    site: Site
    config: Mapping[str, Any]

    @property
    def at(self) -> Mapping[str, str]:
        """The contracts' addresses."""
        contracts: Mapping[str, str] = self.config["contracts"]
        return contracts

    @property
    def markets(self) -> Sequence[Mapping[str, Any]]:
        """The markets' tables."""
        listed: Sequence[Mapping[str, Any]] = self.config["market"]
        return listed

    def send(self, name: str, signature: str, *arguments: Any, sender: str | None = None) -> None:
        self.site.chain.send(self.at.get(name, name), signature, *arguments, sender=sender)


def deploy(site: Site) -> None:
    """Place and join the contracts, open the markets, and let the accounts trade; the owner's nonce stays as it was."""
    curie = _Curie(site, data("curie"))
    nonce = int(site.chain.rpc.request("eth_getTransactionCount", site.chain.owner, "latest"), 16)
    _factory(site)
    _oracles(curie)
    _place(curie)
    _join(curie)
    pools = {market["name"]: _open_market(curie, market) for market in curie.markets}
    _collateral(curie)
    _make(curie)
    _trade(curie)
    site.chain.set_nonce(site.chain.owner, nonce)
    site.manifest["perp_curie"] = {
        **curie.at,
        "settlement_token": "USDC",
        "markets": {
            market["name"]: {**{key: market[key] for key in MARKET_KEYS}, "pool": pools[market["name"]]}
            for market in curie.markets
        },
    }


def _factory(site: Site) -> None:
    """The factory of the Uniswap pools: placed here first, since the markets are the oldest part of the world."""
    path = "artifacts/contracts/UniswapV3Factory.sol/UniswapV3Factory.json"
    site.chain.place(data("uniswap")["factory"], site.artifacts.packaged("@uniswap/v3-core", path).linked({}))


def _code(site: Site, name: str, package: str = PACKAGE) -> bytes:
    return site.artifacts.packaged(package, f"artifacts/contracts/{name}.sol/{name}.json").linked({})


def _oracles(curie: _Curie) -> None:
    site = curie.site
    for market in curie.markets:
        code, aggregator = _code(site, "ChainlinkPriceFeedV3", ORACLES), site.tokens[market["symbol"]].feed
        arguments = (aggregator, FEED_TIMEOUT, TWAP_SECONDS)
        site.chain.place(market["feed"], constructor(code, "(address,uint256,uint80)", *arguments))
        code = _code(site, "PriceFeedDispatcher", ORACLES)
        site.chain.place(market["dispatcher"], constructor(code, "(address)", market["feed"]))
        site.chain.send(market["feed"], "update()")


def _place(curie: _Curie) -> None:
    chain, at = curie.site.chain, curie.at
    for name, address in at.items():
        chain.place(address, _code(curie.site, "".join(part.title() for part in name.split("_"))))
    for market in curie.markets:
        chain.place(market["base_token"], _code(curie.site, "BaseToken"))


def _join(curie: _Curie) -> None:
    """Initialise the contracts in the order that they ask for, and tell each of the others."""
    send, at, factory = curie.send, curie.at, data("uniswap")["factory"]
    usdc = curie.site.tokens["USDC"].address
    send("quote_token", "initialize(string,string)", "vUSD", "vUSD")
    for market in curie.markets:
        names = (market["name"], market["name"], market["dispatcher"])
        send(market["base_token"], "initialize(string,string,address)", *names)
    send("clearing_house_config", "initialize()")
    send("clearing_house_config", "setSettlementTokenBalanceCap(uint256)", UNLIMITED)
    _initialize(curie, "market_registry", factory, at["quote_token"])
    _initialize(curie, "order_book", at["market_registry"])
    _initialize(curie, "insurance_fund", usdc)
    _initialize(curie, "account_balance", at["clearing_house_config"], at["order_book"])
    _initialize(curie, "exchange", at["market_registry"], at["order_book"], at["clearing_house_config"])
    send("order_book", "setExchange(address)", at["exchange"])
    send("exchange", "setAccountBalance(address)", at["account_balance"])
    known = (at["insurance_fund"], at["clearing_house_config"], at["account_balance"], at["exchange"])
    _initialize(curie, "vault", *known)
    send("insurance_fund", "setVault(address)", at["vault"])
    send("account_balance", "setVault(address)", at["vault"])
    _collateral_manager(curie)
    last = ("exchange", "account_balance", "insurance_fund")
    known = (at["clearing_house_config"], at["vault"], at["quote_token"], factory, *(at[name] for name in last))
    _initialize(curie, "clearing_house", *known)
    send("delegate_approval", "initialize()")
    send("clearing_house", "setDelegateApproval(address)", at["delegate_approval"])
    for name in ("market_registry", "order_book", "exchange", "account_balance", "vault"):
        send(name, "setClearingHouse(address)", at["clearing_house"])


def _initialize(curie: _Curie, name: str, *addresses: str) -> None:
    curie.send(name, f"initialize({','.join(['address'] * len(addresses))})", *addresses)


def _collateral_manager(curie: _Curie) -> None:
    terms, usdc = curie.config["collateral_manager"], curie.site.tokens["USDC"]
    ratios = ("max_tokens", "debt_ratio", "liquidation_ratio", "maintenance_buffer", "insurance_fee_ratio")
    amounts = [usdc.units(terms[key]) for key in ("debt_threshold", "dust")]
    signature = "initialize(address,address,uint8,uint24,uint24,uint24,uint24,uint256,uint256)"
    known = (curie.at["clearing_house_config"], curie.at["vault"])
    curie.send("collateral_manager", signature, *known, *(terms[key] for key in ratios), *amounts)
    curie.send("vault", "setCollateralManager(address)", curie.at["collateral_manager"])


def _collateral(curie: _Curie) -> None:
    for terms in curie.config["collateral"]:
        token = curie.site.tokens[terms["symbol"]]
        config = (terms["feed"], terms["ratio"], terms["discount"], token.units(terms["cap"]))
        signature = "addCollateral(address,(address,uint24,uint24,uint256))"
        curie.send("collateral_manager", signature, token.address, config)
    curie.send("vault", "setWETH9(address)", curie.site.tokens["WETH"].address)


def _open_market(curie: _Curie, market: Mapping[str, Any]) -> str:
    """Create the pool at the feed's price and list it; return its address."""
    chain, at, base = curie.site.chain, curie.at, market["base_token"]
    factory = data("uniswap")["factory"]
    pair = (base, at["quote_token"], market["fee"])
    chain.send(factory, "createPool(address,address,uint24)", *pair)
    pool = chain.call(factory, "getPool(address,address,uint24)", "(address)", *pair)
    expect(market.get("pool", pool), pool)
    for token in (base, at["quote_token"]):
        for trusted in (at["clearing_house"], pool):
            chain.send(token, "addWhitelist(address)", trusted)
        if token == base or market is curie.markets[0]:
            chain.send(token, "mintMaximumTo(address)", at["clearing_house"])
    chain.send(pool, "initialize(uint160)", _sqrt_price(_price(curie, market)))
    chain.send(pool, "increaseObservationCardinalityNext(uint16)", curie.config["observations"])
    curie.send("market_registry", "addPool(address,uint24)", base, market["fee"])
    curie.send("exchange", "setMaxTickCrossedWithinBlock(address,uint24)", base, MAX_TICKS_A_BLOCK)
    return str(pool)


def _make(curie: _Curie) -> None:
    """Fund the maker, the mover and the insurance; quote both markets once the pools are old enough for averages."""
    site = curie.site
    for trader, amount in ((site.lender, "market_maker_deposit"), (site.chain.owner, "mover_deposit")):
        _deposit(curie, trader, "USDC", curie.config[amount])
    usdc = site.tokens["USDC"]
    site.approve("USDC", curie.at["vault"], usdc.units(curie.config["insurance"]))
    insured = (curie.at["insurance_fund"], usdc.address, usdc.units(curie.config["insurance"]))
    curie.send("vault", "depositFor(address,address,uint256)", *insured)
    _wait(curie, OLDEST_OBSERVATION)
    for market in curie.markets:
        price, base = _price(curie, market), _wad(market["base"])
        tick = floor(log(price) / log(1.0001))
        spacing, width = market["spacing"], market["width"]
        lower, upper = ((tick + distance) // spacing * spacing for distance in (-width, width))
        quote = int(base * price)
        liquidity = (market["base_token"], base, quote, lower, upper, 0, 0, False, DEADLINE)
        curie.send("clearing_house", ADD_LIQUIDITY, liquidity, sender=site.lender)


def _trade(curie: _Curie) -> None:
    """Open what loses while the markets stand elsewhere, bring them back, open the rest; averages settle between."""
    _move(curie, displaced=True)
    _open_positions(curie, early=True)
    _move(curie, displaced=False)
    _open_positions(curie, early=False)


def _move(curie: _Curie, *, displaced: bool) -> None:
    prices = {
        market["symbol"]: _price(curie, market) * (Decimal(market["up"]) if displaced else 1)
        for market in curie.markets
    }
    for symbol, price in prices.items():
        feeds.set_price(curie.site, symbol, price)
    _wait(curie, TWAP_SECONDS)
    for market in curie.markets:
        rises = displaced == (Decimal(market["up"]) > 1)
        limit = _sqrt_price(prices[market["symbol"]])
        order = (market["base_token"], not rises, True, UNLIMITED // 10**3, 0, DEADLINE, limit, b"")
        curie.send("clearing_house", OPEN, order)
    for _ in range(2):
        _wait(curie, TWAP_SECONDS)


def _wait(curie: _Curie, seconds: int) -> None:
    """Let time pass; then every feed answers again and its price is taken over."""
    chain = curie.site.chain
    chain.rpc.request("evm_setNextBlockTimestamp", chain.timestamp() + seconds)
    for market in curie.markets:
        feed = curie.site.tokens[market["symbol"]].feed
        chain.send(feed, "set(int256)", chain.call(feed, "latestAnswer()", "(int256)"))
        chain.send(market["feed"], "update()")


def _open_positions(curie: _Curie, *, early: bool) -> None:
    for user, position in _positions(curie, early=early):
        for symbol, amount in position["deposit"].items():
            _deposit(curie, user, symbol, amount)
        for name, size in position["open"].items():
            base = next(market["base_token"] for market in curie.markets if market["name"] == name)
            is_short = Decimal(size) < 0
            order = (base, is_short, is_short, _wad(size.removeprefix("-")), 0, DEADLINE, 0, b"")
            curie.send("clearing_house", OPEN, order, sender=user)
        for symbol, amount in position.get("wallet", {}).items():
            curie.site.transfer(symbol, user, curie.site.tokens[symbol].units(amount))


def _positions(curie: _Curie, *, early: bool) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for account in data("accounts")["account"]:
        position = account.get("curie")
        if position and position.get("early", False) == early:
            yield curie.site.users[account["name"]], position


def _deposit(curie: _Curie, trader: str, symbol: str, amount: str) -> None:
    site, units = curie.site, curie.site.tokens[symbol].units(amount)
    if trader != site.chain.owner:
        site.transfer(symbol, trader, units)
    site.approve(symbol, curie.at["vault"], units, sender=trader)
    curie.send("vault", "deposit(address,uint256)", site.tokens[symbol].address, units, sender=trader)


def _price(curie: _Curie, market: Mapping[str, Any]) -> Decimal:
    return curie.site.tokens[market["symbol"]].price


def _sqrt_price(price: Decimal) -> int:
    """The square root of quote per base (X96); both have 18 decimals."""
    numerator, denominator = price.as_integer_ratio()
    return isqrt((numerator << 192) // denominator)


def _wad(amount: str) -> int:
    return int(Decimal(amount).scaleb(WAD_DECIMALS))
