"""What the deploy steps share: the chain, the artifacts, the tokens, and the growing description of the world."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from localworld.artifacts import Artifacts
from localworld.chain import Chain
from localworld.layout import SOURCES

FEED_DECIMALS = 8
PRICE_UNIT = 100_000_000  # one dollar in the feeds and in the oracles


@dataclass(frozen=True, slots=True)
class Token:
    """One ERC-20 of the world and the feed that prices it."""

    symbol: str
    name: str
    kind: str
    address: str
    decimals: int
    feed: str
    feed_description: str
    price: Decimal
    minted: Decimal
    rate: Decimal | None = None
    rate_cap: Decimal | None = None

    def units(self, amount: str | Decimal) -> int:
        """Base units of an amount in whole tokens; it must be exact."""
        scaled = Decimal(amount).scaleb(self.decimals)
        if scaled != int(scaled):
            raise ValueError(f"{amount} {self.symbol} has more than {self.decimals} decimals")
        return int(scaled)

    @property
    def feed_answer(self) -> int:
        return int(self.price.scaleb(FEED_DECIMALS))


@dataclass
class Site:
    """The world under construction. `manifest` becomes part of world.json."""

    chain: Chain
    artifacts: Artifacts
    tokens: Mapping[str, Token]
    lender: str
    users: Mapping[str, str]
    manifest: dict[str, Any] = field(default_factory=dict)
    markets: dict[str, Any] = field(default_factory=dict)

    def approve(self, symbol: str, spender: str, amount: int, *, sender: str | None = None) -> None:
        self.chain.send(self.tokens[symbol].address, "approve(address,uint256)", spender, amount, sender=sender)

    def transfer(self, symbol: str, to: str, amount: int, *, sender: str | None = None) -> None:
        self.chain.send(self.tokens[symbol].address, "transfer(address,uint256)", to, amount, sender=sender)


def data(name: str) -> dict[str, Any]:
    """The content of data/NAME.toml."""
    return tomllib.loads((SOURCES / "data" / f"{name}.toml").read_text())


def read_tokens() -> dict[str, Token]:
    """The tokens of tokens.toml, by symbol."""
    return {entry["symbol"]: _token(entry) for entry in data("tokens")["token"]}


def _token(entry: dict[str, Any]) -> Token:
    numbers = {"price", "minted", "rate", "rate_cap"}
    fields: dict[str, Any] = {key: Decimal(value) if key in numbers else value for key, value in entry.items()}
    return Token(**fields)
