"""Which isolated markets are read: by id, by name, from the address book, from logs; and what is wrong with some."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defilev.abi import Function, interface
from defilev.config.cache import MetadataCache
from defilev.config.settings import Settings
from defilev.errors import Infeasible, NoSuchMarket, NotDeployed, PriceMissing, SearchIncomplete, UnknownName
from defilev.model.account import LendingAccount
from defilev.model.request import Address
from defilev.observe import discover
from defilev.observe.discover import Search, search_logs
from defilev.pipeline import isolated
from defilev.pipeline.isolated import isolated_markets
from defilev.pipeline.look import read_account, read_accounts
from defilev.pipeline.session import Session, connect
from defilev.units import BPS
from tests.support.isolated_positions import params_of
from tests.support.positions import Recipe, approve, give, open_position
from tests.support.world import ISOLATED, World

pytestmark = pytest.mark.world

SOMEBODY = Address("0x1111111111111111111111111111111111111111")
UNKNOWN = "0x" + "12" * 32
ANSWERS_ZERO = "0x60005f5260205ff3"
REVERTS = "0x5f5ffd"

Opened = Callable[..., Session]


@pytest.fixture
def opened(world: World, tmp_path: Path) -> Iterator[Opened]:
    """Return what opens a session, with an address book whose Morpho Blue is written as given."""
    with ExitStack() as stack:

        def open_it(morpho: str | None = None) -> Session:
            book = world.address_book
            if morpho is not None:
                book = tmp_path / "book.toml"
                text = f'multicall3 = "{world.description["multicall3"]}"\n[morpho-blue.main]\n{morpho}\n'
                book.write_text(f'[chain]\nid = 31337\nname = "local"\n{text}')
            session = connect(Settings(rpc_url=(world.rpc_url,), address_book=(book,)))
            stack.callback(session.close)
            return session

        yield open_it


def _searching(world: World, first: int) -> str:
    return f'morpho = "{world.pool("wstETH/USDC")}"\nfirst_block = {first}'


def _recipe(**changes: object) -> Recipe:
    usual: dict[str, object] = {
        "owner": SOMEBODY, "supplies": {"wstETH": 100_000}, "disabled": frozenset(), "borrows": {"USDC": 5_000},
        "e_mode": False, "elapsed": 12, "price": BPS,
    }  # fmt: skip
    return Recipe(**(usual | changes))  # type: ignore[arg-type]


def _id(world: World, name: str) -> str:
    return world.market(name).market


def _labels(accounts: Sequence[LendingAccount]) -> list[str]:
    return [account.market_label for account in accounts if not account.is_empty]


def test_an_account_in_several_markets_is_several_accounts(world: World, opened: Opened) -> None:
    """One for each market, each in its own loan token."""
    accounts = read_accounts(opened(), [world.account("morpho-several")], protocols=["morpho-blue"])

    assert ["wstETH/USDC-86%", "wstETH/WETH-94.5%", "WBTC/USDC-86%", "WETH-idle"] == _labels(accounts)
    assert ["USDC", "WETH", "USDC", "WETH"] == [account.quote for account in accounts]


WAYS: dict[str, Callable[[str], str]] = {
    "id": lambda market: market,
    "part": lambda market: market[:10],
    "capitals": lambda market: "0x" + market[2:].upper(),
    "label": lambda _: "WSTETH/weth-94.5%",
}


@pytest.mark.parametrize("written", WAYS.values(), ids=WAYS)
def test_a_market_is_named_by_its_id_a_part_of_it_or_what_people_call_it(
    written: Callable[[str], str], world: World, opened: Opened
) -> None:
    """Each of them selects the one account; capitals do not matter."""
    market = _id(world, "wstETH/WETH")
    found = read_account(opened(), world.account("morpho-several"), protocol="morpho-blue", market=written(market))

    assert (market, "WETH") == (found.market, found.quote)


def test_of_several_markets_one_must_be_named(world: World, opened: Opened) -> None:
    """The only position is taken for granted; of several they are listed, and of none it is said."""
    session, loop = opened(), world.account("morpho-loop")

    assert _id(world, "wstETH/WETH") == read_account(session, loop, protocol="morpho-blue").market
    with pytest.raises(UnknownName, match="several markets") as several:
        read_account(session, world.account("morpho-several"), protocol="morpho-blue")
    assert "wstETH/USDC-86%" in str(several.value.facts["known"])
    with pytest.raises(Infeasible, match="no position on morpho-blue"):
        read_account(session, world.account("empty"), protocol="morpho-blue")


def test_a_market_that_does_not_exist_is_named(world: World, opened: Opened) -> None:
    """An id that Morpho does not know is an error, and a name that no market has lists those that there are."""
    session, owner = opened(), world.account("morpho-loop")

    with pytest.raises(NoSuchMarket, match=UNKNOWN):
        read_accounts(session, [owner], protocols=["morpho-blue"], market=UNKNOWN)
    with pytest.raises(UnknownName, match="wstETH/DAI-86%"):
        read_account(session, owner, protocol="morpho-blue", market="wstETH/DAI-86%")
    with pytest.raises(NoSuchMarket, match=UNKNOWN):
        read_accounts(opened(f'morpho = "{world.pool("WBTC/USDC")}"\nmarkets = ["{UNKNOWN}"]'), [owner])


def test_an_address_that_is_not_morpho_is_named_before_anything_is_searched(world: World, opened: Opened) -> None:
    """Without code, or with that of another contract."""
    for address in (SOMEBODY, world.token("WETH"), world.pool("main")):
        with pytest.raises(NotDeployed, match=address):
            read_accounts(opened(f'morpho = "{address}"'), [world.account("morpho-loop")])


def test_markets_are_found_from_logs(world: World, opened: Opened) -> None:
    """Whoever was supplied for is found in every market, lenders too, and nobody else is."""
    first = world.head().number + 1
    other = Address("0x2222222222222222222222222222222222222222")
    open_position(world, "wstETH/USDC", _recipe())
    open_position(world, "WBTC/USDC", _recipe(supplies={}, borrows={}, lent=10_000))
    open_position(world, "wstETH/WETH", _recipe(owner=other, borrows={"WETH": 5_000}))

    session = opened(_searching(world, first))
    accounts = read_accounts(session, [SOMEBODY, other])

    names = [(account.owner, account.market_label) for account in accounts if not account.is_empty]
    assert {
        (SOMEBODY, "wstETH/USDC-86%"), (SOMEBODY, "WBTC/USDC-86%"), (other, "wstETH/WETH-94.5%"),
    } == set(names)  # fmt: skip
    assert [] == session.shortfalls
    assert [] == read_accounts(opened(_searching(world, first)), [world.account("morpho-loop")])


def test_a_search_is_taken_up_where_it_stopped(world: World, opened: Opened, tmp_path: Path) -> None:
    """What was found is remembered, and only the newest blocks are searched again."""
    cache = MetadataCache(tmp_path, chain_id=31337, genesis_hash=world.node.block(0).hash)
    first = world.head().number + 1
    open_position(world, "wstETH/USDC", _recipe())
    for _ in range(100):
        world.rpc("evm_mine")
    before = opened(_searching(world, first))
    (entry,) = before.book.markets
    asked: list[int] = []

    assert 1 == len(isolated_markets(before, entry, [SOMEBODY], market=None, cache=cache))
    open_position(world, "WBTC/USDC", _recipe(supplies={"WBTC": 100_000}))
    after = opened(_searching(world, first))
    found = isolated_markets(after, entry, [SOMEBODY], market=None, cache=cache)

    remembered = cache.load(entry)
    assert remembered is not None
    asked.append(remembered["owners"][SOMEBODY]["to"])
    assert {_id(world, "wstETH/USDC"), _id(world, "WBTC/USDC")} == {each.market for each in found}
    assert before.block.number <= asked[0] + 64 <= after.block.number


def test_what_could_not_be_searched_is_a_shortfall(
    world: World, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was found is shown, and the session says up to which block it was looked for."""
    session = opened(_searching(world, 1))
    (entry,) = session.book.markets
    monkeypatch.setattr(discover.search_logs, "__kwdefaults__", {"most_requests": 1})

    isolated_markets(session, entry, [SOMEBODY], market=_id(world, "WBTC/USDC")[:12], cache=None)

    (shortfall,) = session.shortfalls
    assert isinstance(shortfall, SearchIncomplete)
    assert {"searched_to": 0, "block": session.block.number} == shortfall.facts


def test_a_named_market_is_found_although_others_may_be_missing(
    world: World, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names the market that was found gets it; whoever trusts in there being only one is told of the search."""

    def all_but_one(*arguments: Any, **named: Any) -> Search:
        return replace(search_logs(*arguments, **named), searched_to=named["last"] - 1)

    text = _searching(world, world.head().number + 1)
    open_position(world, "wstETH/USDC", _recipe())
    monkeypatch.setattr(isolated, "search_logs", all_but_one)

    found = read_account(opened(text), SOMEBODY, protocol="morpho-blue", market="wstETH/USDC-86%")
    assert _id(world, "wstETH/USDC") == found.market
    with pytest.raises(SearchIncomplete):
        read_account(opened(text), SOMEBODY, protocol="morpho-blue")


@pytest.mark.parametrize("code", [ANSWERS_ZERO, REVERTS])
def test_an_oracle_without_a_price_is_an_error_for_who_owes(code: str, world: World, opened: Opened) -> None:
    """Whoever owes cannot be valued; whoever only has collateral is told that it is in no figure."""
    open_position(world, "WBTC/USDC", _recipe(supplies={"WBTC": 100_000}, borrows={}))
    for name in ("wstETH/USDC", "WBTC/USDC"):
        world.rpc("anvil_setCode", params_of(world, name).oracle, code)
    session = opened()

    with pytest.raises(PriceMissing, match="gives no price"):
        read_accounts(session, [world.account("morpho-near")], market=_id(world, "wstETH/USDC"))
    (account,) = read_accounts(session, [SOMEBODY], market=_id(world, "WBTC/USDC"))
    assert (0, None) == (account.collateral_value, account.health_factor)
    assert ["unpriced-collateral"] == [notice.name for notice in account.warnings]


def test_a_market_without_borrowers_has_lenders(world: World, opened: Opened) -> None:
    """Nothing is owed, nothing is earned, and nothing is divided by zero."""
    (account,) = read_accounts(opened(), [world.account("morpho-several")], market=_id(world, "WBTC/USDC"))

    assert (None, None, 0) == (account.health_factor, account.contract_health_factor, account.debt_value)
    assert [("supply", "USDC", 0)] == [(leg.side, leg.asset.symbol, leg.rate) for leg in account.legs]


def test_an_idle_market_holds_what_is_lent(world: World, opened: Opened) -> None:
    """Without collateral, oracle and rate model there is only what is lent."""
    (account,) = read_accounts(opened(), [world.account("morpho-several")], market=_id(world, "idle WETH"))

    assert "WETH-idle" == account.market_label
    assert [("supply", "WETH", 0, False)] == [
        (leg.side, leg.asset.symbol, leg.rate, leg.used_as_collateral) for leg in account.legs
    ]


def test_shares_that_are_worth_nothing_are_no_position(world: World, opened: Opened) -> None:
    """One share lent rounds down to no unit; it is in no leg, and the account is without a position."""
    name, functions = "wstETH/USDC", interface("morpho_blue")
    give(world, "USDC", SOMEBODY, 10)
    approve(world, "USDC", SOMEBODY, world.pool(name))
    data = functions["supply"].encode(params_of(world, name).words, 0, 1, SOMEBODY, b"")
    assert world.send(SOMEBODY, world.pool(name), data)["status"] == "0x1"

    (account,) = read_accounts(opened(), [SOMEBODY], market=_id(world, name))

    assert ((), True) == (account.legs, account.is_empty)
    assert "1" == dict(account.details)["supply_shares"]


def test_every_shipped_function_is_the_contracts(world: World) -> None:
    """The interface that is written down answers for every market of the local chain."""
    params = Function("idToMarketParams", (("id", "bytes32"),), ("address",) * 4 + ("uint256",))
    for name in ISOLATED:
        data = params.encode(bytes.fromhex(_id(world, name)[2:]))
        answer = world.rpc("eth_call", {"to": world.pool(name), "data": "0x" + data.hex()}, "latest")
        assert params_of(world, name).words == params.decode(bytes.fromhex(answer[2:]))
