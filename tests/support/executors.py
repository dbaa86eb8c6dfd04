"""The executor on the local chain: deployed as it is everywhere, by the factory that creates by content."""

from __future__ import annotations

from defilev.abi import executor_code
from defilev.model.request import Address
from tests.support.safes import DEPLOYER, DEPLOYER_CODE
from tests.support.world import World

__all__ = ["deploy_executor"]


def deploy_executor(world: World) -> Address:
    """Deploy the executor and return where it is."""
    code = executor_code()
    world.rpc("anvil_setCode", DEPLOYER, DEPLOYER_CODE)
    sent = world.send(Address(world.description["operators"][0]["address"]), code.factory, code.deployment)
    assert "0x1" == sent["status"]
    return code.address
