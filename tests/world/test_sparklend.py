"""SparkLend where it differs from Aave: price sources of categories, debt at a stable rate, the shipped entry point."""

from __future__ import annotations

from decimal import Decimal

import pytest

from defilev.abi import encode, keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.config.address_book import load_address_book
from defilev.config.call_list import load_call_list
from defilev.model.request import Address
from defilev.protocols import PROTOCOLS
from defilev.risk.liquidation import driver_liquidations
from defilev.units import WAD
from tests.support.world import World

pytestmark = pytest.mark.world

SPARK = PROTOCOLS["sparklend"]
CATEGORY = "setEModeCategory(uint8,uint16,uint16,uint16,address,string)"
STABLE_RATE = 1


def as_owner(world: World, signature: str, *arguments: object) -> None:
    """Send a call to the market's configurator that must succeed."""
    types = signature[signature.index("(") + 1 : -1].split(",")
    data = keccak(signature.encode())[:4] + encode(types, list(arguments))
    owner = Address(world.description["operators"][0]["address"])
    configurator = Address(world.description["markets"]["spark"]["configurator"])
    assert world.send(owner, configurator, data)["status"] == "0x1"


def test_the_shipped_entry_point_leads_to_the_listed_pool(world: World) -> None:
    """The address book and the list of calls for Ethereum name the contracts that the local market stands at."""
    (entry,) = [entry for entry in load_address_book(1).markets if entry.protocol == "sparklend"]
    calls = load_call_list(1)

    assert world.market("spark") == entry
    assert calls is not None
    assert calls.address("sparklend-pool", "sparklend/main") == world.pool("spark")


def test_a_category_with_a_price_source_has_one_price_and_one_driver(world: World) -> None:
    """Every asset of the category counts at the source's price, to the wei, and no price alone can liquidate it."""
    owner = world.account("loop")
    (before,) = world.read("spark", [owner])
    as_owner(world, CATEGORY, 1, 9300, 9500, 10100, world.token("WETH"), "ETH correlated")
    (after,) = world.read("spark", [owner])

    assert {"exact"} == {before.self_check.result, after.self_check.result}
    assert (1, 1) == (len({leg.price.value for leg in after.legs}), len({leg.price.driver for leg in after.legs}))
    assert 2 == len({leg.price.value for leg in before.legs})
    assert () == driver_liquidations(SPARK.exposure(after, stable=frozenset()))


def test_without_a_source_each_asset_keeps_its_own_price(world: World) -> None:
    """A source that the oracle has no price for counts as none, as in the contract."""
    owner = world.account("loop")
    as_owner(world, CATEGORY, 1, 9300, 9500, 10100, world.token("WETH"), "ETH correlated")
    as_owner(world, CATEGORY, 1, 9300, 9500, 10100, ZERO_ADDRESS, "ETH correlated")
    (account,) = world.read("spark", [owner])

    assert "exact" == account.self_check.result
    assert 2 == len({leg.price.value for leg in account.legs})


def test_debt_at_a_stable_rate_is_owed_too(world: World) -> None:
    """What is borrowed at a stable rate is in the sums, to the wei, at once and after it has grown."""
    owner, usdc = world.account("comfortable"), world.token("USDC")
    (before,) = world.read("spark", [owner])
    as_owner(world, "setReserveStableRateBorrowing(address,bool)", usdc, True)
    borrow = keccak(b"borrow(address,uint256,uint256,uint16,address)")[:4]
    words = encode(["address", "uint256", "uint256", "uint16", "address"], [usdc, 5_000 * 10**6, STABLE_RATE, 0, owner])
    assert world.send(owner, world.pool("spark"), borrow + words)["status"] == "0x1"
    (after,) = world.read("spark", [owner])
    world.advance(30 * 86_400)
    (later,) = world.read("spark", [owner])

    assert {"exact"} == {after.self_check.result, later.self_check.result}
    assert 5_000 == pytest.approx(float(Decimal(after.debt_value - before.debt_value).scaleb(-8)), abs=1)
    assert later.health_factor is not None
    assert WAD < later.health_factor < (after.health_factor or 0)
