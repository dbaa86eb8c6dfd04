"""Several nodes behind one view: reads go on where one node fails, nothing else is ever asked twice."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from defilev.chain.node import Node
from defilev.chain.rpc import REPEATABLE
from defilev.errors import BlockUnavailable, RpcBusy, RpcError, RpcRejected, RpcTimeout, WrongChain
from tests.support.fake_node import NodeError
from tests.support.network import (
    CANARY,
    FAULTS,
    OWNER,
    Chain,
    Clock,
    Fault,
    Server,
    answering,
    endpoints_of,
    http_status,
    reset,
    slow,
    timeout,
)


def refusing(code: int, message: str, data: Any = None) -> Callable[..., Any]:
    """Return an answer that is this JSON-RPC error."""

    def answer(*_: Any) -> Any:
        raise NodeError(code, message, data)

    return answer


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
def test_a_read_goes_to_the_next_node_when_one_fails(fault: Fault) -> None:
    """Whatever one node answers in place of a number, another is asked at once, and the failure is remembered."""
    first, second = Server(Chain(), faults=[fault]), Server(Chain())
    endpoints = endpoints_of(first, second)

    assert 10**18 == endpoints.node.balance(OWNER, block=100)
    assert (1, 1) == (first.asked, second.asked)
    assert ["https://node2.example/••••", "https://node1.example/••••"] == [one.name for one in endpoints.ranked()]
    assert 10**18 == endpoints.node.balance(OWNER, block=100)
    assert (1, 2) == (first.asked, second.asked)


def test_a_node_that_failed_is_first_again_when_its_failure_has_faded() -> None:
    """After half a minute the node that was named first is asked first again."""
    first, second = Server(Chain(), faults=[http_status(503)]), Server(Chain())
    endpoints = endpoints_of(first, second)
    endpoints.node.chain_id()
    first.clock.sleep(31)
    endpoints.node.chain_id()

    assert (2, 1) == (first.asked, second.asked)


def test_the_quicker_node_is_asked_first_when_the_other_is_slow() -> None:
    """A node whose answers take a quarter of a second more is asked only when the other fails."""
    first, second = Server(Chain(), faults=[slow(0.4)]), Server(Chain())
    endpoints = endpoints_of(first, second)
    for _ in range(5):
        endpoints.node.chain_id()

    assert (1, 4) == (first.asked, second.asked)


@pytest.mark.parametrize(
    ("code", "message", "data"),
    [
        (3, "execution reverted", "0x"),
        (-32603, "reverted", None),
        (-32602, "invalid argument 0", None),
        (-32000, "out of gas", None),
    ],
)
def test_what_a_node_refuses_is_asked_of_no_other(code: int, message: str, data: str | None) -> None:
    """A revert, or a question that a node finds wrong, is the answer: the fault is not the node's."""
    first, second = Server(Chain()), Server(Chain())
    first.node.answers["eth_gasPrice"] = refusing(code, message, data)
    with pytest.raises(RpcRejected):
        endpoints_of(first, second).node.gas_price()

    assert (1, 0) == (first.asked, second.asked)


@pytest.mark.parametrize(("code", "message"), [(-32601, "no such method"), (-32603, "internal error")])
def test_what_only_this_node_cannot_do_is_asked_of_the_next(code: int, message: str) -> None:
    """A method that one node lacks, and trouble inside it, say nothing about the others."""
    first, second = Server(Chain()), Server(Chain())
    first.node.answers["eth_gasPrice"] = refusing(code, message)
    second.node.answers["eth_gasPrice"] = lambda: "0x5"

    assert 5 == endpoints_of(first, second).node.gas_price()


@pytest.mark.parametrize("lacking", [Chain(head=99), Chain(salt="fork", fork=100)])
def test_a_node_without_the_pinned_block_is_passed_over(lacking: Chain) -> None:
    """What is read at a block is read at its hash: a node that lags, or has another block there, is not believed."""
    lacking.nonce = 5
    first, second = Server(lacking), Server(Chain())
    endpoints = endpoints_of(first, second)

    assert 7 == endpoints.node.nonce(OWNER, block=Chain().block(100))
    assert "node2" in endpoints.ranked()[0].name


def test_a_missing_block_is_looked_for_everywhere() -> None:
    """A block that one node does not have is read from another; one that none has says how far the chain is."""
    first, second = Server(Chain(head=90)), Server(Chain(head=100))
    node = endpoints_of(first, second).node

    assert 95 == node.block(95).number
    with pytest.raises(BlockUnavailable, match="no block 200") as caught:
        node.block(200)
    assert caught.value.facts["head"] in (90, 100)


STATEFUL = ["eth_sendRawTransaction", "eth_sendTransaction", "evm_mine", "anvil_reset", "something_new"]


@pytest.mark.parametrize("method", STATEFUL)
@pytest.mark.parametrize("fault", ["429", "503", "timeout", "reset", "null"])
def test_what_is_no_read_goes_to_the_first_named_node_once(method: str, fault: str) -> None:
    """Whatever the first node makes of it, and however badly it has answered, nothing is sent again or elsewhere."""
    first, second = Server(Chain()), Server(Chain())
    endpoints = endpoints_of(first, second)
    for endpoint in endpoints:
        endpoint.score.failed(10 if "node1" in endpoint.name else 0)
    first.node.answers[method] = lambda *_: "0x1"
    first.always = {method: FAULTS[fault]}
    with suppress(RpcError):
        endpoints.node.rpc.request(method, ["0x02"])

    assert method not in REPEATABLE
    assert ([method], []) == (first.methods, second.methods)


def test_when_none_answers_the_error_says_what_each_said() -> None:
    """The failure names the node, and beside it the others; none of it has a key in it."""
    first, second = Server(Chain(), always={"*": http_status(429)}), Server(Chain(), always={"*": reset})
    with pytest.raises(RpcBusy) as caught:
        endpoints_of(first, second).node.chain_id()

    assert "https://node1.example/••••" == caught.value.facts["node"]
    assert ["https://node2.example/••••: the connection to https://node2.example/•••• broke: closed by the other side"
            ] == caught.value.facts["others"]  # fmt: skip
    assert CANARY not in repr((caught.value, caught.value.facts, caught.value.fix))
    assert (3, 3) == (first.asked, second.asked)


def test_the_word_of_a_node_that_answered_counts_more_than_silence() -> None:
    """When one node is silent and the other lacks the block, the failure is that the block is lacking."""
    first, second = Server(Chain(), always={"*": reset}), Server(Chain(head=50))
    with pytest.raises(BlockUnavailable, match="state of block 100"):
        endpoints_of(first, second).node.nonce(OWNER, block=Chain().block(100))


def test_nodes_that_hang_are_asked_twice_at_most() -> None:
    """Two nodes that never answer cost four deadlines, not more."""
    first, second = Server(Chain(), always={"*": timeout}), Server(Chain(), always={"*": timeout})
    with pytest.raises(RpcTimeout):
        endpoints_of(first, second).node.chain_id()

    assert (2, 2) == (first.asked, second.asked)


def test_a_budget_ends_the_asking() -> None:
    """Once the seconds of a look are spent no request begins; afterwards they may again."""
    clock = Clock()
    first, second = (Server(Chain(), clock=clock, always={"*": timeout}) for _ in range(2))
    endpoints = endpoints_of(first, second)
    began = clock.now
    with endpoints.within(4):
        for _ in range(2):
            with pytest.raises(RpcTimeout, match="within"):
                endpoints.node.chain_id()
    spent = clock.now - began
    first.always = {}
    clock.sleep(100)

    assert 4 <= spent < 4 + 3 + 1
    assert 1 == endpoints.node.chain_id()


def test_half_of_all_requests_may_fail() -> None:
    """With every second request to each of two nodes failing, 200 reads are answered within a few seconds each."""
    clock = Clock()
    faulty = [http_status(503), answering(None), reset, http_status(429)]
    servers = [Server(Chain(), clock=clock) for _ in range(2)]
    endpoints = endpoints_of(*servers)
    longest = 0.0
    for round_ in range(200):
        for place, server in enumerate(servers):
            server.faults = [faulty[round_ % 4]] if (round_ + place) % 2 else []
        began = clock.now
        assert 1 == endpoints.node.chain_id()
        longest = max(longest, clock.now - began)

    assert longest < 1


def test_the_newest_block_never_goes_back_whichever_node_says_it() -> None:
    """When the node with the newest block falls silent, an older head of another is not taken for the newest."""
    first, second = Server(Chain(head=101)), Server(Chain(head=100))
    node = endpoints_of(first, second).node

    assert 101 == node.block().number
    first.always = {"*": reset}
    with pytest.raises(BlockUnavailable, match="from 101 to 100"):
        node.block()
    with pytest.raises(BlockUnavailable, match="from 101 to 100"):
        node.block_number()
    second.chain.head = 102
    assert (102, 102) == (node.block().number, node.block_number())


@pytest.mark.parametrize(("behind", "believed"), [(0, True), (3, True), (4, False), (50, False)])
def test_a_head_that_lags_behind_another_node_is_not_believed(*, behind: int, believed: bool) -> None:
    """Three blocks behind the newest that any node has shown is late; more, with 36 s, is a node to pass over."""
    first, second = Server(Chain(head=200 - behind)), Server(Chain(head=200))
    endpoints = endpoints_of(first, second)
    endpoints.look()
    for endpoint in endpoints:
        endpoint.score.failed(0 if "node1" in endpoint.name else 4)  # the one that lags is asked first

    assert (200 - behind if believed else 200) == endpoints.node.block().number


def test_a_lagging_node_alone_is_an_error_that_says_so() -> None:
    """When only a node answers that lags behind what another has shown, there is no newest block."""
    first, second = Server(Chain(head=200)), Server(Chain(head=150))
    endpoints = endpoints_of(first, second)
    endpoints.look()
    first.always = {"*": reset}
    with pytest.raises(BlockUnavailable, match="150 is 50 blocks behind") as caught:
        endpoints.node.block()

    assert "caught up" in caught.value.fix


@pytest.mark.parametrize("head", [None, {"number": None}, []])
def test_no_head_at_all_is_an_error_of_ours(head: Any) -> None:
    """Null in place of the newest block, or of its number, from every node, ends in a typed error."""
    servers = [Server(Chain(), always={"eth_getBlockByNumber": answering(head), "eth_blockNumber": answering(None)})
               for _ in range(2)]  # fmt: skip
    node = endpoints_of(*servers).node
    for ask in (node.block, node.block_number):
        with pytest.raises(RpcError):
            ask()


def test_a_node_that_wakes_up_on_another_chain_is_not_asked() -> None:
    """A node that did not answer at the beginning is asked for its chain before its first answer is believed."""
    first, second = Server(Chain()), Server(Chain(chain_id=10, balance=5), always={"*": reset})
    endpoints = endpoints_of(first, second)
    endpoints.meet()
    second.always = {}
    first.always = {"*": reset}
    with pytest.raises(WrongChain, match="serves another chain"):
        endpoints.node.balance(OWNER)

    assert "eth_getBalance" not in second.methods


def test_a_node_that_wakes_up_on_the_same_chain_is_asked() -> None:
    """A node that was down at the beginning stands in for the first as soon as it answers."""
    first, second = Server(Chain()), Server(Chain(), always={"*": reset})
    endpoints = endpoints_of(first, second)
    endpoints.meet()
    second.always = {}
    first.always = {"*": reset}

    assert 10**18 == endpoints.node.balance(OWNER)


def test_what_is_no_read_never_goes_to_a_stranger() -> None:
    """A first-named node that wakes up on another chain is handed nothing."""
    first, second = Server(Chain(chain_id=10), always={"*": reset}), Server(Chain())
    endpoints = endpoints_of(first, second)
    endpoints.meet()
    first.always = {}
    with pytest.raises(WrongChain):
        endpoints.node.send_raw_transaction(b"\x02")

    assert ([], []) == (first.chain.sent, second.chain.sent)


def test_a_part_of_the_nodes_does_not_go_back_behind_the_whole() -> None:
    """What one view has seen as the newest block holds for a view of fewer nodes, and the other way round."""
    servers = [Server(Chain(head=101)), Server(Chain(head=100)), Server(Chain(head=99))]
    endpoints = endpoints_of(*servers)
    fewer = endpoints.only(endpoints.names[1:])
    assert 101 == endpoints.node.block().number
    with pytest.raises(BlockUnavailable, match="from 101"):
        fewer.node.block()
    servers[1].chain.head = 103
    assert 103 == fewer.node.block().number
    with pytest.raises(BlockUnavailable, match="from 103"):
        endpoints.only([endpoints.names[0], endpoints.names[2]]).node.block()


def test_one_node_is_asked_as_if_there_were_no_others() -> None:
    """With a single endpoint the view is that endpoint's own, and costs not one request more."""
    server = Server(Chain())
    endpoints = endpoints_of(server)
    (only,) = endpoints
    ask: Node = endpoints.node
    answers = (ask.chain_id(), ask.block().number, ask.nonce(OWNER, block=100), ask.block_number())

    assert only.node is endpoints.node
    assert (1, 100, 7, 100) == answers
    assert 4 == server.asked == sum(endpoints.node.rpc.round_trips.values())


def test_round_trips_are_those_of_all_nodes() -> None:
    """What was sent is counted over all endpoints, repeats and failures included."""
    first, second = Server(Chain(), faults=[reset]), Server(Chain())
    endpoints = endpoints_of(first, second)
    endpoints.node.chain_id()

    assert {"eth_chainId": 2} == dict(endpoints.node.rpc.round_trips)
