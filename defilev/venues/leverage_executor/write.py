"""The executor's calldata; reads nothing, sends nothing."""

from __future__ import annotations

from defilev.abi import Transaction, interface
from defilev.abi.address import ZERO_ADDRESS
from defilev.model.action import Hop, Unwind
from defilev.model.request import Address
from defilev.venues.uniswap_v3.write import encoded_path

__all__ = ["CONTRACT", "gas", "transaction"]

CONTRACT = "executor"
NO_SIGNATURE = (0, 0, bytes(32), bytes(32))
"""The right was granted by an approval before: the contract looks for no signature."""

GAS = 1_400_000
GAS_PER_HOP = 180_000


def transaction(action: Unwind, *, pool: Address) -> Transaction:
    """Return the call that performs `action` on the caller's own position in `pool`."""
    market = (action.asset.address, action.collateral.address, ZERO_ADDRESS, ZERO_ADDRESS, 0)
    enforced = action.enforced
    promised = (
        enforced.health_factor,
        enforced.debt,
        enforced.collateral,
        0,
        enforced.deadline,
        enforced.last_block,
    )
    order = (
        pool,
        market,
        action.lender,
        action.amount,
        action.taken,
        action.limit,
        encoded_path(backwards(action.route)),
        promised,
        NO_SIGNATURE,
        NO_SIGNATURE,
    )
    return Transaction(action.executor, CONTRACT, interface("leverage_executor")["deleverage"], (order,))


def backwards(route: tuple[Hop, ...]) -> tuple[Hop, ...]:
    """Return a route from its end: the router spells what is bought exactly so."""
    return tuple(Hop(hop.token_out, hop.token_in, hop.fee, hop.pool) for hop in reversed(route))


def gas(action: Unwind) -> int:
    """Return a gas limit that suffices for `action`; what is not used is not paid."""
    return GAS + GAS_PER_HOP * len(action.route)
