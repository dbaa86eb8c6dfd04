"""The self-check: every figure worked out from what is stored, against the contracts', on every read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.errors import SelfCheckFailed
from defilev.model.account import SelfCheck
from defilev.protocols.perp_curie import math
from defilev.protocols.perp_curie.decode import Figures, PositionRead
from defilev.protocols.perp_curie.state import CurieState

__all__ = ["EXACT_CHECK", "checked"]

EXACT_CHECK = SelfCheck(
    "exact",
    "getAccountValue of vault and clearing house, getFreeCollateral, getMarginRequirementForLiquidation, "
    "getPnlAndPendingFee, getTotalDebtValue, sizes, notionals, values and mark prices",
)


def checked(state: CurieState, figures: Figures, positions: Sequence[PositionRead]) -> CurieState:
    """Return `state` once everything that the contracts say of it has been reproduced to the digit.

    Raises:
        SelfCheckFailed: something has not; the error has both figures.
    """
    compared = (*_positions(positions), *_totals(state, figures), *_values(state, figures))
    for what, ours, theirs in compared:
        if ours != theirs:
            raise SelfCheckFailed(
                f"computed and contract {what} of {state.owner} differ at block {state.block.number}",
                computed=ours,
                contract=theirs,
                market=state.deployment,
            )
    return state


def _positions(positions: Sequence[PositionRead]) -> Iterator[tuple[str, int, int]]:
    for read in positions:
        position, market = read.position, read.position.market
        if market.status == "open":
            yield f"mark price of {market.token.symbol}", math.mark_price(market), market.mark_price
        yield f"size in {market.token.symbol}", math.size(position), read.size
        yield f"open notional in {market.token.symbol}", math.notional(position), read.notional
        yield f"position value in {market.token.symbol}", math.position_value(position), read.value


def _totals(state: CurieState, figures: Figures) -> Iterator[tuple[str, int, int]]:
    yield "unrealised profit", math.unrealized_pnl(state), figures.unrealized_pnl
    yield "pending fees", math.pending_fees(state), figures.pending_fee
    yield "pending funding", math.all_funding(state), figures.funding
    yield "debt value", math.debt_value(state), figures.debt_value
    yield "absolute position value", math.absolute_value(state), figures.absolute_value
    yield "margin requirement", math.margin_requirement(state), figures.margin_requirement


def _values(state: CurieState, figures: Figures) -> Iterator[tuple[str, int, int]]:
    decimals = state.settlement.decimals
    value = math.cut_to_settlement(math.account_value(state), decimals=decimals)
    yield "account value", value, figures.account_value
    yield "account value with 18 decimals", value * math.unit_of(decimals), figures.house_value
    yield "free collateral", math.free_collateral(state), figures.free_collateral
    free = math.free_collateral_by_ratio(state, state.rules.maintenance_ratio)
    yield (
        "free collateral by maintenance ratio",
        math.cut_to_settlement(free, decimals=decimals),
        figures.free_by_ratio,
    )
