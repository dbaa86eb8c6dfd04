"""The account that a plan acts on: a loan, or the loan that a perpetual is."""

from __future__ import annotations

from collections.abc import Sequence

from defilev.errors import Infeasible
from defilev.model.account import LendingAccount, SelfCheck
from defilev.model.request import Address
from defilev.pipeline.look import read_account
from defilev.pipeline.perps import read_perps
from defilev.pipeline.session import Session
from defilev.protocols import PERPS_AS_LOANS

__all__ = ["read_loan", "read_loans"]

WAD_DECIMALS = 18


def read_loan(
    session: Session, owner: Address, *, protocol: str, market: str | None = None, or_nothing: bool = False
) -> LendingAccount:
    """Return the one account of `owner` that a plan for `protocol` is about.

    With `or_nothing` the account of who has no perpetuals any more is an empty one: it can be looked at, not acted on.

    Raises:
        Infeasible: the owner has no perpetuals there.
        UnknownName, UsageError, DataError: see `read_account` and `read_perps`.
    """
    if protocol not in PERPS_AS_LOANS:
        return read_account(session, owner, protocol=protocol, market=market)
    found = read_perps(session, [owner], protocol=protocol, market=market)
    if found:
        return PERPS_AS_LOANS[protocol].loan(found[0])
    if or_nothing:
        return _nothing(session, owner, protocol=protocol, market=market or "main")
    raise Infeasible(
        f"{owner} has neither margin nor a position on {protocol}: it was closed, or never opened",
        fix="look at it with `defilev health`",
    )


def read_loans(
    session: Session, owners: Sequence[Address], *, protocol: str, market: str | None = None
) -> list[LendingAccount]:
    """Return the perpetuals of each of `owners` as a loan, all read at once; an empty one of who has none.

    Raises:
        UnknownName, DataError: see `read_perps`.
    """
    read = {each.owner: each for each in read_perps(session, owners, protocol=protocol, market=market)}
    loan = PERPS_AS_LOANS[protocol].loan
    return [
        loan(read[owner]) if owner in read else _nothing(session, owner, protocol=protocol, market=market or "main")
        for owner in owners
    ]


def _nothing(session: Session, owner: Address, *, protocol: str, market: str) -> LendingAccount:
    return LendingAccount(
        chain_id=session.chain_id,
        block=session.block,
        protocol=protocol,
        market=market,
        owner=owner,
        quote_decimals=WAD_DECIMALS,
        collateral_value=0,
        debt_value=0,
        available_borrows=0,
        liquidation_threshold=None,
        loan_to_value=None,
        health_factor=None,
        contract_health_factor=None,
        self_check=SelfCheck("unchecked", "the contracts know no such account"),
        legs=(),
        details=(),
        warnings=(),
        state=None,
        deployment=market,
    )
