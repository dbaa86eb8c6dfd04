"""What must be agreed on before anything is signed: one block, and at it the account, its nonce and the fees."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from statistics import median_low
from typing import Any, TypeVar

from defilev.chain.endpoint import Endpoint
from defilev.chain.quorum import Agreed, Dissent, agreed, agreed_head
from defilev.chain.values import FeeHistory
from defilev.errors import WrongChain
from defilev.model.account import LendingAccount
from defilev.model.request import Address, Block
from defilev.pipeline.loans import read_loan
from defilev.pipeline.session import Session
from defilev.units import to_decimal

__all__ = ["FEE_BLOCKS", "FEE_PERCENTILES", "Agreement", "agree"]

FEE_BLOCKS = 20
FEE_PERCENTILES = (50, 75, 95)
"""Of each block's tips, in the order of `FeeHistory.rewards`."""

QUORUM = 2
"""Nodes that must agree, unless a single one was chosen."""

TICK_SECONDS = 10.0
"""After this long no request to any of several nodes begins."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Agreement:
    """One block, and what the nodes say of it alike; `nonce` is that of the first who may sign.

    `fees` is `None` on a chain without a base fee; its tips are the lower middle of what the nodes say, since each make
    samples them in its own way. `nodes` are the names of those that agree on everything, out of `asked`; one name means
    that a single node was chosen and its word was taken. `dissent` is what the others said.
    """

    block: Block
    account: LendingAccount
    nonce: int
    fees: FeeHistory | None
    nodes: tuple[str, ...]
    asked: int
    dissent: tuple[Dissent, ...]

    @property
    def is_one_word(self) -> bool:
        """Whether nobody confirmed what one node said."""
        return len(self.nodes) == 1


def agree(
    session: Session,
    owner: Address,
    *,
    protocol: str,
    market: str | None = None,
    needed: int | None = None,
    at_least: int = 0,
    actors: Sequence[Address] = (),
) -> Agreement:
    """Return what the nodes of `session` say of the newest block that enough of them have.

    Every question after the first is pinned to that block's hash; a node that is outvoted is not asked further.

    Args:
        needed: how many nodes must agree. When left out: two, or the one that was chosen when only one was named. A
            number has no such exception.
        at_least: a height that has been seen, such as a receipt's, which the block may not lie below.
        actors: whose nonces are asked for, when it is not the owner alone who may sign.

    Raises:
        EndpointsDisagree: the nodes answer, and too few of them alike.
        QuorumMissing: too few nodes answer, or are up to date.
        WrongChain: the nodes serve another chain than the session was opened on.
        DataError: see `read_loan`.
    """
    endpoints = session.endpoints
    is_alone = len(endpoints) == 1
    quorum = needed or (1 if is_alone else QUORUM)
    with nullcontext() if is_alone else endpoints.within(TICK_SECONDS):
        return _Asking(session, quorum, tuple(actors) or (owner,)).agreement(owner, protocol, market, at_least)


class _Asking:
    """The questions of one agreement; a node is asked no more once it was outvoted or did not answer."""

    def __init__(self, session: Session, needed: int, actors: tuple[Address, ...]) -> None:
        self._session = session
        self._actors = actors
        self._needed = needed
        self._left = session.endpoints
        self._dissent: list[Dissent] = []

    def agreement(self, owner: Address, protocol: str, market: str | None, at_least: int) -> Agreement:
        self._require_chain()
        (block, *_) = self._heard(agreed_head(self._left, needed=self._needed, at_least=at_least))
        at, place = self._session.at(block), f"at block {block.number}"

        def account_by(endpoint: Endpoint) -> LendingAccount:
            return read_loan(at.through([endpoint.name]), owner, protocol=protocol, market=market)

        def nonces_by(endpoint: Endpoint) -> tuple[int, ...]:
            return tuple(endpoint.node.nonce(actor, block=block) for actor in self._actors)

        return Agreement(
            block=block,
            account=self._ask(account_by, what=f"the account {place}", shown=_account)[0],
            nonce=self._ask(nonces_by, what=f"the signer's nonce {place}")[0][0],
            fees=self._fees(block),
            nodes=self._left.names,
            asked=len(self._session.endpoints),
            dissent=tuple(self._dissent),
        )

    def _require_chain(self) -> None:
        """Raise `WrongChain` when the nodes have come to serve another chain; one node alone is asked for its id."""
        known = self._session.endpoints.known.identity
        if known is None:
            expected: object = self._session.chain_id
            found: object = self._ask(lambda endpoint: endpoint.node.chain_id(), what="the chain id")[0]
        else:
            expected, found = known, self._ask(Endpoint.identify, what="the chain id and the genesis block")[0]
        if found != expected:
            raise WrongChain("the nodes serve another chain than before", was=expected, now=found)

    def _fees(self, block: Block) -> FeeHistory | None:
        if block.base_fee is None:
            return None

        def fees_by(endpoint: Endpoint) -> FeeHistory:
            return endpoint.node.fee_history(FEE_BLOCKS, percentiles=FEE_PERCENTILES, newest=block)

        what = f"the base fees up to block {block.number}"
        return _merged(self._ask(fees_by, what=what, key=lambda history: history.base_fees, shown=_base_fees))

    def _ask(
        self,
        ask: Callable[[Endpoint], T],
        *,
        what: str,
        key: Callable[[T], Any] | None = None,
        shown: Callable[[T], str] = str,
    ) -> tuple[T, ...]:
        return self._heard(agreed(self._left, ask, what=what, needed=self._needed, key=key, shown=shown))

    def _heard(self, found: Agreed[T]) -> tuple[T, ...]:
        self._dissent += found.dissent
        self._left = self._left.only(found.by)
        return found.values


def _merged(histories: Sequence[FeeHistory]) -> FeeHistory:
    """Return the base fees that all have, and for each block and percentile the lower middle of their tips."""
    rows = zip(*(history.rewards for history in histories), strict=True)
    rewards = tuple(tuple(median_low(tips) for tips in zip(*row, strict=True)) for row in rows)
    return FeeHistory(histories[0].base_fees, rewards)


def _account(account: LendingAccount) -> str:
    health = account.health_factor
    factor = "no debt" if health is None else f"health factor {to_decimal(health, 18):.6f}"
    collateral, debt = (
        to_decimal(value, account.quote_decimals) for value in (account.collateral_value, account.debt_value)
    )
    return f"{factor}, collateral {collateral}, debt {debt}"


def _base_fees(history: FeeHistory) -> str:
    return f"next {history.next_base_fee} wei per gas, {len(history.base_fees)} blocks"
