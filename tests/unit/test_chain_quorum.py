"""What is believed of several nodes: enough of them say the same, or nothing is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, strategies as st

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import LAG_BLOCKS
from defilev.chain.quorum import agreed, agreed_head
from defilev.errors import (
    BlockUnavailable,
    DataError,
    EndpointsDisagree,
    PriceMissing,
    QuorumMissing,
    RpcBusy,
    RpcError,
)
from tests.support.network import CANARY, OWNER, Chain, Server, answering, endpoints_of, http_status, reset

BLOCK = Chain().block(100)
NAMES = [f"https://node{place}.example/••••" for place in range(1, 6)]


def nonce(endpoint: Endpoint) -> int:
    """Ask for the account's nonce at the block's hash."""
    return endpoint.node.nonce(OWNER, block=BLOCK)


def test_two_nodes_that_agree_are_believed() -> None:
    """The value that both give, and who gave it."""
    found = agreed(endpoints_of(Server(Chain()), Server(Chain())), nonce, what="the nonce")

    assert (7, (7, 7), tuple(NAMES[:2]), ()) == (found.value, found.values, found.by, found.dissent)


def test_one_lying_node_of_two_is_enough_to_refuse() -> None:
    """Two nodes that differ are not believed, and the error names the fact, both nodes and both values."""
    with pytest.raises(EndpointsDisagree, match="2 nodes do not agree on the nonce at block 100") as caught:
        agreed(endpoints_of(Server(Chain()), Server(Chain(nonce=3))), nonce, what="the nonce at block 100")

    assert {"what": "the nonce at block 100", NAMES[0]: "7", NAMES[1]: "3"} == caught.value.facts
    assert CANARY not in repr((caught.value, caught.value.facts))


def test_answers_that_look_alike_are_still_told_apart() -> None:
    """Where two different answers read the same, the error says which node gave which."""
    servers = [Server(Chain(nonce=3)), Server(Chain()), Server(Chain())]
    with pytest.raises(EndpointsDisagree) as caught:
        agreed(endpoints_of(*servers), nonce, what="it", needed=3, shown=lambda _: "a number")

    assert ["a number (answer 1)", "a number (answer 2)", "a number (answer 2)"] == [
        caught.value.facts[name] for name in NAMES[:3]
    ]


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_one_lying_node_of_three_is_outvoted_and_named(liar: int) -> None:
    """The two others are believed; the liar is named with what it said, and is the last to be asked from then on."""
    servers = [Server(Chain(nonce=0 if place == liar else 7)) for place in range(3)]
    endpoints = endpoints_of(*servers)
    found = agreed(endpoints, nonce, what="the nonce")

    assert (7, 2) == (found.value, len(found.by))
    assert [(NAMES[liar], "the nonce", "0", True)] == [
        (one.name, one.what, one.said, one.answered) for one in found.dissent
    ]
    assert NAMES[liar] == endpoints.ranked()[-1].name


def test_a_silent_node_is_no_vote() -> None:
    """Two that agree suffice beside one that is down; one alone does not."""
    down = {"*": http_status(503)}
    found = agreed(
        endpoints_of(Server(Chain()), Server(Chain(), always=down), Server(Chain())), nonce, what="the nonce"
    )
    assert (7, (NAMES[0], NAMES[2])) == (found.value, found.by)
    assert [(NAMES[1], False)] == [(one.name, one.answered) for one in found.dissent]

    with pytest.raises(QuorumMissing, match="1 of 2 nodes says the nonce, and 2 must agree") as caught:
        agreed(endpoints_of(Server(Chain()), Server(Chain(), always=down)), nonce, what="the nonce")
    assert "HTTP 503" in str(caught.value.facts[NAMES[1]])
    with pytest.raises(QuorumMissing, match="0 of 2 nodes say"):
        agreed(endpoints_of(*(Server(Chain(), always=down) for _ in range(2))), nonce, what="the nonce")


def test_a_node_that_fails_now_and_then_still_has_its_vote() -> None:
    """A question of the quorum is repeated as any read is: one HTTP 503 does not cost a vote."""
    servers = [Server(Chain(), faults=[http_status(503), reset]) for _ in range(2)]

    assert 7 == agreed(endpoints_of(*servers), nonce, what="the nonce").value


def test_a_single_node_is_no_quorum() -> None:
    """One node cannot confirm itself, whatever it says; only who asks for one word gets it."""
    with pytest.raises(QuorumMissing, match="1 of 1 nodes says the nonce, and 2 must agree"):
        agreed(endpoints_of(Server(Chain())), nonce, what="the nonce")
    assert 7 == agreed(endpoints_of(Server(Chain())), nonce, what="the nonce", needed=1).value


def test_the_failure_of_the_only_node_is_its_own() -> None:
    """With one node whose word is taken, an error is the one that the node gave."""
    with pytest.raises(RpcBusy):
        agreed(endpoints_of(Server(Chain(), always={"*": http_status(429)})), nonce, what="the nonce", needed=1)


def test_two_against_two_is_no_agreement() -> None:
    """When as many say one thing as another, none of it is believed, although two agree."""
    servers = [Server(Chain(nonce=place // 2)) for place in range(4)]
    with pytest.raises(EndpointsDisagree, match="4 nodes"):
        agreed(endpoints_of(*servers), nonce, what="the nonce")


def test_nodes_that_lack_the_block_say_nothing() -> None:
    """A question at a block's hash that only one node has is answered by too few."""
    with pytest.raises(QuorumMissing) as caught:
        agreed(endpoints_of(Server(Chain()), Server(Chain(salt="fork"))), nonce, what="the nonce")
    assert "does not have the state of block 100" in str(caught.value.facts[NAMES[1]])


def test_what_enough_nodes_find_missing_is_missing() -> None:
    """An error that is a fact of the chain is the answer when two nodes give it, and no answer when one does."""

    def priced(endpoint: Endpoint) -> int:
        if endpoint.name in NAMES[:2]:
            raise PriceMissing("no price for X")
        return 5

    with pytest.raises(PriceMissing):
        agreed(endpoints_of(Server(Chain()), Server(Chain())), priced, what="the price")
    with pytest.raises(QuorumMissing):
        agreed(endpoints_of(*(Server(Chain()) for _ in range(2))).only(NAMES[1:2]), priced, what="the price")
    with pytest.raises(PriceMissing):
        agreed(endpoints_of(*(Server(Chain()) for _ in range(3))), priced, what="the price")


def test_only_the_key_has_to_be_equal() -> None:
    """Where nodes may differ in a part, the rest decides, and each one's answer is returned."""
    servers = [Server(Chain(nonce=place)) for place in (1, 2)]
    found = agreed(endpoints_of(*servers), nonce, what="the nonce", key=lambda _: "same")

    assert (1, 2) == found.values


@given(st.lists(st.none() | st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 3))
def test_a_value_is_believed_exactly_when_enough_say_it_and_nothing_else_as_often(
    words: list[int | None], needed: int
) -> None:
    """Over all answers and silences: the most frequent value, if it has votes enough and no rival; else an error."""
    endpoints = endpoints_of(*(Server(Chain()) for _ in words))
    said = dict(zip(endpoints.names, words, strict=True))

    def ask(endpoint: Endpoint) -> int:
        answer = said[endpoint.name]
        if answer is None:
            raise RpcBusy("busy")
        return answer

    votes = Counter(word for word in words if word is not None).most_common(2)
    won = bool(votes) and votes[0][1] >= needed and (len(votes) == 1 or votes[1][1] < votes[0][1])
    if won:
        found = agreed(endpoints, ask, what="it", needed=needed)
        assert votes[0] == (found.value, len(found.by))
        assert len(words) == len(found.by) + len(found.dissent)
    else:
        with pytest.raises(RpcError) as caught:
            agreed(endpoints, ask, what="it", needed=needed)
        assert isinstance(caught.value, EndpointsDisagree) is (len(votes) > 1)


# ------------------------------------------------------------------------------------------------ head


@pytest.mark.parametrize(
    ("heads", "number"), [((100, 100), 100), ((100, 98), 98), ((97, 100, 100), 97), ((100, 60, 100), 100)]
)
def test_the_head_is_the_newest_block_that_all_have_who_are_up_to_date(heads: tuple[int, ...], number: int) -> None:
    """Nodes that are a little behind hold the others back to a block that all have; one that lags is left out."""
    found = agreed_head(endpoints_of(*(Server(Chain(head=head)) for head in heads)))

    assert Chain().block(number) == found.value
    assert [NAMES[place] for place, head in enumerate(heads) if head == 60] == [one.name for one in found.dissent]


def test_a_node_that_lags_is_named_with_how_far() -> None:
    """When two are needed and one lags, nothing is agreed on, and the lag is said."""
    with pytest.raises(QuorumMissing, match="1 of 2 nodes is up to date, and 2 must agree") as caught:
        agreed_head(endpoints_of(Server(Chain(head=100)), Server(Chain(head=50))))

    assert "newest block 50, 50 behind" == caught.value.facts[NAMES[1]]


def test_a_node_that_runs_ahead_alone_is_not_followed() -> None:
    """A head that one node claims makes the others look late, however many they are: refused, not followed."""
    for others in (1, 2, 4):
        honest = [Server(Chain(head=100)) for _ in range(others)]
        with pytest.raises(QuorumMissing, match=f"1 of {others + 1} nodes is up to date"):
            agreed_head(endpoints_of(*honest, Server(Chain(head=10_000))))


def test_a_false_head_is_not_held_against_the_nodes_for_good() -> None:
    """Once claims are forgotten, both nodes are believed again; below what was agreed on nothing ever is."""
    servers = [Server(Chain(head=100)), Server(Chain(head=100))]
    endpoints = endpoints_of(*servers)
    assert 100 == agreed_head(endpoints).value.number
    servers[0].chain.head = 10_000
    assert 10_000 == endpoints.node.block().number == endpoints.look().fresh[NAMES[0]].number
    servers[0].chain.head = 101
    servers[1].chain.head = 101
    with pytest.raises(BlockUnavailable, match="9899 blocks behind"):
        endpoints.node.block()
    with pytest.raises(QuorumMissing):
        agreed_head(endpoints)

    endpoints.forget_claims()

    assert 101 == endpoints.node.block().number == agreed_head(endpoints).value.number
    for server in servers:
        server.chain.head = 99
    endpoints.forget_claims()
    with pytest.raises(BlockUnavailable, match="went back from 101 to 99"):
        endpoints.node.block()


def test_another_block_at_the_same_height_is_a_disagreement() -> None:
    """Two nodes on two forks are refused with both hashes; the third of three is outvoted."""
    fork = Chain(salt="fork", fork=99)
    with pytest.raises(EndpointsDisagree, match="do not agree on block 100") as caught:
        agreed_head(endpoints_of(Server(Chain()), Server(fork)))
    assert fork.block(100).hash in str(caught.value.facts[NAMES[1]])

    found = agreed_head(endpoints_of(Server(Chain()), Server(fork), Server(Chain())))
    assert (BLOCK, (NAMES[0], NAMES[2]), (NAMES[1],)) == (
        found.value,
        found.by,
        tuple(one.name for one in found.dissent),
    )


def test_the_agreed_head_never_goes_back() -> None:
    """A node that has fallen below what was agreed on has no vote, until it has caught up."""
    servers = [Server(Chain(head=100)) for _ in range(3)]
    endpoints = endpoints_of(*servers)
    assert 100 == agreed_head(endpoints).value.number
    servers[2].chain.head = 99
    found = agreed_head(endpoints)
    assert (100, 2) == (found.value.number, len(found.by))
    servers[1].chain.head = 99
    with pytest.raises(QuorumMissing):
        agreed_head(endpoints)
    for server in servers:
        server.chain.head = 101
    assert 101 == agreed_head(endpoints).value.number


def test_the_agreed_head_is_not_below_what_was_seen() -> None:
    """A receipt's height keeps nodes from deciding on the state before it."""
    endpoints = endpoints_of(Server(Chain(head=100)), Server(Chain(head=99)), Server(Chain(head=100)))

    assert (100, 2) == (agreed_head(endpoints, at_least=100).value.number, len(agreed_head(endpoints).by))
    with pytest.raises(QuorumMissing):
        agreed_head(endpoints, at_least=101)


ticks = st.lists(st.lists(st.none() | st.integers(50, 130), min_size=3, max_size=3), min_size=1, max_size=8)
"""The newest block of each of three nodes, look after look; `None` for a node that does not answer."""


@given(ticks)
def test_nothing_is_ever_decided_on_an_old_block(heads: list[list[int | None]]) -> None:
    """Whatever three nodes show, look after look: an agreed block is not late, not below the last, and two have it."""
    servers = [Server(Chain()) for _ in range(3)]
    endpoints, last = endpoints_of(*servers), 0
    for shown in heads:
        for server, head in zip(servers, shown, strict=True):
            server.always = {} if head is not None else {"*": reset}
            server.chain.head = head or 0
        try:
            found = agreed_head(endpoints).value.number
        except RpcError:
            continue
        believed = [one.node.newest.number for one in endpoints if one.node.newest]
        newest = max(head for head in shown if head is not None and head in believed)
        assert last <= found <= newest
        assert newest - found <= LAG_BLOCKS  # blocks of the made-up chain are 12 s apart
        assert 2 <= sum(head is not None and head >= found for head in shown)
        last = found


@pytest.mark.parametrize("head", [None, {}, {"number": "0x64"}, "0x64"])
def test_a_null_head_is_no_vote(head: object) -> None:
    """A node without a newest block is left out, and is no crash."""
    broken = Server(Chain(), always={"eth_getBlockByNumber": answering(head), "eth_blockNumber": answering(None)})
    found = agreed_head(endpoints_of(Server(Chain()), broken, Server(Chain())))

    assert (BLOCK, (NAMES[0], NAMES[2])) == (found.value, found.by)


def test_a_lie_about_the_base_fee_is_a_lie_about_the_block() -> None:
    """The whole block has to be equal, not its hash alone."""
    header = Chain().header("latest", None) | {"baseFeePerGas": "0x1"}
    liar = Server(Chain(), always={"eth_getBlockByNumber": answering(header)})
    with pytest.raises(EndpointsDisagree):
        agreed_head(endpoints_of(Server(Chain()), liar))


def test_every_failure_of_a_quorum_is_one_of_data() -> None:
    """All of it ends a command with exit code 4."""
    assert all(issubclass(kind, DataError) for kind in (EndpointsDisagree, QuorumMissing, BlockUnavailable))
