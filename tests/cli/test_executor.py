"""`defilev executor`: one address everywhere, code that is compared before use, a deployment that signs nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from defilev.abi import executor_code, keccak
from defilev.abi.address import address_from_word
from defilev.chain.anvil import Anvil, find_anvil
from defilev.config.call_list import load_call_list
from defilev.model.request import Address, Call
from tests.support.cli import Cli, assert_refused, untouched
from tests.support.executors import deploy_executor
from tests.support.schemas import schema_problems
from tests.support.world import World

pytestmark = pytest.mark.world

POOLS = ("aave-v3-pool", "sparklend-pool")


def test_the_address_follows_from_factory_salt_and_code(cli: Cli) -> None:
    """CREATE2's formula gives the address that is printed, without a node."""
    code = executor_code()
    made = keccak(b"\xff" + bytes.fromhex(code.factory[2:]) + code.salt + keccak(code.creation_code))[12:]

    assert f"0x{made.hex()}" == cli("executor", "address", node=()).out.strip().lower()


def test_a_deployed_executor_is_verified(cli: Cli, world: World) -> None:
    """Its code is compared, and what it lists on the chain is shown, in words and as a document."""
    deploy_executor(world)

    told, shown = cli("executor", "verify"), cli("executor", "verify", "--json")

    assert (0, 0) == (told.code, shown.code), told.err
    assert "is ours, at block" in told.out
    assert world.description["morpho_blue"]["morpho"] == shown.document["morpho"]
    assert [] == schema_problems(shown.document)


def test_an_executor_that_is_not_there_is_named(cli: Cli) -> None:
    """A chain without it is refused with the command that deploys it."""
    assert_refused(cli("executor", "verify", "--json"), code=7, said="is not deployed on local", is_json=True)


def test_other_code_at_the_address_is_refused(cli: Cli, world: World) -> None:
    """One byte more is other code."""
    there = deploy_executor(world)
    world.rpc("anvil_setCode", there, "0x" + world.node.code(there).hex() + "00")

    assert_refused(cli("executor", "verify"), code=7, said="is not the executor's")
    assert_refused(cli("executor", "deploy", "comfortable"), code=7, said="is not the executor's")


def test_a_deployment_is_tried_and_nothing_is_signed(cli: Cli, world: World) -> None:
    """The dry run says what it costs, and leaves the chain as it was."""
    with untouched(world):
        tried = cli("executor", "deploy", "comfortable")

    assert 0 == tried.code, tried.err
    assert "DRY RUN: nothing was signed." in tried.out


def test_the_exported_transaction_deploys_it(cli: Cli, world: World, tmp_path: Path) -> None:
    """Sent as it is written, the transaction puts verified code at the address; a second one is refused."""
    file = tmp_path / "deployment.json"
    assert 0 == cli("executor", "deploy", "comfortable", "--unsigned", file).code
    document = json.loads(file.read_text())
    assert [] == schema_problems(document)

    sent = document["transaction"]
    data = bytes.fromhex(sent["data"][2:])
    world.send(Address(sent["from"]), Address(sent["to"]), data, gas=int(sent["gas_limit"]))

    assert 0 == cli("executor", "verify").code
    assert_refused(cli("executor", "deploy", "comfortable"), code=7, said="is deployed already")


def test_who_cannot_pay_deploys_nothing(cli: Cli, world: World) -> None:
    """An account without native currency is refused with both amounts."""
    world.rpc("anvil_setBalance", world.account("comfortable"), "0x0")

    assert_refused(cli("executor", "deploy", "comfortable"), code=7, said="cannot pay for the deployment")


@pytest.mark.parametrize("chain_id", [1, 8453, 10, 42161])
def test_its_lists_are_those_of_the_chains_policy(chain_id: int) -> None:
    """Pools, Morpho and router as the compiled code names them are the addresses that published packages confirm."""
    listed = load_call_list(chain_id)
    assert listed is not None
    pools = [entry.address for entry in listed.contracts if entry.role in POOLS]
    code = executor_code()
    with Anvil(find_anvil(None)) as anvil:
        anvil.rpc.request("anvil_setChainId", [chain_id])
        there = code.address
        anvil.set_code(there, _runtime(anvil))

        assert pools
        for pool in pools:
            assert 1 == _asked(anvil, there, "isPool(address)", str(pool))
        assert listed.address("morpho-blue-pool", "morpho-blue/main") == _address(anvil, there, "morpho()")
        assert listed.address("uniswap-v3-router", "uniswap-v3") == _address(anvil, there, "router()")
        assert 0 == _asked(anvil, there, "isPool(address)", there)


def _runtime(anvil: Anvil) -> bytes:
    """Return the code that the creation code leaves, run by the node."""
    made = anvil.rpc.request("eth_call", [{"data": "0x" + executor_code().creation_code.hex()}, "latest"])
    runtime = bytes.fromhex(str(made)[2:])
    assert executor_code().runtime_hash == keccak(runtime)
    return runtime


def _asked(anvil: Anvil, there: Address, signature: str, argument: str = "") -> int:
    data = keccak(signature.encode())[:4] + (bytes(12) + bytes.fromhex(argument[2:]) if argument else b"")
    answer = anvil.node.call(Call(there, data), block="latest")
    assert answer.success
    return int.from_bytes(answer.data, "big")


def _address(anvil: Anvil, there: Address, signature: str) -> str:
    return address_from_word(_asked(anvil, there, signature))


def test_it_names_no_address_that_no_package_confirms(repository: Path) -> None:
    """Every address in the source of its lists stands in the policy of a chain."""
    source = (repository / "contracts" / "Venues.sol").read_text()
    lists = [load_call_list(chain_id) for chain_id in (1, 8453, 10, 42161)]
    confirmed = {str(entry.address) for found in lists if found for entry in found.contracts}

    assert set() == set(re.findall(r"0x[0-9a-fA-F]{40}", source)) - confirmed
