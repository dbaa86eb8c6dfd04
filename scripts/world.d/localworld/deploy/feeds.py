"""Price feeds, and the adapter that prices a wrapped token by its rate."""

from decimal import Decimal

from localworld.chain import constructor
from localworld.context import FEED_DECIMALS, Site, Token, data

UNDERLYING = "WETH"
WAD_DECIMALS = 18


def deploy(site: Site) -> None:
    """Place a feed per token, and the extra ones; only the owner moves them."""
    described = {}
    for token in site.tokens.values():
        if token.rate is None:
            _place_feed(site, token.feed, token.feed_description, token.feed_answer)
            described[token.symbol] = {"address": token.feed, "kind": "feed"}
        else:
            described[token.symbol] = _place_adapter(site, token)
    for extra in data("tokens")["extra_feed"]:
        answer = int(Decimal(extra["price"]).scaleb(FEED_DECIMALS))
        _place_feed(site, extra["address"], extra["description"], answer)
        described[extra["name"]] = {"address": extra["address"], "kind": "feed"}
    site.manifest["feeds"] = described


def set_price(site: Site, symbol: str, price: Decimal) -> None:
    """Move a token's own feed; the time of its answer is the block's."""
    site.chain.send(site.tokens[symbol].feed, "set(int256)", int(price.scaleb(FEED_DECIMALS)))


def refresh(site: Site) -> None:
    """Give every feed its price again, so that none is old when the world is served."""
    for name, feed in site.manifest["feeds"].items():
        if feed["kind"] == "feed":
            answer = site.chain.call(feed["address"], "latestAnswer()", "(int256)")
            site.chain.send(feed["address"], "set(int256)", answer)
        else:
            expected = site.tokens[name].feed_answer
            found = site.chain.call(feed["address"], "latestAnswer()", "(int256)")
            if found != expected:
                raise ValueError(f"{name} is priced {found}, not {expected}")


def _place_feed(site: Site, address: str, description: str, answer: int) -> None:
    code = site.artifacts.compiled("own", "Feed").linked({})
    types = "(uint8,string,int256)"
    site.chain.place(address, constructor(code, types, FEED_DECIMALS, description, answer))


def _place_adapter(site: Site, token: Token) -> dict[str, str]:
    if token.rate is None or token.rate_cap is None:
        raise ValueError(f"{token.symbol} needs both rate and rate_cap")
    code = site.artifacts.compiled("own", "RateAdapter").linked({})
    underlying = site.tokens[UNDERLYING].feed
    rates = [int(value.scaleb(WAD_DECIMALS)) for value in (token.rate, token.rate_cap)]
    types = "(address,string,int256,int256)"
    site.chain.place(token.feed, constructor(code, types, underlying, token.feed_description, *rates))
    return {"address": token.feed, "kind": "rate-adapter", "underlying_feed": underlying}
