"""Several real nodes of one chain: what is read through them, what they must agree on, and what a liar can do."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from defilev.chain.anvil import Anvil, find_anvil
from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints
from defilev.chain.rejection import rejection
from defilev.chain.sightings import receipt_seen, transaction_seen
from defilev.chain.transport import HttpTransport
from defilev.errors import BlockUnavailable, EndpointsDisagree, QuorumMissing, WrongChain
from defilev.model.plan import Goal, Plan
from defilev.pipeline.acting import try_again
from defilev.pipeline.agreeing import FEE_BLOCKS, Agreement, agree
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session
from tests.support.cli import Cli, assert_refused, credentials
from tests.support.faults import FaultyTransport
from tests.support.http_node import http_node
from tests.support.replicas import Replica, replica, through
from tests.support.schemas import schema_problems
from tests.support.sessions import connected
from tests.support.world import World

pytestmark = pytest.mark.world

WHO = "comfortable"
AAVE = "aave-v3"
GOAL = ("--to-health-factor", "2.2")


@pytest.fixture
def cli(world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cli:
    """Return `defilev` on the local chain, in a folder of its own."""
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.chdir(tmp_path)
    return Cli.on(world, capsys)


@pytest.fixture
def copy(world: World) -> Iterator[Replica]:
    """Serve a second node that is up to date."""
    with replica(world) as served:
        yield served


def on(cli: Cli, *urls: str) -> list[str]:
    """Return the flags for several nodes."""
    flags = [word for url in urls for word in ("--rpc-url", url)]
    return [*flags, "--address-book", str(cli.world.address_book)]


def agreement(session: Session, world: World, *, needed: int | None = None) -> Agreement:
    """Agree on the account of these tests."""
    return agree(session, world.account(WHO), protocol=AAVE, market="main", needed=needed)


def planned(session: Session, world: World) -> Plan:
    """Return a plan for a little more health."""
    account = read_account(session, world.account(WHO), protocol=AAVE, market="main")
    wanted = Goal("health-factor", Decimal("2.2"))
    return make_plan(session, account, PlanQuestion(wanted, Decimal("0.01"), Decimal("1.01"), window=600))


# ------------------------------------------------------------------------------------------------ agreement


def test_two_nodes_that_agree_give_one_account(world: World, copy: Replica) -> None:
    """Block, account, nonce and fees are those that either node gives, and both are named."""
    head, owner = world.head(), world.account(WHO)
    with connected(world, world.rpc_url, copy.url) as session:
        found = agreement(session, world)

    assert (head, world.read("main", [owner])[0]) == (found.block, found.account)
    assert world.node.nonce(owner, block=head) == found.nonce
    assert found.fees is not None
    assert FEE_BLOCKS + 1 == len(found.fees.base_fees)
    assert ((world.rpc_url, copy.url), 2, ()) == (found.nodes, found.asked, found.dissent)
    assert not found.is_one_word


def test_one_node_is_taken_at_its_word_only_where_that_is_allowed(world: World) -> None:
    """A single node suffices when it was chosen, and never when a quorum is asked for."""
    with connected(world, world.rpc_url) as session:
        found = agreement(session, world)
        with pytest.raises(QuorumMissing, match="2 must agree"):
            agreement(session, world, needed=2)

    assert ((world.rpc_url,), True) == (found.nodes, found.is_one_word)


def test_one_node_is_asked_for_nothing_twice(world: World) -> None:
    """An agreement with one node costs its chain id, its head, the nonce, the fees, and one read of the account."""
    with connected(world, world.rpc_url) as session:
        before = dict(session.node.rpc.round_trips)
        read_account(session, world.account(WHO), protocol=AAVE, market="main")
        read = {name: count - before.get(name, 0) for name, count in session.node.rpc.round_trips.items()}
        before = dict(session.node.rpc.round_trips)
        agreement(session, world)
        asked = {name: count - before.get(name, 0) for name, count in session.node.rpc.round_trips.items()}

    for method in ("eth_chainId", "eth_getBlockByNumber", "eth_getTransactionCount", "eth_feeHistory"):
        read[method] = read.get(method, 0) + 1
    assert {name: count for name, count in read.items() if count} == {
        name: count for name, count in asked.items() if count
    }


@pytest.mark.parametrize("price", [3300 * 10**8, 1500 * 10**8, 1])
def test_one_lying_node_of_two_stops_everything(world: World, copy: Replica, price: int) -> None:
    """A node that computes the same block with another price is noticed: nothing is agreed on, both are quoted."""
    with connected(world, world.rpc_url, copy.url) as session:
        copy.lie("WETH", price)
        with pytest.raises((EndpointsDisagree, QuorumMissing)) as caught:
            agreement(session, world)

    assert {"what", world.rpc_url, copy.url} <= caught.value.facts.keys()
    assert "account at block" in str(caught.value.facts["what"])


def test_one_lying_node_of_three_is_outvoted(world: World, copy: Replica) -> None:
    """Two that agree are believed, wherever in the order the liar stands, and it is named with what it said."""
    with replica(world) as liar:
        liar.lie("WETH", 3300 * 10**8)
        for urls in ((liar.url, world.rpc_url, copy.url), (world.rpc_url, liar.url, copy.url)):
            with connected(world, *urls) as session:
                found = agreement(session, world)

            assert world.read("main", [world.account(WHO)])[0] == found.account
            assert {world.rpc_url, copy.url} == set(found.nodes)
            assert [liar.url] == [one.name for one in found.dissent]
            assert "health factor" in found.dissent[0].said


EMPTY: dict[str, dict[str, Callable[[list[Any]], Any]]] = {
    "nonce 0": {"eth_getTransactionCount": lambda _: "0x0"},
    "calls return nothing": {"eth_call": lambda _: "0x"},
    "no code": {"eth_call": lambda _: "0x", "eth_getCode": lambda _: "0x"},
    "no newest block": {"eth_getBlockByNumber": lambda _: None, "eth_blockNumber": lambda _: None},
    "free gas": {
        "eth_feeHistory": lambda params: {
            "baseFeePerGas": ["0x0"] * (int(params[0], 16) + 1),
            "reward": [["0x0"] * len(params[2])] * int(params[0], 16),
        }
    },
    "HTML": {"eth_call": lambda _: b"<html>"},
}


@pytest.mark.parametrize("lie", EMPTY)
def test_zero_and_nothing_are_not_believed(world: World, copy: Replica, lie: str) -> None:
    """A zero or an empty answer of one node of two is refused; of one of three it is outvoted."""
    with http_node(EMPTY[lie], forward=world.rpc_url) as url:
        with connected(world, world.rpc_url, url) as session, pytest.raises((EndpointsDisagree, QuorumMissing)):
            agreement(session, world)
        with connected(world, url, world.rpc_url, copy.url) as session:
            found = agreement(session, world)

    assert world.node.nonce(world.account(WHO)) == found.nonce
    assert [url] == [one.name for one in found.dissent]


def test_tips_are_the_lower_middle_of_what_the_nodes_say(world: World, copy: Replica) -> None:
    """A node cannot raise the price of gas alone: base fees must be equal, of the tips the lower is taken."""

    def dear(params: list[Any]) -> Any:
        honest = world.rpc("eth_feeHistory", *params)
        return honest | {"reward": [[hex(10**15)] * len(params[2])] * int(params[0], 16)}

    with (
        http_node({"eth_feeHistory": dear}, forward=copy.url) as url,
        connected(world, world.rpc_url) as alone,
        connected(world, url, world.rpc_url) as session,
    ):
        assert agreement(alone, world).fees == agreement(session, world).fees


# ------------------------------------------------------------------------------------------------ lag and forks


def test_a_lagging_replica_has_no_vote(world: World) -> None:
    """A node that stands 10 blocks back is left out of three, and leaves too few of two."""
    old = world.head()
    with replica(world, at=old) as late:
        for _ in range(10):
            world.rpc("evm_mine")
        with replica(world) as copy, connected(world, late.url, world.rpc_url, copy.url) as session:
            assert world.head() == session.block
            found = agreement(session, world)
        with connected(world, late.url, world.rpc_url) as session:
            assert world.head() == session.block
            with pytest.raises(QuorumMissing, match="1 of 2 nodes is up to date") as caught:
                agreement(session, world)

    assert world.head() == found.block
    assert [(late.url, "head")] == [(one.name, one.what) for one in found.dissent]
    assert f"newest block {old.number}, 10 behind" == caught.value.facts[late.url]


def test_a_lagging_replica_does_not_stand_in_for_the_newest(world: World) -> None:
    """When the node that is up to date falls silent, the old head of the other is not read from: an error says so."""
    with replica(world) as late:
        for _ in range(10):
            world.rpc("evm_mine")
        faulty = FaultyTransport(world.rpc_url)
        with connected(world, world.rpc_url) as plain:
            session = through(plain, faulty, HttpTransport(late.url))
            session.endpoints.look()
            assert world.head() == session.at("latest").block
            faulty.faults = dict.fromkeys(("eth_getBlockByNumber", "eth_blockNumber"), _down)
            with pytest.raises(BlockUnavailable):
                session.at("latest")
        session.close()


def _down(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
    raise rejection("HTTP 503", code=503, message="HTTP 503")


def test_a_node_on_another_fork_is_passed_over_and_outvoted(world: World, copy: Replica) -> None:
    """A node with another block at the same height answers nothing about the pinned one; its block is no agreement."""
    with replica(world) as other:
        other.rpc("evm_setNextBlockTimestamp", world.head().timestamp + 5)
        other.rpc("evm_mine")
        world.rpc("evm_mine")
        head, owner = world.head(), world.account(WHO)
        with connected(world, other.url, world.rpc_url) as session:
            at_head = session.at(head)
            assert world.read("main", [owner])[0] == read_account(at_head, owner, protocol=AAVE, market="main")
            with pytest.raises(EndpointsDisagree, match=f"block {head.number}"):
                agreement(session, world)


def test_a_read_is_the_same_whoever_answers_each_part_of_it(world: World, copy: Replica) -> None:
    """With every second request to each node failing, forty reads through both equal the one through either."""
    turn = iter(range(10**6))

    def half(request: dict[str, Any], forward: Callable[[], bytes]) -> bytes:
        return forward() if next(turn) % 2 else _down(request, forward)

    methods = ("eth_call", "eth_getBlockByNumber", "eth_getCode")
    transports = [FaultyTransport(url, **dict.fromkeys(methods, half)) for url in (world.rpc_url, copy.url)]
    owner = world.account(WHO)
    truth = world.read("main", [owner])[0]
    with connected(world, world.rpc_url) as plain:
        session = through(plain, *transports)
        for _ in range(40):
            assert truth == read_account(session.at(plain.block), owner, protocol=AAVE, market="main")
        session.close()

    assert all("eth_call" in transport.asked for transport in transports)


# ------------------------------------------------------------------------------------------------ chains


def test_nodes_of_different_chains_are_refused_at_the_start(world: World, copy: Replica) -> None:
    """Another chain id, and another genesis under the same id, end the connection before anything is read."""
    copy.set_chain_id(10)
    with pytest.raises(WrongChain, match="different chains") as caught, connected(world, world.rpc_url, copy.url):
        pass
    assert {world.rpc_url: world.chain_id, copy.url: 10} == caught.value.facts

    with Anvil(find_anvil(os.environ.get("DEFILEV_ANVIL"))) as stranger:
        url = Replica(world, stranger).url
        with pytest.raises(EndpointsDisagree, match="genesis"), connected(world, world.rpc_url, url):
            pass


def test_a_chain_that_changes_on_the_way_halts(world: World, copy: Replica) -> None:
    """A node that serves another chain mid-run is refused alone, of two, and when all do; of three it is outvoted."""
    with replica(world) as third, ExitStack() as stack:
        one, two, three = (
            stack.enter_context(connected(world, *urls))
            for urls in ((copy.url,), (copy.url, world.rpc_url), (copy.url, world.rpc_url, third.url))
        )
        copy.set_chain_id(10)
        with pytest.raises(WrongChain):
            agreement(one, world)
        with pytest.raises(EndpointsDisagree, match="chain id"):
            agreement(two, world)
        assert {world.rpc_url, third.url} == set(agreement(three, world).nodes)
        world.rpc("anvil_setChainId", 10)
        third.set_chain_id(10)
        try:
            for session in (two, three):
                with pytest.raises(WrongChain, match="another chain"):
                    agreement(session, world)
        finally:
            world.rpc("anvil_setChainId", world.chain_id)


def test_a_node_that_is_down_is_only_missed(world: World, copy: Replica) -> None:
    """With one node of three down from the start, everything works, and the agreement says so."""
    nowhere = "http://127.0.0.1:9"
    with connected(world, nowhere, world.rpc_url, copy.url) as session:
        found = agreement(session, world)

    assert ((world.rpc_url, copy.url), 3, [(nowhere, False)]) == (
        found.nodes, found.asked, [(one.name, one.answered) for one in found.dissent]
    )  # fmt: skip


# ------------------------------------------------------------------------------------------------ trying, receipts


@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_plan_is_tried_on_what_the_nodes_agree_on(world: World, copy: Replica, engine: Any) -> None:
    """Both engines work through several nodes, and give the report that one node gives."""
    with connected(world, world.rpc_url, copy.url) as session, connected(world, world.rpc_url) as alone:
        plan = planned(session, world)
        retried, single = try_again(session, plan, engine=engine), try_again(alone, plan, engine=engine)

    assert (single.report, single.account) == (retried.report, retried.account)
    assert (2, 1) == (len(retried.agreement.nodes), len(single.agreement.nodes))
    assert retried.agreement.block == retried.session.block


def test_a_fork_is_made_from_the_node_that_can_feed_it(world: World, copy: Replica) -> None:
    """When anvil cannot fork from the first node, it forks from the next."""
    with connected(world, world.rpc_url, copy.url) as session:
        plan = planned(session, world)
        first, second = session.endpoints
        broken = Endpoint(first.name, "http://127.0.0.1:9", first.rpc, first.node, first.score)
        endpoints = Endpoints([broken, second])
        retried = try_again(replace(session, endpoints=endpoints, node=endpoints.node), plan, engine="anvil")

    assert retried.report.health_factor is not None


def test_a_receipt_counts_on_the_nodes_that_have_its_block(world: World, copy: Replica) -> None:
    """A transaction that one node has included is on that one alone, until another node has the block too."""
    sent = world.send(world.account(WHO), world.account("empty"), b"")["transactionHash"]
    with replica(world) as newer, connected(world, world.rpc_url, copy.url, newer.url) as session:
        two = session.endpoints.only([world.rpc_url, copy.url])
        seen = receipt_seen(two, sent)
        assert ((world.rpc_url,), (copy.url,)) == (seen.on, seen.absent)
        assert world.rpc_url in transaction_seen(two, sent).included
        assert (world.rpc_url, newer.url) == receipt_seen(session.endpoints, sent).on


# ------------------------------------------------------------------------------------------------ the command line


def test_a_rebalance_says_how_many_nodes_agree(cli: Cli) -> None:
    """Sent through two nodes that agree, and said so before anything was signed; the document names them."""
    words = ("rebalance", WHO, *GOAL, "-p", AAVE, "--broadcast", *credentials(cli.world, WHO))
    number = cli.world.head().number
    with http_node({}, forward=cli.world.rpc_url) as other:
        printed = cli(*words, "--json", node=on(cli, cli.world.rpc_url, other))

    assert 0 == printed.code, printed.err
    assert f"2 of 2 nodes agree on block {number}, account, nonce and fees" in printed.err.splitlines()
    assert [] == schema_problems(printed.document)
    assert [cli.world.rpc_url, other] == printed.document["agreement"]["nodes"]


def test_a_rebalance_through_one_node_says_that_its_word_was_taken(cli: Cli) -> None:
    """One node is enough when it was named, and the output says what that means."""
    printed = cli.rebalance(WHO, *GOAL, "--unsigned", "unsigned.json", "--json")
    number = cli.world.head().number

    assert 0 == printed.code, printed.err
    assert f"one node: its word alone was taken at block {number} (--rpc-url names one)" in printed.err.splitlines()
    assert [] == schema_problems(printed.document)
    assert ([cli.world.rpc_url], "1") == (
        printed.document["agreement"]["nodes"], printed.document["agreement"]["asked"]
    )  # fmt: skip


def test_a_liar_among_two_keeps_the_command_from_signing(cli: Cli, copy: Replica, tmp_path: Path) -> None:
    """Exit code 4, one fix, both values; no file and no transaction."""
    copy.lie("WETH", 2900 * 10**8)
    node = on(cli, cli.world.rpc_url, copy.url)
    before = cli.world.head().hash
    words = ("rebalance", WHO, *GOAL, "-p", AAVE)
    written = cli(*words, "--unsigned", "unsigned.json", node=node)
    sent = cli(*words, "--broadcast", *credentials(cli.world, WHO), node=node)

    for printed in (written, sent):
        assert_refused(printed, code=4, said="2 nodes do not agree on the account at block")
        assert "docs/errors.md#endpoints-disagree" in printed.err
    assert (before, False) == (cli.world.head().hash, (tmp_path / "unsigned.json").exists())


def test_a_liar_among_three_is_named_in_a_warning(cli: Cli, copy: Replica) -> None:
    """The plan goes on with the two that agree, and the output says whom it left out and why."""
    with replica(cli.world) as liar:
        liar.lie("WETH", 2900 * 10**8)
        node = on(cli, cli.world.rpc_url, liar.url, copy.url)
        printed = cli("rebalance", WHO, *GOAL, "-p", AAVE, "--unsigned", "unsigned.json", node=node)

    assert 0 == printed.code, printed.err
    assert "2 of 3 nodes agree" in printed.err
    assert f"warning: {liar.url} is left out: the account at block" in printed.err


def test_reading_goes_on_when_a_node_is_down_or_late(cli: Cli) -> None:
    """`health` needs no agreement: a dead node, or one that lags, before a good one changes nothing in its output."""
    with replica(cli.world) as late:
        for _ in range(10):
            cli.world.rpc("evm_mine")
        plain = cli("health", WHO, "--json")
        for first in ("http://127.0.0.1:9", late.url):
            found = cli("health", WHO, "--json", node=on(cli, first, cli.world.rpc_url))
            assert (0, plain.document) == (found.code, found.document)


def test_the_doctor_lists_each_node(cli: Cli, copy: Replica, repository: Path) -> None:
    """Chain, head, lag, latency, capabilities and agreement of each node, in the text and in the document."""
    with replica(cli.world) as late:
        for _ in range(5):
            cli.world.rpc("evm_mine")
        with replica(cli.world) as good:
            node = on(cli, cli.world.rpc_url, good.url, late.url, "http://127.0.0.1:9")
            printed = cli("doctor", "--json", node=node)
    document = printed.document
    nodes = {one["name"]: one for one in document["nodes"]}
    checks = {one["name"]: one for one in document["checks"]}

    assert [] == schema_problems(document)
    assert 0 == printed.code, printed.err
    assert [True, True, False, None] == [one["agrees"] for one in document["nodes"]]
    assert [0, 0, 5, None] == [one["behind"] for one in document["nodes"]]
    assert nodes[good.url]["head"] == cli.world.head().number
    assert {"by-hash", "simulate-v1"} <= set(nodes[good.url]["capabilities"])
    assert "connection refused" in nodes["http://127.0.0.1:9"]["problem"]
    assert ["ok", "ok", "warning", "warning", "ok"] == [
        checks[name]["result"] for name in ("rpc 1", "rpc 2", "rpc 3", "rpc 4", "agreement")
    ]
    assert f"2 of 4 nodes agree on block {cli.world.head().number}" in checks["agreement"]["text"]


def test_the_doctor_tells_which_node_is_wrong(cli: Cli, copy: Replica) -> None:
    """No agreement of two is a problem; a node that pins by number only is one too."""
    copy.set_chain_id(10)
    apart = cli("doctor", "--json", node=on(cli, cli.world.rpc_url, copy.url))
    checks = {one["name"]: one for one in apart.document["checks"]}
    assert (4, "problem") == (apart.code, checks["agreement"]["result"])
    assert "chain id" in checks["agreement"]["text"]

    def by_number(params: list[Any]) -> Any:
        return b'{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"invalid block"}}' if _pins(params) else "0x1"

    with http_node({"eth_getBalance": by_number}, forward=cli.world.rpc_url) as url:
        alone = cli("doctor", "--json", node=on(cli, url))
    found = {one["name"]: one for one in alone.document["checks"]}
    assert (4, "problem") == (alone.code, found["rpc"]["result"])
    assert "EIP-1898" in found["rpc"]["text"]


def _pins(params: list[Any]) -> bool:
    return isinstance(params[-1], dict)


def test_no_key_of_any_node_is_shown(cli: Cli) -> None:
    """With keys in the URLs of two nodes, one of them down, no output of any command repeats them."""
    key = "canary-0123456789abcdef"
    with http_node({}, forward=cli.world.rpc_url) as url:
        node = on(cli, f"{url}/v2/{key}", f"http://127.0.0.1:9/{key}")
        for words in (
            ("doctor",),
            ("health", WHO),
            ("health", WHO, "--block", "9999999"),
            ("config", "show"),
            ("config", "show", "--json"),
            ("protocols", "ls", "-v"),
            ("rebalance", WHO, *GOAL, "-p", AAVE, "--unsigned", "unsigned.json"),
        ):
            printed = cli(*words, node=node)
            assert key not in printed.out + printed.err
        shown = cli("config", "show", "--json", node=node).document["settings"]["rpc_url"]["value"]

    assert [f"{url}/••••", "http://127.0.0.1:9/••••"] == shown
