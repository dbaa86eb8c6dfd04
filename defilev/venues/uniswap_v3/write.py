"""The calls that swap on SwapRouter02; read nothing, send nothing."""

from __future__ import annotations

from defilev.abi import Transaction, interface
from defilev.model.plan import Swap
from defilev.model.request import Address
from defilev.venues.contract import Route

__all__ = ["CONTRACT", "encoded_path", "gas", "transaction"]

CONTRACT = "swap router"
NO_PRICE_LIMIT = 0
GAS_PER_SWAP = 120_000
GAS_PER_HOP = 180_000


def encoded_path(route: Route) -> bytes:
    """Return the route as router and quoter spell it: token, fee in three bytes, token, and so on."""
    path = bytes.fromhex(route[0].token_in.address[2:])
    for hop in route:
        path += hop.fee.to_bytes(3, "big") + bytes.fromhex(hop.token_out.address[2:])
    return path


def transaction(router: Address, swap: Swap, *, owner: Address) -> Transaction:
    """Return the call that sells exactly `amount_in` for at least `minimum_out`, paid to `owner`."""
    functions = interface("uniswap_v3_swap_router_02")
    if len(swap.route) > 1:
        parameters = (encoded_path(swap.route), owner, swap.amount_in, swap.minimum_out)
        return Transaction(router, CONTRACT, functions["exactInput"], (parameters,))
    hop = swap.route[0]
    single = (
        hop.token_in.address,
        hop.token_out.address,
        hop.fee,
        owner,
        swap.amount_in,
        swap.minimum_out,
        NO_PRICE_LIMIT,
    )
    return Transaction(router, CONTRACT, functions["exactInputSingle"], (single,))


def gas(swap: Swap) -> int:
    """Return a gas limit that suffices for `swap`; large ones cross many ticks, and what is not used is not paid."""
    return GAS_PER_SWAP + GAS_PER_HOP * len(swap.route)
