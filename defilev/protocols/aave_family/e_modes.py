"""Reading the e-mode categories that an account is not in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from defilev.abi import interface
from defilev.abi.answers import decode_optional
from defilev.errors import Infeasible
from defilev.model.account import LendingAccount
from defilev.model.request import Read
from defilev.protocols.aave_family import calls
from defilev.protocols.aave_family.decode import decode_e_modes
from defilev.protocols.aave_family.state import AaveState

__all__ = ["MOST_CATEGORIES", "read_e_mode", "read_e_modes"]

MOST_CATEGORIES = 255


def read_e_mode(account: LendingAccount, category: int) -> Read[LendingAccount]:
    """Return the account with `category` known to it, so that it can be entered; 0 is always known.

    Raises:
        Infeasible: the market has no such category, or one with a price source of its own.
    """
    if category == 0:
        return account
    found = yield from _read(account, [category])
    state: AaveState = found.state
    if category not in {each.id for each in state.categories}:
        raise Infeasible(
            f"{account.protocol} {account.market_name} has no e-mode {category} that can be entered",
            fix="give the number of a category with a liquidation threshold; 0 or `off` leaves the present one",
        )
    return found


def read_e_modes(account: LendingAccount) -> Read[LendingAccount]:
    """Return the account with every category of its market known to it, in two batches: numbers may have gaps."""
    state: AaveState = account.state
    of_data = interface("aave_v3_pool")["getEModeCategoryData"]
    numbers = range(1, MOST_CATEGORIES + 1)
    results = yield [of_data.call(state.market.pool, category) for category in numbers]
    answers = [decode_optional(of_data, result) for result in results]
    there = [number for number, answer in zip(numbers, answers, strict=True) if answer and answer[0][1] > 0]
    return (yield from _read(account, there)) if there else account


def _read(account: LendingAccount, categories: Sequence[int]) -> Read[LendingAccount]:
    """Return the account with those of `categories` that have a threshold, and no price source of their own."""
    state: AaveState = account.state
    results = yield [call for category in categories for call in calls.e_mode_calls(state.market.pool, category)]
    found = decode_e_modes(categories, results).values()
    usable = [each.e_mode for each in found if each.e_mode.liquidation_threshold > 0 and each.price_source is None]
    return replace(account, state=replace(state, categories=tuple(usable)))
