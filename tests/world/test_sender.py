"""Bringing transactions in on a real node: fee spikes, empty pools, reorganisations, strangers, private relays."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import count
from typing import Any

import pytest

from defilev.chain.endpoints import Endpoints
from defilev.errors import ForeignTransaction, NotConfirmed, SignerUnreachable
from defilev.execute.password import read_password_file
from defilev.execute.signer import KeystoreSigner
from defilev.execute.transaction import TransactionFields, decode_signed
from defilev.model.execution import SentStep, SignedStep
from defilev.model.request import Call
from tests.support.desk import AMOUNT, Clock, Desk, endpoint_of, quick, wait_until
from tests.support.faults import answered
from tests.support.world import World, own_world

pytestmark = pytest.mark.world

WHO = "comfortable"
GWEI = 10**9
_DISTINCT = count()


@pytest.fixture(scope="module")
def world_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Serve a chain for this module: anvil loses states after some thousand blocks, and a reorganisation needs them."""
    with own_world(tmp_path_factory.mktemp("world")) as served:
        yield served


@pytest.fixture(scope="module")
def signer(world_session: World) -> KeystoreSigner:
    """The opened keystore of the account."""
    keystore, password_file = world_session.credentials(WHO)
    return KeystoreSigner.unlock(keystore, password=read_password_file(password_file), owner=world_session.account(WHO))


@pytest.fixture
def desk(world: World, signer: KeystoreSigner) -> Iterator[Desk]:
    """A desk whose plan has one step, a withdrawal, on a chain that mines when the test says so.

    No two tests have a block in common: anvil keeps states by block hash, and forgets those of blocks taken back.
    """
    desk = Desk(world, signer)
    world.rpc("anvil_setNextBlockBaseFeePerGas", hex(2 * GWEI + next(_DISTINCT)))
    world.rpc("evm_mine")
    world.rpc("evm_setAutomine", False)
    yield desk
    world.rpc("anvil_dropAllTransactions")
    world.rpc("evm_setAutomine", True)
    for transport in desk.transports:
        transport.close()


def one_step(desk: Desk) -> Any:
    """Return a plan that withdraws 2 WETH."""
    return desk.plan([desk.markets().withdraw(desk.token("WETH"), AMOUNT)])


def at_seconds(clock: Clock, events: dict[float, Callable[[], object]]) -> None:
    """Let things happen when the clock has reached their seconds, each once."""
    left = dict(events)

    def meanwhile() -> None:
        for due in [second for second in left if clock.now >= second]:
            left.pop(due)()

    clock.meanwhile = meanwhile


def mined(desk: Desk) -> Callable[[], object]:
    """Return what mines a block."""
    return lambda: desk.world.rpc("evm_mine")


def signatures(desk: Desk) -> list[SignedStep]:
    """Return what was signed."""
    return [event for event in desk.events if isinstance(event, SignedStep)]


@contextmanager
def executed_once(desk: Desk) -> Iterator[None]:
    """Assert that exactly one nonce is used, and exactly the plan's 2 WETH come to the wallet."""
    nonce, held = desk.world.node.nonce(desk.owner), desk.world.balance("WETH", desk.owner)
    yield
    assert nonce + 1 == desk.world.node.nonce(desk.owner)
    assert held + AMOUNT == desk.world.balance("WETH", desk.owner)


def test_fees_follow_a_spike_of_the_base_fee(desk: Desk) -> None:
    """When the base fee jumps over a waiting transaction its fees are raised past it at once, by an eighth at least."""
    clock = Clock()

    def spike() -> None:
        desk.world.rpc("anvil_setNextBlockBaseFeePerGas", hex(60 * GWEI))
        desk.world.rpc("evm_mine")

    at_seconds(clock, {1: spike, 30: mined(desk)})

    with executed_once(desk):
        done = desk.send(one_step(desk), sending=quick(clock))

    first, second = signatures(desk)
    assert second.hash == done.steps[0].hash
    assert first.nonce == second.nonce
    assert second.max_fee_per_gas >= 2 * 50 * GWEI
    assert 8 * second.max_priority_fee_per_gas >= 9 * first.max_priority_fee_per_gas
    assert ["resent", "raised"] == [remark.kind for remark in desk.remarks]


def test_fees_never_exceed_their_cap(desk: Desk) -> None:
    """A transaction that may not cost more stays as it is; when time is up its hash is reported."""
    clock = Clock()
    at_seconds(clock, {float(second): lambda: _expensive_block(desk) for second in range(1, 60, 6)})

    with pytest.raises(NotConfirmed) as raised:
        desk.send(one_step(desk), sending=replace(quick(clock), fee_cap=10 * GWEI))

    assert all(each.max_fee_per_gas <= 10 * GWEI for each in signatures(desk))
    assert "capped" in [remark.kind for remark in desk.remarks]
    assert signatures(desk)[-1].hash in str(raised.value.facts["unknown"])


def _expensive_block(desk: Desk) -> None:
    desk.world.rpc("anvil_setNextBlockBaseFeePerGas", hex(60 * GWEI))
    desk.world.rpc("evm_mine")


class SleepySigner:
    """Signs with another signer, but for the second time that it is asked."""

    def __init__(self, signer: KeystoreSigner) -> None:
        self._signer = signer
        self.address = signer.address
        self.asked = 0

    def announce(self, calls: Sequence[Call]) -> None:
        self._signer.announce(calls)

    def sign(self, fields: TransactionFields) -> bytes:
        self.asked += 1
        if self.asked == 2:
            raise SignerUnreachable("the signer cannot be used: no such file")
        return self._signer.sign(fields)


def test_what_was_sent_is_followed_while_the_signer_does_not_answer(desk: Desk) -> None:
    """A signer that is away when fees must rise is asked again later; the run goes on, and one transaction lands."""
    clock, signer = Clock(), SleepySigner(desk.signer)
    at_seconds(clock, {1: lambda: _expensive_block(desk), 56: mined(desk)})

    with executed_once(desk):
        done = desk.send(one_step(desk), sending=quick(clock), signer=signer)

    first, second = signatures(desk)
    assert second.hash == done.steps[0].hash
    assert first.nonce == second.nonce
    assert signer.asked == 3
    assert ["capped", "raised"] == [remark.kind for remark in desk.remarks if remark.kind != "resent"]


def test_fees_stay_while_the_chain_stands_still(desk: Desk) -> None:
    """Without new blocks nothing is signed again, however long it takes."""
    with pytest.raises(NotConfirmed, match="not included after 60 s"):
        desk.send(one_step(desk), sending=quick(Clock()))

    assert 1 == len(signatures(desk))


def test_what_vanished_from_the_pool_is_handed_over_again(desk: Desk) -> None:
    """The same bytes go out again; nothing new is signed, and it is executed once."""
    clock = Clock()

    def drop() -> None:
        desk.world.rpc("anvil_dropTransaction", signatures(desk)[0].hash)

    at_seconds(clock, {1: drop, 20: mined(desk)})

    with executed_once(desk):
        done = desk.send(one_step(desk), sending=quick(clock))

    assert [done.steps[0].hash] == [signed.hash for signed in signatures(desk)]
    assert ["resent"] == [remark.kind for remark in desk.remarks]


@pytest.mark.parametrize("depth", [1, 2])
def test_an_inclusion_that_a_reorganisation_takes_back_is_brought_in_again(desk: Desk, depth: int) -> None:
    """The stored bytes are sent again, it is executed once, and the account is read once it is deep enough."""
    clock = Clock()

    def reorganise() -> None:
        desk.world.rpc("anvil_reorg", depth, [])

    included = {float(second): mined(desk) for second in range(1, depth + 1)}
    later = {float(second): mined(desk) for second in (10, 13, 16, 19, 22)}
    at_seconds(clock, {**included, depth + 2.5: reorganise, **later})

    with executed_once(desk):
        done = desk.send(one_step(desk), sending=replace(quick(clock), confirmations=3))

    assert 1 == len(signatures(desk))
    assert ["reorganised", "resent"] == [remark.kind for remark in desk.remarks]
    assert done.steps[0].block_hash == desk.world.node.block(done.steps[0].block_number).hash
    assert ("confirmed", done.steps[0].nonce) in desk.told


def test_a_reorganisation_between_two_steps_is_noticed_before_the_next_is_signed(desk: Desk) -> None:
    """What it takes back is brought in again first, with the same bytes; both steps are executed once."""
    clock, weth = Clock(), desk.token("WETH")
    plan = desk.plan([desk.markets().withdraw(weth, AMOUNT), desk.markets().withdraw(weth, AMOUNT)])
    held, nonce = desk.world.balance("WETH", desk.owner), desk.world.node.nonce(desk.owner)
    at_seconds(clock, {float(second): mined(desk) for second in (1, 9, 17)})
    left = [lambda: desk.world.rpc("anvil_reorg", 1, [])]

    def at(boundary: str) -> None:
        if boundary == "mined_recorded" and left:
            left.pop()()

    done = desk.send(plan, sending=replace(quick(clock), at=at))

    assert [nonce, nonce + 1] == [signed.nonce for signed in signatures(desk)]
    assert ["reorganised", "resent"] == [remark.kind for remark in desk.remarks]
    assert held + 2 * AMOUNT == desk.world.balance("WETH", desk.owner)
    assert [nonce, nonce + 1] == [step.nonce for step in done.steps]


def test_what_is_no_longer_wanted_is_cancelled(desk: Desk) -> None:
    """When the rest of the plan would not keep its promise its nonce is taken for nothing, and the run says so."""
    clock = Clock()
    at_seconds(clock, {1: lambda: _expensive_block(desk), 30: mined(desk)})
    held = desk.world.balance("WETH", desk.owner)

    with pytest.raises(NotConfirmed, match="no longer wanted"):
        desk.send(one_step(desk), sending=quick(clock), wanted=lambda step: False)

    cancellation = decode_signed(bytes.fromhex(signatures(desk)[1].raw[2:])).fields
    assert (desk.owner, 0, b"") == (cancellation.to, cancellation.value, cancellation.data)
    assert held == desk.world.balance("WETH", desk.owner)
    assert ("signed", "cancel") in desk.told


def test_a_stranger_on_our_nonce_ends_the_run_by_name(desk: Desk) -> None:
    """Another transaction with the same key and nonce is found, named with its hash, and written down."""
    clock = Clock()
    used: list[str] = []

    def replace_it() -> None:
        desk.world.rpc("anvil_dropTransaction", signatures(desk)[0].hash)
        desk.world.rpc("anvil_impersonateAccount", desk.owner)
        used.append(desk.world.rpc("eth_sendTransaction", {"from": desk.owner, "to": desk.owner, "value": "0x1"}))
        desk.world.rpc("evm_mine")

    at_seconds(clock, {1: replace_it})

    with pytest.raises(ForeignTransaction, match="another transaction used nonce") as raised:
        desk.send(one_step(desk), sending=quick(clock))

    assert used[0] in raised.value.fact
    assert ("foreign", used[0]) in desk.told
    assert 1 == len(signatures(desk))


def test_a_receipt_that_one_of_two_nodes_shows_is_waited_for(desk: Desk) -> None:
    """With two nodes an inclusion counts when both have it on their chains."""
    clock = Clock()
    lagging, transport = desk.through(eth_getTransactionReceipt=answered(None))

    def catch_up() -> None:
        transport.faults.clear()

    at_seconds(clock, {1: mined(desk), 20: catch_up})
    endpoints = Endpoints([endpoint_of("first", desk.world.node), endpoint_of("second", lagging)])

    with executed_once(desk):
        desk.send(one_step(desk), sending=quick(clock), endpoints=endpoints)

    assert 20 <= clock.now


def test_a_private_relay_has_it_alone_at_first(desk: Desk) -> None:
    """Nobody else sees it until the relay has had its time; then every node has it."""
    clock = Clock()
    seen: list[bool] = []

    def look() -> None:
        seen.append(desk.world.node.transaction(signatures(desk)[0].hash) is not None)

    relay, transport = desk.through(eth_sendRawTransaction=_kept)
    at_seconds(clock, {20: look, 30: look, 31: mined(desk)})

    with executed_once(desk):
        desk.send(one_step(desk), sending=quick(clock), private=endpoint_of("relay", relay))

    assert [False, True] == seen
    assert transport.asked.count("eth_sendRawTransaction") >= 1
    assert "published" in [remark.kind for remark in desk.remarks]


def _kept(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
    from tests.support.faults import swallowed

    return swallowed(request, forward)


def test_a_later_step_waits_for_an_earlier_one_that_was_taken_back(desk: Desk) -> None:
    """A reorganisation that drops step 1 while step 2 is on its way brings both in, each once, in their order."""
    clock = Clock()
    weth, on = desk.token("WETH"), desk.markets()
    plan = desk.plan([on.withdraw(weth, AMOUNT), on.withdraw(weth, AMOUNT)])
    beats: dict[float, Callable[[], object]] = {float(second): mined(desk) for second in range(8, 59, 5)}

    def reorganise() -> None:
        desk.world.rpc("anvil_reorg", 1, [])

    at_seconds(clock, {1: mined(desk), 4: reorganise, **beats})
    nonce, held = desk.world.node.nonce(desk.owner), desk.world.balance("WETH", desk.owner)

    done = desk.send(plan, sending=quick(clock))

    assert [nonce, nonce + 1] == [sent.nonce for sent in done.steps]
    assert nonce + 2 == desk.world.node.nonce(desk.owner)
    assert held + 2 * AMOUNT == desk.world.balance("WETH", desk.owner)
    assert "reorganised" in [remark.kind for remark in desk.remarks]
    assert 2 == len({signed.hash for signed in signatures(desk)})
    wait_until(lambda: all(desk.world.node.receipt(sent.hash) is not None for sent in done.steps))
    assert isinstance(desk.events[-1], SentStep)
