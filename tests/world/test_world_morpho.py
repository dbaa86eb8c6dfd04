"""The local chain's Morpho Blue is what it says it is."""

from __future__ import annotations

import pytest

from defilev.abi import Function, encode, keccak
from defilev.model.request import Address
from defilev.units import SECONDS_PER_YEAR, WAD
from tests.support.world import World

pytestmark = pytest.mark.world

PARAMS = "(address,address,address,address,uint256)"
MARKET = "(uint128,uint128,uint128,uint128,uint128,uint128)"
RATE = Function("borrowRateView", (("params", PARAMS), ("market", MARKET)), ("uint256",))
ID_TO_PARAMS = Function(
    "idToMarketParams", (("id", "bytes32"),), ("address", "address", "address", "address", "uint256")
)
POSITION = Function("position", (("id", "bytes32"), ("user", "address")), ("uint256", "uint128", "uint128"))
MARKET_OF = Function("market", (("id", "bytes32"),), ("uint128",) * 6)
PRICE = Function("price", (), ("uint256",))
INITIAL = 4 * WAD // 100 // SECONDS_PER_YEAR
HEALTH = {
    ("morpho-comfortable", "wstETH/USDC"): 2.0984,
    ("morpho-near", "wstETH/USDC"): 1.0219,
    ("morpho-liquidatable", "wstETH/USDC"): 0.9992,
    ("morpho-loop", "wstETH/WETH"): 1.0500,
    ("morpho-several", "wstETH/USDC"): 2.0984,
    ("morpho-several", "wstETH/WETH"): 1.4411,
    ("hedged", "wstETH/USDC"): 1.8885,
}
RATES = [
    (0, 0, 0, 317097919),
    (0.5, INITIAL, 86_400, 820441068),
    (0.9, INITIAL, 86_400, 1268391679),
    (0.95, INITIAL, 604_800, 4086754800),
    (1, 31709791983, 2_592_000, 221968543884),
    (0, INITIAL, 31_536_000, 85220065),
]
"""Utilisation, rate at target before, seconds since the last update, and the borrow rate per second at 1e18.

The rates of `AdaptiveCurveIrmLib` of @morpho-org/blue-sdk 6.4.0 for these states.
"""


def asked(world: World, function: Function, to: str, *arguments: object) -> tuple[int, ...]:
    data = function.encode(*arguments)
    answer = world.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
    return function.decode(bytes.fromhex(answer[2:]))


@pytest.mark.parametrize(("name", "market"), HEALTH)
def test_accounts_are_as_named(name: str, market: str, world: World) -> None:
    """Every named account has on the contract the health that its name promises."""
    described = world.description["morpho_blue"]
    morpho, own = described["morpho"], described["markets"][market]
    market_id = bytes.fromhex(own["id"][2:])
    _, shares, collateral = asked(world, POSITION, morpho, market_id, world.account(name))
    _, _, borrowed, borrowed_shares, _, _ = asked(world, MARKET_OF, morpho, market_id)
    (price,) = asked(world, PRICE, own["oracle"])

    health = collateral * price / 10**36 * float(own["lltv"]) / (shares * borrowed / borrowed_shares)
    assert HEALTH[name, market] == pytest.approx(health, abs=1e-4)


@pytest.mark.parametrize(("utilisation", "start", "elapsed", "rate"), RATES)
def test_the_rate_model_is_the_one_of_the_sdk(
    utilisation: float, start: int, elapsed: int, rate: int, world: World
) -> None:
    """The rate model, written from its formula, gives the rates of Morpho's own SDK."""
    described = world.description["morpho_blue"]
    model = Address(described["rate_model"])
    market_id = bytes.fromhex(described["markets"]["wstETH/USDC"]["id"][2:])
    params = asked(world, ID_TO_PARAMS, described["morpho"], market_id)
    slot = "0x" + keccak(encode(["bytes32", "uint256"], [market_id, 0])).hex()
    world.rpc("anvil_setStorageAt", model, slot, f"0x{start:064x}")
    world.rpc("evm_mine")
    totals = (10**15, 10**21, int(utilisation * 10**15), 10**21, world.head().timestamp - elapsed, 0)

    assert asked(world, RATE, model, params, totals) == (rate,)
