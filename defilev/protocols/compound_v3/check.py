"""The self-check: our balances and verdicts against the contract's, on every read.

A Comet has no health factor to compare with. Its balances must be ours to the last digit, and its verdicts, which count
interest only up to the last accrual, must be those that our figures give at the same indices.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from defilev.errors import PriceMissing, SelfCheckFailed
from defilev.model.account import LendingAccount, SelfCheck
from defilev.model.request import Block
from defilev.protocols.compound_v3.account import account_from_state
from defilev.protocols.compound_v3.decode import UserRead
from defilev.protocols.compound_v3.math import balance, covers, debt, utilisation
from defilev.protocols.compound_v3.state import CometMarket, CometState

__all__ = ["checked_accounts"]

CONSISTENT = SelfCheck("consistent", "isLiquidatable, isBorrowCollateralized; balanceOf, borrowBalanceOf to the digit")


def checked_accounts(
    market: CometMarket,
    users: Sequence[UserRead],
    balances: Sequence[tuple[int, ...]],
    *,
    utilisation_found: int,
    protocol: str,
    chain_id: int,
    block: Block,
) -> tuple[LendingAccount, ...]:
    """Return the users' accounts once everything that the contract says of them has been reproduced.

    Raises:
        SelfCheckFailed: something has not.
        PriceMissing: a debt, or a collateral of somebody who owes, has no price.
    """
    if (computed := utilisation(market.totals)) != utilisation_found:
        raise _failure(f"utilisation of {market.name}", computed, utilisation_found, market, block)
    accounts = []
    for user, amounts in zip(users, balances, strict=True):
        state = CometState(
            chain_id=chain_id,
            block=block,
            at=block.timestamp,
            market=market,
            owner=user.owner,
            principal=user.principal,
            assets=user.assets,
            balances=amounts,
        )
        for what, ours, theirs in _compared(state, user):
            if ours != theirs:
                raise _failure(f"{what} of {user.owner}", ours, theirs, market, block)
        _require_prices(state)
        accounts.append(account_from_state(state, protocol=protocol, self_check=CONSISTENT))
    return tuple(accounts)


def _compared(state: CometState, user: UserRead) -> Iterator[tuple[str, object, object]]:
    stored = state.market.totals
    liquidatable = covers(state, "liquidate_factor", stored)
    yield "balanceOf", balance(state), user.balance
    yield "borrowBalanceOf", debt(state), user.debt
    yield "isBorrowCollateralized", covers(state, "borrow_factor", stored), user.is_borrow_collateralized
    yield "isLiquidatable", None if liquidatable is None else not liquidatable, user.is_liquidatable
    held = [state.holds(index) for index in range(len(state.balances))]
    yield "assets", held, [amount > 0 for amount in state.balances]


def _require_prices(state: CometState) -> None:
    """Raise `PriceMissing` for somebody who owes; without a debt nothing is decided by a price."""
    if state.principal >= 0:
        return
    market = state.market
    needed = [(market.base, market.base_feed, market.base_price)]
    needed += [(each.asset, each.feed, each.price) for i, each in enumerate(market.collaterals) if state.holds(i)]
    for token, feed, price in needed:
        if price is None:
            raise PriceMissing(
                f"{state.owner} on {market.name} cannot be valued: the feed of {token.symbol} gives no price",
                asked=f"getPrice({feed}) of {market.comet} at block {state.block.number}",
                asset=token.address,
            )


def _failure(what: str, computed: object, contract: object, market: CometMarket, block: Block) -> SelfCheckFailed:
    return SelfCheckFailed(
        f"computed and contract {what} differ at block {block.number}",
        computed=computed,
        contract=contract,
        comet=market.comet,
    )
