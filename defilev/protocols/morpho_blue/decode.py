"""Answers of Morpho Blue, its rate models, oracles and tokens as values."""

from __future__ import annotations

from defilev.abi import interface, revert_reason
from defilev.abi.address import ZERO_ADDRESS
from defilev.abi.answers import decode_all, decode_optional, token_symbol
from defilev.errors import NoSuchMarket, NotDeployed
from defilev.model.account import Notice
from defilev.model.request import Address, CallResult, Results
from defilev.model.token import MOST_DECIMALS, Token
from defilev.protocols.morpho_blue.rate_curve import rate_over
from defilev.protocols.morpho_blue.state import AdaptiveCurve, FixedRate, MarketParams, Position, RateModel, Totals

__all__ = [
    "decode_params",
    "decode_position",
    "decode_price",
    "decode_rates",
    "decode_token",
    "decode_totals",
    "is_liquidatable",
    "require_morpho",
]

HEALTHY = "position is healthy"
_WORD = 32


def require_morpho(morpho: Address, results: Results) -> None:
    """Raise `NotDeployed` unless the answers to `calls.identity_calls` are those of Morpho Blue."""
    sizes = [len(result.data) if result.success else 0 for result in results]
    if sizes != [6 * _WORD, 3 * _WORD, _WORD]:
        raise _not_morpho(morpho)


def decode_params(morpho: Address, market_id: str, result: CallResult) -> MarketParams:
    """Return what the market `market_id` is made of; its id is the hash of it.

    Raises:
        NotDeployed: there is no Morpho Blue at `morpho`.
        NoSuchMarket: it has no such market.
    """
    words = decode_optional(interface("morpho_blue")["idToMarketParams"], result)
    if words is None:
        raise _not_morpho(morpho)
    params = MarketParams(*words)
    if params.id != market_id:
        if params.loan_token == ZERO_ADDRESS:
            raise _no_market(morpho, market_id)
        raise _not_morpho(morpho)
    return params


def decode_totals(morpho: Address, market_id: str, result: CallResult) -> Totals:
    """Return the stored totals of a market that exists; raises as `decode_params` does."""
    words = decode_optional(interface("morpho_blue")["market"], result)
    if words is None:
        raise _not_morpho(morpho)
    totals = Totals(*words)
    if totals.last_update == 0:
        raise _no_market(morpho, market_id)
    return totals


def decode_position(result: CallResult) -> Position:
    """Return one owner's position."""
    return Position(*decode_all(interface("morpho_blue")["position"], result, what="Morpho"))


def decode_price(result: CallResult) -> int | None:
    """Return the oracle's price, `None` when it gives none: it reverts, is no oracle, or says zero."""
    found = decode_optional(interface("morpho_oracle")["price"], result)
    return found[0] if found and found[0] > 0 else None


def decode_rates(
    params: MarketParams, totals: Totals, at_target: CallResult, rate: CallResult, *, elapsed: int
) -> RateModel:
    """Return the market's rate model: the adaptive curve when it computes the rate that the model itself gives.

    Args:
        params: of the market; without a rate model there is none.
        totals: as stored.
        at_target: the model's answer to `rateAtTarget`.
        rate: its answer to `borrowRateView`, the average over `elapsed`.
        elapsed: seconds since the totals were stored.
    """
    if params.irm == ZERO_ADDRESS:
        return None
    functions = interface("morpho_rate_model")
    average = decode_all(functions["borrowRateView"], rate, what="rate model")[0]
    stored = decode_optional(functions["rateAtTarget"], at_target)
    if stored is not None and stored[0] >= 0 and rate_over(stored[0], totals, elapsed=elapsed)[0] == average:
        return AdaptiveCurve(stored[0])
    return FixedRate(average)


def decode_token(token: Address, results: Results) -> tuple[Token, tuple[Notice, ...]]:
    """Return a token, and a notice when it does not say its decimals: its amounts are then shown in base units."""
    symbol = token_symbol(token, results[0])
    decimals = decode_optional(interface("erc20")["decimals"], results[1])
    if decimals is not None and decimals[0] <= MOST_DECIMALS:
        return Token(token, symbol, decimals[0]), ()
    text = f"{symbol} does not say its decimals: its amounts are in base units"
    return Token(token, symbol, 0), (Notice("decimals-unknown", text),)


def is_liquidatable(result: CallResult) -> bool:
    """Return the contract's verdict on a position with debt, from its answer to `calls.verdict_call`.

    It refuses a healthy one before it looks at anything else; whatever else stops it comes after that.
    """
    return result.success or revert_reason(result.data) != HEALTHY


def _not_morpho(morpho: Address) -> NotDeployed:
    return NotDeployed(
        f"{morpho} does not answer as Morpho Blue does: there is no code, or another contract's",
        fix="check morpho in the address book, and that --rpc-url is of the same chain",
    )


def _no_market(morpho: Address, market_id: str) -> NoSuchMarket:
    return NoSuchMarket(f"Morpho Blue at {morpho} has no market {market_id} at this block")
