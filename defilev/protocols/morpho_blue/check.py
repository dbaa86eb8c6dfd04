"""The self-check: our accrual against the contract's, to the last digit, and our health against its verdict."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.errors import PriceMissing, SelfCheckFailed
from defilev.model.account import LendingAccount, SelfCheck
from defilev.protocols.morpho_blue.account import account_from_state
from defilev.protocols.morpho_blue.math import accrued, borrowed, max_borrow
from defilev.protocols.morpho_blue.state import MorphoState, Totals

__all__ = ["checked_accounts"]

WITH_DEBT = SelfCheck("consistent", "totals after accrueInterest, and the verdict of liquidate")
WITHOUT_DEBT = SelfCheck("consistent", "totals after accrueInterest")


def checked_accounts(
    states: Sequence[MorphoState], *, contract_totals: Totals, verdicts: Sequence[bool | None]
) -> tuple[LendingAccount, ...]:
    """Return the accounts of `states`, once everything that the contract says of them agrees.

    Args:
        states: of one market, in the order of its owners.
        contract_totals: what `accrueInterest` left at the block.
        verdicts: for each of the states whether the contract would liquidate it; `None` for those without debt.

    Raises:
        SelfCheckFailed: interest, or the verdict on a position, is not ours.
        PriceMissing: somebody owes, and the oracle gives no price.
    """
    for state, verdict in zip(states, verdicts, strict=True):
        _require_price(state)
        _require_same_interest(state, contract_totals)
        _require_same_verdict(state, verdict)
    return tuple(
        account_from_state(state, self_check=WITH_DEBT if state.position.borrow_shares else WITHOUT_DEBT)
        for state in states
    )


def _require_price(state: MorphoState) -> None:
    market = state.market
    if market.price is None and state.position.borrow_shares:
        raise PriceMissing(
            f"{state.owner} on morpho-blue {market.label} cannot be valued: its oracle gives no price",
            asked=f"price() of {market.params.oracle} at block {state.block.number}",
            market=market.id,
        )


def _require_same_interest(state: MorphoState, contract: Totals) -> None:
    ours = accrued(state).totals
    if ours.words != contract.words:
        raise _failure(state, "totals", ours.words, contract.words)


def _require_same_verdict(state: MorphoState, is_liquidatable: bool | None) -> None:  # noqa: FBT001 - the verdict
    if is_liquidatable is None:
        return
    most, owed = max_borrow(state), borrowed(state)
    if (most < owed) != is_liquidatable:
        ours = f"at most {most}, owed {owed}"
        raise _failure(state, "health", ours, "liquidatable" if is_liquidatable else "healthy")


def _failure(state: MorphoState, what: str, computed: object, contract: object) -> SelfCheckFailed:
    where = f"morpho-blue {state.market.label} differ at block {state.block.number}"
    return SelfCheckFailed(
        f"computed and contract {what} of {state.owner} on {where}",
        computed=computed,
        contract=contract,
        market=state.market.id,
    )
