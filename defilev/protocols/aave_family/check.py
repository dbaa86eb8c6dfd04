"""The self-check: our figures against the contract's, to the last digit, on every read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from defilev.errors import PriceMissing, SelfCheckFailed
from defilev.model.account import LendingAccount, SelfCheck
from defilev.model.request import Block
from defilev.protocols.aave_family.account import account_from_state
from defilev.protocols.aave_family.decode import EModeRead, ReserveRead, UserRead
from defilev.protocols.aave_family.math import account_data, counted_price, normalized_debt, normalized_income
from defilev.protocols.aave_family.regimes import REGIMES
from defilev.protocols.aave_family.state import AaveMarket, AaveState, Position

__all__ = ["checked_accounts"]

EXACT = SelfCheck("exact", "getUserAccountData")


def checked_accounts(
    market: AaveMarket,
    regimes: Sequence[str],
    users: Sequence[UserRead],
    *,
    reserves: Sequence[ReserveRead],
    positions: Sequence[tuple[Position, ...]],
    e_modes: Mapping[int, EModeRead],
    chain_id: int,
    block: Block,
) -> tuple[LendingAccount, ...]:
    """Return the users' accounts under the first of `regimes` that reproduces everything the contract says.

    Raises:
        SelfCheckFailed: none does; the numbers are those of the first.
        PriceMissing: somebody holds or owes an asset without a price.
    """
    states = [
        AaveState(
            chain_id=chain_id,
            block=block,
            at=block.timestamp,
            market=market,
            owner=user.owner,
            e_mode=e_modes[user.e_mode].e_mode if user.e_mode else None,
            user_configuration=user.configuration,
            reserves=tuple(read.reserve for read in reserves),
            positions=owned,
        )
        for user, owned in zip(users, positions, strict=True)
    ]
    for state in states:
        _require_prices(state)
    first_failure: SelfCheckFailed | None = None
    for regime in regimes:
        candidate = [replace(state, market=replace(market, regime=regime)) for state in states]
        failure = _difference(candidate, users, reserves)
        if failure is None:
            return tuple(_account(state, user) for state, user in zip(candidate, users, strict=True))
        first_failure = first_failure or failure
    raise first_failure or SelfCheckFailed("no release was left to compare with")


def _account(state: AaveState, user: UserRead) -> LendingAccount:
    return account_from_state(state, self_check=EXACT, contract_health_factor=user.data.health_factor)


def _require_prices(state: AaveState) -> None:
    for reserve, position in zip(state.reserves, state.positions, strict=True):
        if counted_price(state, reserve) is None and position != Position():
            raise PriceMissing(
                f"{state.owner} on {state.market.name} cannot be valued: no price for {reserve.asset.symbol}",
                asked=f"AaveOracle {state.market.oracle} at block {state.block.number}",
                asset=reserve.asset.address,
            )


def _difference(
    states: Sequence[AaveState], users: Sequence[UserRead], reserves: Sequence[ReserveRead]
) -> SelfCheckFailed | None:
    for state, user in zip(states, users, strict=True):
        computed = account_data(state)
        if computed != user.data:
            return _failure(state, "health factor", computed.health_factor, user.data.health_factor)
    for read in reserves if states else ():
        regime = REGIMES[states[0].market.regime]
        ours = (
            normalized_income(read.reserve, at=states[0].at),
            normalized_debt(regime, read.reserve, at=states[0].at),
        )
        if ours != (read.income, read.debt_index):
            return _failure(states[0], f"{read.reserve.asset.symbol} indices", ours, (read.income, read.debt_index))
    return None


def _failure(state: AaveState, what: str, computed: object, contract: object) -> SelfCheckFailed:
    where = f"{state.market.protocol}/{state.market.name} differ at block {state.block.number}"
    return SelfCheckFailed(
        f"computed and contract {what} of {state.owner} on {where}",
        computed=computed,
        contract=contract,
        revision=state.market.revision,
        rules=state.market.regime,
    )
