"""The contracts of a Safe: that what is tested is what is deployed everywhere, and what is shipped says so."""

from __future__ import annotations

import pytest

from defilev.abi import keccak
from defilev.config.safe_contracts import load_safe_contracts
from tests.support.safes import (
    MULTI_SEND,
    OLD_SAFE,
    OLD_SAFE_L2,
    SAFE,
    SAFE_L2,
    deploy_old_safes,
    deploy_safes,
    open_treasury,
)
from tests.support.world import World

pytestmark = pytest.mark.world


def test_the_package_deploys_to_the_shipped_addresses_with_the_shipped_code(world: World) -> None:
    """The pinned package's creation code, deployed as everywhere, lands where the table says, with that code."""
    deploy_safes(world)
    shipped = load_safe_contracts()
    listed = {each.address: each.code_hash for each in shipped.singletons if each.version == "1.4.1"}
    listed[shipped.multi_send] = shipped.multi_send_code_hash

    assert {SAFE, SAFE_L2, MULTI_SEND} == set(listed)
    for address, code_hash in listed.items():
        assert code_hash == "0x" + keccak(world.node.code(address)).hex()


def test_a_safe_has_a_position_and_no_ether(world: World) -> None:
    """The Safe that tests act for has owners, a threshold and a position, and cannot pay for gas."""
    treasury = open_treasury(world)

    assert 0 == world.node.balance(treasury.address)
    assert (2, 0, "1.4.1") == tuple(treasury.call(name) for name in ("getThreshold", "nonce", "VERSION"))
    assert treasury.owners == treasury.call("getOwners")
    assert 2 * 10**18 < (world.read("main", [treasury.address])[0].health_factor or 0) < 3 * 10**18


def test_the_older_package_deploys_to_the_shipped_addresses_too(world: World) -> None:
    """The creation code of 1.3.0 lands at the addresses of the table, with the table's code."""
    deploy_old_safes(world)
    listed = {each.address: each.code_hash for each in load_safe_contracts().singletons if each.version == "1.3.0"}

    for address in (OLD_SAFE, OLD_SAFE_L2):
        assert listed[address] == "0x" + keccak(world.node.code(address)).hex()
