"""GMX v2 against recorded calls of the real contracts: every position, every figure, the keeper's verdict."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from defilev.abi import interface
from defilev.errors import LayoutUnknown, NoSuchMarket, PriceMissing, SelfCheckFailed, TickersUnusable
from defilev.model.perp import PerpAccount
from defilev.model.request import Batch, Call, CallResult, Results
from defilev.observe.drive import drive
from defilev.protocols import PERPS, PerpsRead
from defilev.protocols.gmx_v2 import GMX_V2
from defilev.protocols.gmx_v2.math import is_liquidatable, unrealized_pnl
from defilev.protocols.gmx_v2.state import PositionState
from defilev.protocols.gmx_v2.tickers import parse_tickers
from defilev.risk.forms import health_factor
from defilev.risk.liquidation import asset_liquidations
from defilev.units import UINT256_MAX, WAD
from tests.support.cassette import Change
from tests.support.gmx import ENTRY, EXPECTED, GMX, MARKET, answer, read_gmx, recorded_tickers, ticker_document
from tests.support.schemas import schema_problems

USERS = tuple(GMX.document["accounts"])
NAME = {figures["key"]: name for name, figures in EXPECTED.items()}
READ = {NAME[account.market]: account for account in read_gmx(USERS, tickers=recorded_tickers())}
FROM_FEEDS = {NAME[account.market]: account for account in read_gmx(USERS)}
READER, STORE = interface("gmx_reader"), interface("gmx_data_store")
POSITION_WORDS = 14
IN_INDEX = frozenset(
    {"user0 big long weth", "user1 single short weth", "user2 long weth", "user4 short weth", "user4 btc long wbtc"}
)


def details(account: PerpAccount) -> dict[str, str]:
    return dict(account.details)


def test_every_recorded_position_is_read() -> None:
    """Twelve positions of nine users are found, those of a user in one order; a user without any has none."""
    assert set(EXPECTED) == set(READ) == set(FROM_FEEDS)
    assert [] == read_gmx(["user8"])
    assert GMX_V2 is PERPS["gmx-v2"]


@pytest.mark.parametrize("name", EXPECTED)
def test_the_verdict_is_the_keeper_s(name: str) -> None:
    """Whether a keeper could liquidate, and what it found left where not, are what its simulated attempt said."""
    expected, account = EXPECTED[name], READ[name]

    assert expected["keeper_liquidates"] == account.is_liquidatable
    assert expected["keeper_remaining"] in (None, str(account.equity_value))
    assert expected["remaining"] == str(account.equity_value) == details(account)["keeper_remaining_collateral"]
    assert expected["impact"] == str(account.price_impact)


@pytest.mark.parametrize("name", EXPECTED)
def test_the_reader_s_own_view_is_labelled(name: str) -> None:
    """Beside the verdict stands the Reader's, which leaves pending fees out, and what it finds left."""
    liquidatable, remaining = EXPECTED[name]["reader"]
    said = details(READ[name])

    assert (liquidatable, remaining) == (said["reader_is_liquidatable"] == "true", said["reader_remaining_collateral"])
    assert "exact" == READ[name].self_check.result


def test_the_view_that_lags_behind_is_told() -> None:
    """The position that the Reader spares and a keeper takes has a warning by name; no other has."""
    warned = {name for name, account in READ.items() if any(each.name == "view-behind" for each in account.warnings)}

    assert {"user7 long usdc edge"} == warned


@pytest.mark.parametrize("name", EXPECTED)
def test_fees_and_profit_are_the_contract_s(name: str) -> None:
    """Pending borrowing and funding, the closing fee, their sum and the profit are the contract's to the last digit."""
    account, fees = READ[name], EXPECTED[name]["fees"]
    found = {fee.name: str(fee.amount) for fee in account.fees}

    assert {part: fees[part] for part in found} == found
    assert fees["total"] == str(sum(fee.amount for fee in account.fees))
    assert EXPECTED[name]["pnl"] == str(account.legs[0].unrealized_pnl)


@pytest.mark.parametrize("name", EXPECTED)
def test_what_funding_costs_a_year_is_what_the_contract_takes_a_second(name: str) -> None:
    """The side that pays has the rate that the Reader's next update takes of it, and the other side receives as much.

    The update rounds in every step: the agreement is to nine digits.
    """
    account = READ[name]
    state: PositionState = account.state
    leg, terms, price = account.legs[0], state.terms, state.collateral_price.high
    seconds = state.at - terms.borrowing_updated_at
    taken = terms.funding_per_size_delta * price / 10**45 / seconds * 31_536_000
    paid_by_side = terms.funding_per_second * max(terms.interest, terms.other_interest) / 10**30 * 31_536_000

    assert leg.funding_rate is not None
    if (leg.side == "long") == terms.longs_pay:
        assert taken == pytest.approx(-leg.funding_rate / 10**27, rel=1e-9)
    else:
        assert leg.funding_rate >= 0 == taken
    assert abs(leg.funding_rate) * terms.interest / 10**27 == pytest.approx(paid_by_side)
    assert terms.borrowing_per_second * 31_536_000 / 10**30 == pytest.approx(leg.borrow_rate / 10**27)


@pytest.mark.parametrize("name", EXPECTED)
def test_at_the_feeds_prices_the_figures_are_the_contract_s_too(name: str) -> None:
    """Without a ticker prices are the DataStore's feeds, and the account says so."""
    expected, account = EXPECTED[name]["feed"], FROM_FEEDS[name]

    assert expected["remaining"] == str(account.equity_value)
    assert expected["liquidatable"] == account.is_liquidatable
    assert ("feed", "") == (details(account)["index_price_source"], details(account)["index_price_spread"])
    assert "feed-prices" in {notice.name for notice in account.warnings}


@pytest.mark.parametrize("name", EXPECTED)
def test_health_is_below_one_exactly_where_the_position_is_liquidatable(name: str) -> None:
    """Health factor and margin ratio are on one side of one, which is the verdict's; the linear forms say the same."""
    account = READ[name]
    health, ratio = account.health_factor, account.margin_ratio
    assert health is not None
    assert ratio is not None
    forms = health_factor(GMX_V2.exposure(account, stable=frozenset()))

    assert account.is_liquidatable == (health < WAD) == (ratio < WAD)
    assert forms == pytest.approx(health / WAD, rel=1e-12)


def flip(name: str) -> int:
    """Return the recorded price, first one on the safe side, at which a keeper's verdict turns."""
    recorded = EXPECTED[name]["flip"]
    return int(recorded["above"] if recorded["liquidatableBelow"] else recorded["below"])


@pytest.mark.parametrize("name", EXPECTED)
def test_liquidation_prices_are_near_where_the_verdict_turns(name: str) -> None:
    """The liquidation price is within 0.02 % of where the contract's verdict turns, and on its side of it.

    It would be the contract's own but for the borrowing rate, which follows the price of what the pool holds, and the
    impact that is pending in tokens: both stay as they are. Three positions are equal to the last digit.
    """
    price = READ[name].legs[0].liquidation_price
    assert price is not None
    is_long = READ[name].legs[0].side == "long"

    assert price == pytest.approx(flip(name), rel=2e-4)
    assert is_long == EXPECTED[name]["flip"]["liquidatableBelow"]


def at_index_price(state: PositionState, price: int) -> PositionState:
    """Return the state with another index price on both sides, and nothing else changed but the profit."""
    index = replace(state.index_price, low=price, high=price)
    pnl = unrealized_pnl(state.position, index)
    return replace(state, index_price=index, charges=replace(state.charges, pnl=pnl))


@pytest.mark.parametrize(
    "name", ["user1 long usdc", "user3 short usdc", "user5 long usdc near", "user7 long usdc edge"]
)
def test_the_verdict_turns_at_the_liquidation_price(name: str) -> None:
    """With fees as they are, one price unit decides: the test of the contract turns between it and the next."""
    state, leg = READ[name].state, READ[name].legs[0]
    price, cost = leg.liquidation_price, state.charges.total_amount
    assert price is not None
    verdicts = [is_liquidatable(at_index_price(state, each), cost) for each in (price, price + 1)]

    assert [leg.side == "long", leg.side == "short"] == verdicts


@pytest.mark.parametrize("name", EXPECTED)
def test_the_risk_engine_finds_the_same_liquidation_price(name: str) -> None:
    """From the linear forms comes the account's own liquidation price, to 1e-9.

    Where the collateral is the index, one driver moves both sides of the price, whose spread the forms keep.
    """
    account = READ[name]
    exposure, leg = GMX_V2.exposure(account, stable=frozenset()), account.legs[0]
    if name in IN_INDEX:
        margin = sum(term.capacity - term.requirement for term in exposure.terms if term.symbol == leg.index.symbol)
        fixed = sum(term.capacity - term.requirement for term in exposure.terms if term.symbol != leg.index.symbol)
        factor, tolerance = -fixed / margin, 2e-4 if leg.side == "short" else 1e-9
    else:
        found = next(each for each in asset_liquidations(exposure) if each.term.asset == leg.index.address)
        factor, tolerance = found.crossing.factor, 1e-9

    assert leg.liquidation_price == pytest.approx(factor * leg.mark.value, rel=tolerance)


def test_an_account_survives_its_json() -> None:
    """What is written down satisfies its schema and is read back whole, with what GMX's rules keep of it."""
    for account in READ.values():
        assert [] == schema_problems(account.to_document())
        assert account == PerpAccount.from_document(account.to_document(), state_type=PositionState)


def test_a_ticker_s_spread_to_the_feed_is_stated() -> None:
    """With a ticker the account has its two sides, and how far their middle is from the feed."""
    said = details(READ["user5 long usdc near"])

    assert ("ticker", "2772010000000000", "2772550000000000") == (
        said["index_price_source"],
        said["index_price_low"],
        said["index_price_high"],
    )
    assert Decimal(0) == Decimal(said["index_price_spread"])
    assert Decimal(0) == Decimal(said["collateral_price_spread"])


def answering(function: Any, result: CallResult) -> Change:
    """Replace the answers to one function."""

    def change(call: Call, found: CallResult) -> CallResult:
        return result if call.data[:4] == function.selector else found

    return change


def without_word(data: bytes, place: int) -> bytes:
    """Leave a word out, as a version of the contract does that has a field less."""
    return data[: 32 * place] + data[32 * (place + 1) :]


def test_a_reader_of_the_version_before_is_named() -> None:
    """A position with a field less is refused before anything is decoded with it, even for who has no position."""
    older = answering(READER["getPosition"], CallResult(True, bytes(32 * (POSITION_WORDS - 1))))

    for user in ("user5", "user8"):
        with pytest.raises(LayoutUnknown, match=r"getPosition\(\) is not in the layout of GMX v2\.2"):
            read_gmx([user], change=older)


def test_a_reader_with_a_field_more_is_named() -> None:
    """A position with a field more decodes without an error, and is refused all the same."""
    newer = answering(READER["getPosition"], CallResult(True, bytes(32 * (POSITION_WORDS + 1))))

    with pytest.raises(LayoutUnknown):
        read_gmx(["user5"], change=newer)


@pytest.mark.parametrize("name", ["getAccountPositions", "getPositionInfo", "getMarketInfo", "isPositionLiquidatable"])
@pytest.mark.parametrize("words", [-1, 1])
def test_no_answer_of_another_layout_is_decoded(name: str, words: int) -> None:
    """Whatever the Reader's function, an answer with a word less or more is an error that names the function."""

    def change(call: Call, found: CallResult) -> CallResult:
        if call.data[:4] != READER[name].selector:
            return found
        data = without_word(found.data, 5) if words < 0 else found.data + bytes(32)
        return CallResult(True, data)

    with pytest.raises(LayoutUnknown, match=rf"{name}\(\)"):
        read_gmx(["user5"], change=change)


def test_a_function_that_the_reader_lacks_is_named() -> None:
    """A Reader without `isPositionLiquidatable` of seven arguments reverts without a reason: another version."""
    lacking = answering(READER["isPositionLiquidatable"], CallResult(False, b""))

    with pytest.raises(LayoutUnknown, match="isPositionLiquidatable"):
        read_gmx(["user5"], change=lacking)


def test_another_owner_s_positions_are_refused() -> None:
    """A list of positions that are not the owner's is never shown as theirs."""
    theirs = next(
        result
        for call, result in GMX.calls.items()
        if call.data[:4] == READER["getAccountPositions"].selector
        and call.data[48:68].hex() == GMX.account("user0")[2:].lower()
    )

    with pytest.raises(LayoutUnknown, match="are not positions of theirs"):
        read_gmx(["user5"], change=answering(READER["getAccountPositions"], theirs))


def test_a_second_page_is_asked_for_only_where_there_is_one() -> None:
    """Nobody's list is asked beyond its end, where the Reader reverts: the DataStore's count decides."""
    asked: list[Call] = []

    def fetch(batch: Batch) -> Results:
        asked.extend(batch)
        return answer(batch)

    owners = [GMX.account(name) for name in USERS]
    drive(GMX_V2.read_accounts(ENTRY, owners, chain_id=31337, block=GMX.block), fetch)
    pages = [call for call in asked if call.data[:4] == READER["getAccountPositions"].selector]

    assert len(owners) == len(pages)


def test_a_count_that_the_list_does_not_have_is_named() -> None:
    """When the DataStore counts two positions and the Reader's next page is empty, both figures are named."""
    owner = GMX.account("user5")
    store, getter = ENTRY.entry_points["data_store"], READER["getAccountPositions"]
    asked_for = getter.call(ENTRY.entry_points["reader"], store, owner, 1, 101)
    recorded = getter.call(ENTRY.entry_points["reader"], store, owner, 1, 100)

    def fetch(batch: Batch) -> Results:
        found = answer([recorded if call == asked_for else call for call in batch])
        two = CallResult(True, (2).to_bytes(32, "big"))
        counts = STORE["getBytes32Count"].selector
        return [two if call.data[:4] == counts else each for call, each in zip(batch, found, strict=True)]

    with pytest.raises(LayoutUnknown, match=r"lists 1 positions of 0x.*, the DataStore has 2"):
        drive(GMX_V2.read_accounts(ENTRY, [owner], chain_id=31337, block=GMX.block), fetch)


def test_four_round_trips_and_two_with_what_was_remembered() -> None:
    """All positions of ten users in three markets take four batches, then two; a feed that has changed is asked."""
    batches: list[int] = []

    def fetch(batch: Batch) -> Results:
        batches.append(len(batch))
        return answer(batch)

    def read(metadata: Mapping[str, Any] | None) -> PerpsRead:
        batches.clear()
        owners = [GMX.account(name) for name in USERS]
        reading = GMX_V2.read_accounts(ENTRY, owners, chain_id=31337, block=GMX.block, metadata=metadata)
        return drive(reading, fetch)

    first = read(None)
    assert 4 == len(batches)
    assert first == read(first.metadata)
    assert 2 == len(batches)
    feeds = dict(first.metadata["feeds"])
    token, other = list(feeds)[:2]
    assert first == read({"feeds": feeds | {token: feeds[other]}})
    assert 4 == len(batches)


def test_a_figure_that_differs_is_never_passed_over() -> None:
    """A Reader that finds one unit more left than our formula is an error with both figures."""

    def lies(call: Call, found: CallResult) -> CallResult:
        if call.data[:4] != READER["isPositionLiquidatable"].selector:
            return found
        left = int.from_bytes(found.data[64:96], "big") + 1
        return CallResult(True, found.data[:64] + left.to_bytes(32, "big") + found.data[96:])

    with pytest.raises(SelfCheckFailed, match="remaining collateral of position 0x") as failed:
        read_gmx(["user5"], change=lies)
    assert 1 == failed.value.facts["contract"] - failed.value.facts["computed"]  # type: ignore[operator] # integers


def test_a_market_beyond_the_first_page_is_asked_for() -> None:
    """A market that the first page does not have costs one more batch, and the account is the same."""
    no_page = answering(READER["getMarkets"], CallResult(True, (32).to_bytes(32, "big") + bytes(32)))

    assert FROM_FEEDS["user5 long usdc near"] == read_gmx(["user5"], change=no_page)[0]


def test_a_market_that_is_gone_is_named() -> None:
    """The Reader answers zeros for a market that it does not know: an error, no market of zeros."""

    def gone(call: Call, found: CallResult) -> CallResult:
        if call.data[:4] == READER["getMarkets"].selector:
            return CallResult(True, (32).to_bytes(32, "big") + bytes(32))
        return CallResult(True, bytes(128)) if call.data[:4] == READER["getMarket"].selector else found

    with pytest.raises(NoSuchMarket, match=f"has no market {MARKET}"):
        read_gmx(["user5"], change=gone)


def feed_of(answer_word: int, updated_at: int) -> Change:
    words = (1, answer_word % 2**256, updated_at, updated_at, 1)
    data = b"".join(word.to_bytes(32, "big") for word in words)
    return answering(interface("price_feed")["latestRoundData"], CallResult(True, data))


@pytest.mark.parametrize(
    ("price", "age", "why"), [(0, 0, "gives no price"), (-1, 0, "gives no price"), (10**8, 86401, "at most 86400 s")]
)
def test_a_feed_that_the_contracts_would_refuse_is_no_price(price: int, age: int, why: str) -> None:
    """A feed at zero, below, or silent for longer than its heartbeat gives no price; a ticker stands in for it."""
    change = feed_of(price, GMX.block.timestamp - age)

    with pytest.raises(PriceMissing, match=why):
        read_gmx(["user5"], change=change)
    stood_in = read_gmx(["user5"], change=change, tickers=recorded_tickers())[0]
    assert READ["user5 long usdc near"].equity_value == stood_in.equity_value
    assert not details(stood_in)["index_price_spread"]


def test_a_token_without_a_feed_has_no_price() -> None:
    """A token for which the DataStore has no feed is named, and nothing is shown at a price of zero."""
    change = answering(STORE["getAddress"], CallResult(True, bytes(32)))

    with pytest.raises(PriceMissing, match="GMX has no price of WNT on the chain: the DataStore has no feed for it"):
        read_gmx(["user5"], change=change)
    assert (
        READ["user5 long usdc near"].equity_value
        == read_gmx(["user5"], change=change, tickers=recorded_tickers())[0].equity_value
    )


def funding(long: int, short: int) -> list[dict[str, str]]:
    return [{"marketToken": MARKET, "fundingRateLong": str(long), "fundingRateShort": str(short)}]


def test_funding_of_the_wrong_sign_is_refused() -> None:
    """A ticker that has the shorts pay where on the chain the longs do is refused; the right way round it is taken."""
    at = GMX.block.timestamp
    right = parse_tickers(ticker_document(markets=funding(-7, 5)), at=at)
    wrong = parse_tickers(ticker_document(markets=funding(7, -5)), at=at)

    assert READ["user5 long usdc near"] == read_gmx(["user5"], tickers=right)[0]
    with pytest.raises(TickersUnusable, match="has the wrong sign: on the chain the longs pay"):
        read_gmx(["user5"], tickers=wrong)
    with pytest.raises(TickersUnusable, match="funding of one sign"):
        parse_tickers(ticker_document(markets=funding(7, 5)), at=at)


def broken(**fields: Any) -> dict[str, Any]:
    entry = ticker_document()["tickers"][0] | fields
    return ticker_document(tickers=[entry])


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (broken(minPrice="0"), "must be above zero"),
        (broken(minPrice="3", maxPrice="2"), "no higher than the other"),
        (broken(minPrice="1.5"), "not an integer"),
        (broken(maxPrice=1e30), "not an integer"),
        (broken(maxPrice="9" * 5000), "not an integer of at most 80 places"),
        (broken(maxPrice=str(-UINT256_MAX)), "no higher than the other"),
        (broken(tokenAddress="0x12"), "is not 0x and 40 hex digits"),
        (broken(updatedAt=(GMX.block.timestamp - 301) * 1000), "of another time than the block"),
        (broken(updatedAt=None), "not an integer"),
        ({"tickers": None}, "no list of tickers"),
        ({"markets": []}, "no list of tickers"),
        ("prices", "no list of tickers"),
        ([1], "no list of tickers"),
        (ticker_document(markets=[{"marketToken": MARKET}]), "fundingRateLong 'None' is not an integer"),
    ],
)
def test_a_ticker_that_is_none_is_refused(document: Any, why: str) -> None:
    """Whatever is wrong with a ticker file, the error says which figure it is."""
    with pytest.raises(TickersUnusable, match=why):
        parse_tickers(document, at=GMX.block.timestamp)


def test_two_prices_of_one_token_are_refused() -> None:
    """A token that a ticker names twice, at different prices, has no price; named twice alike it has one."""
    entries = ticker_document()["tickers"]
    dearer = entries[0] | {"maxPrice": str(int(entries[0]["maxPrice"]) + 1)}

    assert recorded_tickers() == parse_tickers([*entries, entries[0]], at=GMX.block.timestamp)
    with pytest.raises(TickersUnusable, match="two prices of"):
        parse_tickers([*entries, dearer], at=GMX.block.timestamp)


def test_entry_points_of_another_contract_are_named() -> None:
    """A Reader that is no Reader is told by `identify`, and the recorded one is accepted."""
    drive(GMX_V2.identify(ENTRY), answer)

    with pytest.raises(LayoutUnknown):
        drive(GMX_V2.identify(ENTRY), lambda batch: [CallResult(True, b"")] * len(batch))
