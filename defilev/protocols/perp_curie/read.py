"""Reading Perp v2 accounts, without input or output: yields batches of calls, is sent their answers.

Three round trips: the clearing house's contracts; their rules and what each owner has; everything about that. Two where
the contracts were known.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from defilev.abi import interface
from defilev.abi.answers import token_symbol
from defilev.model.book import MarketEntry
from defilev.model.perp import PerpAccount
from defilev.model.request import Address, Block, Call, Read, Results
from defilev.model.token import Token
from defilev.protocols.contract import PerpsRead
from defilev.protocols.perp_curie import calls, decode
from defilev.protocols.perp_curie.account import account_from_state
from defilev.protocols.perp_curie.check import EXACT_CHECK, checked
from defilev.protocols.perp_curie.decode import House, Terms
from defilev.protocols.perp_curie.state import Contracts, CurieState, Market

__all__ = ["identify", "read_accounts"]


@dataclass(frozen=True, slots=True)
class _Lists:
    """The deployment, and the markets and the collateral of each owner."""

    house: House
    contracts: Contracts
    terms: Terms
    markets: tuple[tuple[Address, ...], ...]
    collateral: tuple[tuple[Address, ...], ...]

    @property
    def every_market(self) -> tuple[Address, ...]:
        """Return each market that somebody is in."""
        return tuple(dict.fromkeys(each for listed in self.markets for each in listed))

    @property
    def every_collateral(self) -> tuple[Address, ...]:
        """Return each collateral that somebody has."""
        return tuple(dict.fromkeys(each for listed in self.collateral for each in listed))


def identify(entry: MarketEntry) -> Read[None]:
    """Raise `NotDeployed` unless a clearing house is at the entry point."""
    clearing_house = entry.entry_points["clearing_house"]
    decode.decode_house(clearing_house, (yield calls.house_calls(clearing_house)))


def read_accounts(
    entry: MarketEntry,
    owners: Sequence[Address],
    *,
    chain_id: int,
    block: Block,
    metadata: Mapping[str, Any] | None = None,
) -> Read[PerpsRead]:
    """Read the account of each of `owners`, none for who has neither margin nor positions.

    Args:
        entry: `clearing_house` is used.
        owners: whose accounts; they share batches.
        chain_id: the chain, written into the accounts.
        block: the block that every batch is answered at.
        metadata: what an earlier read returned, the contracts; verified, and found again where one is another.

    Raises:
        NotDeployed: no clearing house is at the entry point.
        SelfCheckFailed: a figure differs from the contracts'.
        CallReverted: a contract does not answer, as when a market's pool is too young for its averages.
    """
    lists = yield from _lists(entry, owners, metadata)
    contracts, rules = lists.contracts, lists.terms.rules
    symbol = [interface("erc20")["symbol"].call(lists.terms.settlement)]
    of_market = [calls.market_calls(contracts, rules, each) for each in lists.every_market]
    of_collateral = [calls.collateral_calls(contracts, each) for each in lists.every_collateral]
    of_owner = [_owner_calls(lists, place, owner) for place, owner in enumerate(owners)]
    batches = (symbol, *of_market, *of_collateral, *of_owner)
    results = iter((yield [call for batch in batches for call in batch]))
    (named,), *answers = [[next(results) for _ in batch] for batch in batches]
    cut, end = len(of_market), len(of_market) + len(of_collateral)
    reading = _Reading(
        entry=entry,
        chain_id=chain_id,
        block=block,
        lists=lists,
        settlement=Token(lists.terms.settlement, token_symbol(lists.terms.settlement, named), lists.terms.decimals),
        markets=dict(
            zip(lists.every_market, map(decode.decode_market, lists.every_market, answers[:cut]), strict=True)
        ),
        collateral=dict(zip(lists.every_collateral, answers[cut:end], strict=True)),
    )
    found = [reading.account(place, owner, answers[end + place]) for place, owner in enumerate(owners)]
    return PerpsRead(tuple(each for each in found if each is not None), {"house": lists.house._asdict()})


def _lists(entry: MarketEntry, owners: Sequence[Address], metadata: Mapping[str, Any] | None) -> Read[_Lists]:
    """Return the deployment and what each owner has in it; what was known is asked along with what proves it."""
    clearing_house = entry.entry_points["clearing_house"]
    known = House(**metadata["house"]) if metadata else None
    results = yield [*calls.house_calls(clearing_house), *(_list_calls(known, owners) if known else ())]
    house = decode.decode_house(clearing_house, results[: calls.HOUSE_CALLS])
    rest = results[calls.HOUSE_CALLS :]
    if house != known:
        rest = yield _list_calls(house, owners)
    terms, listed = decode.decode_terms(rest[: calls.RULE_CALLS]), rest[calls.RULE_CALLS :]
    return _Lists(
        house=house,
        contracts=Contracts(clearing_house, *house, terms.collateral_manager, terms.market_registry),
        terms=terms,
        markets=tuple(decode.decode_list("getBaseTokens", each) for each in listed[:: calls.LIST_CALLS]),
        collateral=tuple(decode.decode_list("getCollateralTokens", each) for each in listed[1 :: calls.LIST_CALLS]),
    )


def _list_calls(house: House, owners: Sequence[Address]) -> list[Call]:
    listed = [call for owner in owners for call in calls.list_calls(house.vault, house.account_balance, owner)]
    return [*calls.rule_calls(house.vault, house.exchange, house.config), *listed]


def _owner_calls(lists: _Lists, place: int, owner: Address) -> list[Call]:
    contracts = lists.contracts
    positions = [call for each in lists.markets[place] for call in calls.position_calls(contracts, owner, each)]
    held = [call for each in lists.collateral[place] for call in calls.held_calls(contracts, owner, each)]
    return [*calls.owner_calls(contracts, lists.terms.rules, owner), *positions, *held]


@dataclass(frozen=True, slots=True)
class _Reading:
    """What all owners of a read share."""

    entry: MarketEntry
    chain_id: int
    block: Block
    lists: _Lists
    settlement: Token
    markets: Mapping[Address, Market]
    collateral: Mapping[Address, Results]

    def account(self, place: int, owner: Address, results: Results) -> PerpAccount | None:
        """Return the checked account of an owner from what was answered about it; `None` for who has none."""
        figures = decode.decode_figures(results[: calls.OWNER_CALLS])
        rest, size = results[calls.OWNER_CALLS :], calls.POSITION_CALLS
        traded, held = self.lists.markets[place], self.lists.collateral[place]
        read = [
            decode.decode_position(self.markets[each], rest[at * size : (at + 1) * size])
            for at, each in enumerate(traded)
        ]
        deposited = rest[len(traded) * size :]
        if not (read or held or figures.balance or figures.owed_pnl):
            return None
        state = CurieState(
            chain_id=self.chain_id,
            block=self.block,
            deployment=self.entry.market,
            owner=owner,
            contracts=self.lists.contracts,
            settlement=self.settlement,
            rules=self.lists.terms.rules,
            balance=figures.balance,
            owed_pnl=figures.owed_pnl,
            positions=tuple(each.position for each in read),
            collateral=tuple(
                decode.decode_collateral(token, self.collateral[token], amount)
                for token, amount in zip(held, deposited, strict=True)
            ),
            has_orders=figures.has_orders,
            is_collateral_liquidatable=figures.is_collateral_liquidatable,
        )
        return account_from_state(checked(state, figures, read), self_check=EXACT_CHECK)
