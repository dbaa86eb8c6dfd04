"""What can be set, with its defaults and limits. Reads nothing; see `loading` for where values come from."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from platformdirs import user_cache_path, user_config_path, user_data_path
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from defilev.config.values import At, parse_block, parse_duration, parse_floor, parse_slippage, written
from defilev.units import parse_decimal

__all__ = ["SECRET", "STEERING", "LimitSettings", "PriceSettings", "Settings", "StatusSettings", "TargetSettings"]

SECRET = frozenset({"journal", "private_rpc_url", "rpc_url"})
"""Settings that are shown masked."""

STEERING = frozenset(
    {
        "address_book",
        "anvil",
        "book",
        "cache_dir",
        "expires",
        "floor",
        "journal",
        "keystore_dir",
        "limits",
        "max_divergence",
        "max_slippage",
        "prices",
        "private_rpc_url",
        "rpc_url",
        "tickers",
    }
)
"""What decides where money goes, on whose word and at which price: not for the working directory to say."""

_BETWEEN_URLS = re.compile(r"[\s,]+(?=https?://)|\s+")
"""A URL may have commas in it, but no blanks."""

_STABLECOINS = (
    *("USDC", "USDC.e", "USDbC", "USDT", "USDT0", "USD₮0", "DAI", "USDS", "GHO", "PYUSD", "RLUSD", "LUSD", "FRAX"),
    *("crvUSD", "USDe"),
)


def _urls(value: Any) -> Any:
    """Take one URL or several: in a list, or with blanks or commas between them."""
    return tuple(_BETWEEN_URLS.split(value.strip())) if isinstance(value, str) else value


def _list(value: Any) -> Any:
    items = value.split(",") if isinstance(value, str) else value
    return tuple(item.strip() if isinstance(item, str) else item for item in items) if items else ()


_Seconds = Annotated[int, written(lambda text: parse_duration(text, what="duration"))]
_Number = Annotated[Decimal, written(lambda text: parse_decimal(text, what="number"))]
_Value = Annotated[Decimal, written(lambda text: parse_decimal(text, what="value")), Field(gt=0)]
_Leverage = Annotated[Decimal, written(lambda text: parse_decimal(text, what="leverage")), Field(gt=1)]
_Slippage = Annotated[Decimal, written(lambda text: parse_slippage(text, what="slippage"))]
_Floor = Annotated[Decimal, written(lambda text: parse_floor(text, what="health factor"))]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StatusSettings(_Frozen):
    """Health factors below which an account is LOW, and in DANGER; LIQUIDATABLE is for the protocol to say."""

    low: _Number = Field(default=Decimal("1.5"), description="An account with a lower health factor is LOW.")
    danger: _Number = Field(default=Decimal("1.1"), description="An account with a lower health factor is in DANGER.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not 1 <= self.danger <= self.low:
            raise ValueError("danger must be at least 1 and at most low")
        return self


class PriceSettings(_Frozen):
    """Seconds after which a price is stale: `by_asset` by symbol, `stale_after` for all others."""

    stale_after: _Seconds = Field(
        default=25 * 3600,
        description="A price older than this is stale: a warning, and a refusal where risk is raised.",
    )
    by_asset: Mapping[str, _Seconds] = Field(
        default_factory=dict, description="The same for single assets, by symbol.", examples=[{"WETH": "2h"}]
    )


class TargetSettings(_Frozen):
    """What `defilev target` assumes of its user when no flag says otherwise; `reaction` is in seconds."""

    reaction: _Seconds = Field(
        default=3600, gt=0, description="How long it takes you to act: health must bear the market for so long."
    )
    prior_sharpe: _Number = Field(
        default=Decimal("0.5"), description="The Sharpe ratio of an asset that you have no view on; advice rests on it."
    )
    information_years: _Number = Field(
        default=Decimal(5), gt=0, description="How many years of data that ratio is worth: how sure you are of it."
    )


class LimitSettings(_Frozen):
    """What may be signed within a transaction and within 24 hours.

    Values are in the market's quote currency, which in an isolated market is its loan token.
    `None` is without such a limit. The bounds in `execute.limits` hold beside these.
    """

    value_per_transaction: _Value | None = Field(
        default=None,
        description="The most that one transaction may move, in the market's quote currency.",
        examples=["50000"],
    )
    value_per_day: _Value | None = Field(
        default=None,
        description="The most that 24 hours may withdraw, or repay, in that currency.",
        examples=["150000"],
    )
    transactions_per_day: int = Field(default=500, ge=1, le=500, description="Transactions within 24 hours.")
    max_leverage: _Leverage | None = Field(
        default=None,
        description="The most leverage that a plan may raise a position to; unset, nothing that borrows is signed.",
        examples=["3"],
    )


class Settings(_Frozen):
    """Everything that flags, variables and files can set.

    `rpc_url` is empty and `chain` is `None` when nobody said; `anvil` is `None` to look for it. `max_slippage` is a
    fraction; `expires`, `stale_after`, `timeout` and `failover_after` are in seconds.
    """

    rpc_url: Annotated[tuple[str, ...], BeforeValidator(_urls)] = Field(
        default=(),
        repr=False,
        description="The node to read from, or a list of several, which must agree before anything is signed.",
        examples=["http://127.0.0.1:8545"],
    )
    private_rpc_url: str | None = Field(
        default=None,
        repr=False,
        description="A relay that has each transaction alone for two blocks before the nodes do.",
        examples=["https://RELAY"],
    )
    chain: str | None = Field(
        default=None, description="The chain you expect, by name or id; another is refused.", examples=["ethereum"]
    )
    block: Annotated[At, written(parse_block)] = Field(
        default="latest", description="The block to read at: a number, latest, finalized or safe."
    )
    address_book: tuple[Path, ...] = Field(
        default=(),
        description="Address books laid over the shipped ones, later ones winning.",
        examples=[["addresses.toml"]],
    )
    book: Path | None = Field(
        default=None,
        description="Your book file: names, chains, and what no chain shows; else book.toml beside this file, if any.",
        examples=["~/book.toml"],
    )
    anvil: Path | None = Field(
        default=None, description="The anvil binary; looked for on the PATH when left out.", examples=["~/bin/anvil"]
    )
    cache_dir: Path = Field(
        default_factory=lambda: user_cache_path("defilev"), description="Where symbols and decimals are remembered."
    )
    keystore_dir: Path = Field(
        default_factory=lambda: user_config_path("defilev") / "keystores", description="Where your keystores are."
    )
    journal: str = Field(
        default_factory=lambda: str(user_data_path("defilev") / "journal.db"),
        repr=False,
        min_length=1,
        description="Where transactions are written down: a file, or the URL of a PostgreSQL database.",
    )
    timeout: float = Field(default=20.0, gt=0, le=600, description="Seconds to wait for each answer of the node.")
    failover_after: float = Field(
        default=3.0, gt=0, le=600, description="Seconds after which another node is asked, where there are several."
    )
    confirmations: int | None = Field(
        default=None,
        ge=0,
        le=64,
        description="Blocks on top of the last receipt's before a plan counts as done; 2, or 1 where blocks are fast.",
        examples=[2],
    )
    color: Literal["auto", "always", "never"] = Field(default="auto", description="Colour; auto heeds NO_COLOR.")
    max_slippage: _Slippage = Field(
        default=Decimal("0.005"), description="The worst price a swap may get, against the oracle, fees included."
    )
    max_divergence: _Slippage | None = Field(
        default=None,
        description="How far the venue's price may lie from the oracle's; else 1.5%, and 0.5% for pairs in e-mode.",
        examples=["1.5%"],
    )
    floor: _Floor = Field(default=Decimal("1.02"), description="The lowest health factor allowed between two steps.")
    expires: _Seconds = Field(default=600, description="How long after it was made a plan may begin.")
    tickers: str | None = Field(
        default=None,
        description="GMX's ticker: a file, or the URL of its API's `/prices/tickers`; else the feeds on the chain.",
        examples=["tickers.json"],
    )
    stablecoins: Annotated[tuple[str, ...], BeforeValidator(_list)] = Field(
        default=_STABLECOINS, description="Symbols of assets that --stress leaves at their price."
    )
    status: StatusSettings = StatusSettings()
    prices: PriceSettings = PriceSettings()
    target: TargetSettings = TargetSettings()
    limits: LimitSettings = LimitSettings()
