"""The set of nodes: one chain, each node once, and names that may be shown."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from defilev.chain.endpoints import LAG_BLOCKS, LAG_SECONDS, Endpoints, is_stale, open_endpoints
from defilev.errors import ConfigurationError, EndpointsDisagree, RpcUnreachable, WrongChain
from defilev.model.request import Block
from tests.support.network import CANARY, Chain, Server, endpoints_of, reset

KEY = f"https://user:{CANARY}@node.example/{CANARY}?key={CANARY}"


def test_nodes_of_one_chain_are_one_chain() -> None:
    """All that answer have the same chain id and genesis; one that is silent is let be."""
    endpoints = endpoints_of(Server(Chain()), Server(Chain(), always={"*": reset}), Server(Chain()))
    found = endpoints.meet()

    assert (1, Chain().block(0).hash) == (found.chain_id, found.genesis)
    assert found == endpoints.known.identity


def test_another_chain_id_is_refused() -> None:
    """A node of another chain among them is a mistake in the settings; each node's chain is said."""
    with pytest.raises(WrongChain, match="different chains") as caught:
        endpoints_of(Server(Chain()), Server(Chain(chain_id=10))).meet()

    assert {"https://node1.example/••••": 1, "https://node2.example/••••": 10} == caught.value.facts


def test_another_genesis_under_the_same_id_is_refused() -> None:
    """Two chains may share an id: their first blocks tell them apart."""
    with pytest.raises(EndpointsDisagree, match="different genesis blocks") as caught:
        endpoints_of(Server(Chain()), Server(Chain(salt="other"))).meet()

    assert "genesis" == caught.value.facts["what"]
    assert Chain(salt="other").block(0).hash in caught.value.facts.values()


def test_when_none_answers_the_first_says_why() -> None:
    """Without any node there is no chain."""
    with pytest.raises(RpcUnreachable, match="node1"):
        endpoints_of(*(Server(Chain(), always={"*": reset}) for _ in range(2))).meet()


def test_a_part_of_the_nodes_knows_what_all_know() -> None:
    """Fewer of them share scores, the chain and the height with the rest, and keep their order."""
    endpoints = endpoints_of(*(Server(Chain()) for _ in range(3)))
    endpoints.meet()
    fewer = endpoints.only(endpoints.names[:0:-1])

    assert endpoints.names[1:] == fewer.names
    assert endpoints.known is fewer.known
    assert endpoints is fewer.whole is fewer.only(fewer.names[:1]).whole is endpoints.whole
    assert [one.score for one in endpoints][1:] == [one.score for one in fewer]


def test_names_hide_secrets_and_stay_apart() -> None:
    """A name is scheme and host; nodes that look alike are numbered; nothing that is shown has the key."""
    with open_endpoints([KEY, "https://node.example/other-key-0123456", "http://127.0.0.1:8545"], timeout=1) as found:
        assert (
            "https://node.example/•••• (1)",
            "https://node.example/•••• (2)",
            "http://127.0.0.1:8545",
        ) == found.names
        assert CANARY not in repr(list(found))
        assert KEY == next(iter(found)).url


def test_a_node_cannot_confirm_itself() -> None:
    """The same URL twice is refused."""
    with pytest.raises(ConfigurationError, match="given twice") as caught:
        open_endpoints([KEY, "http://127.0.0.1:8545", f" {KEY}"], timeout=1)

    assert CANARY not in repr((caught.value, caught.value.facts, caught.value.fix))


@pytest.mark.parametrize("url", ["", "ftp://a", "node.example/x", f"http://node.example/\x01{CANARY}"])
def test_what_is_no_url_is_refused_without_repeating_it(url: str) -> None:
    """A URL that cannot be one is an error of the settings."""
    with pytest.raises(ConfigurationError) as caught:
        open_endpoints(["http://127.0.0.1:8545", url], timeout=1)

    assert CANARY not in repr((caught.value, caught.value.facts, caught.value.fix))


heights, times = st.integers(0, 10**6), st.integers(0, 10**8)


@given(heights, times, st.integers(0, 200), st.integers(0, 3000))
def test_a_head_is_stale_when_it_is_late_in_blocks_and_in_seconds(
    number: int, timestamp: int, blocks: int, seconds: int
) -> None:
    """More than 3 blocks and more than 36 s behind, whichever chain; less of either is only late."""
    head, newest = Block(number, "0x", timestamp), Block(number + blocks, "0x", timestamp + seconds)

    assert (blocks > LAG_BLOCKS and seconds > LAG_SECONDS) is is_stale(head, newest=newest)
    assert not is_stale(newest, newest=head)
    assert not is_stale(head, newest=head)


def test_looking_at_the_heads_charges_those_that_lag() -> None:
    """A node that lags is asked last; one that is up to date keeps its place."""
    endpoints: Endpoints = endpoints_of(Server(Chain(head=50)), Server(Chain(head=100)), Server(Chain(head=99)))
    heads = endpoints.look()

    assert heads.newest is not None
    assert (100, {100, 99}) == (heads.newest.number, {head.number for head in heads.fresh.values()})
    assert endpoints.names[0] == endpoints.ranked()[-1].name
