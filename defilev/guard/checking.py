"""Rules held against the chain that they are meant for, before the first tick."""

from __future__ import annotations

from collections.abc import Iterable

from defilev.errors import DataError, RulesInvalid, UnknownName
from defilev.guard.observing import read_rules
from defilev.guard.reading import Reading
from defilev.model.book_file import MarketChoice
from defilev.model.guard_rules import AccountRule, GuardRules
from defilev.pipeline.markets import markets_of
from defilev.pipeline.session import Session
from defilev.protocols import ACTING, PERPS, PERPS_AS_LOANS, PROTOCOLS

__all__ = ["require_meant", "rules_of_chain"]

_OF_LOANS = frozenset({"liquidation-probability", "no-trade-band", "borrow-rate", "withdrawable", "utilisation"})
"""Triggers whose figures perpetuals do not have."""


def rules_of_chain(rules: GuardRules, session: Session) -> tuple[AccountRule, ...]:
    """Return the accounts on the session's chain.

    Raises:
        RulesInvalid: there is none.
    """
    name = session.book.chain_name
    mine = tuple(rule for rule in rules.accounts if rule.chain in (name, str(session.chain_id)))
    if not mine:
        there = ", ".join(sorted({rule.chain for rule in rules.accounts}))
        raise RulesInvalid(
            f"no account of {rules.source} is on {name}", fix="run a guard against a node of their chain", chains=there
        )
    return mine


def require_meant(session: Session, rules: Iterable[AccountRule]) -> dict[str, Reading]:
    """Return what each account that can be read looks like now, once everything that its rule names is there.

    Raises:
        RulesInvalid: a protocol, market or asset is not there, the pinned pool is another, a payer is a contract, a
            reserve is to pay where nobody repays for another, or the rule asks for what its protocol has not.
        DataError: nothing of it can be read.
    """
    given = tuple(rules)
    for rule in given:
        _require_repayable(rule)
        _require_guarded(rule)
        try:
            markets_of(session, [MarketChoice(rule.protocol, rule.market)])
        except UnknownName as error:
            raise RulesInvalid(f"account {rule.name}: {error.fact}", fix=error.fix, **error.facts) from None
    readings = _readable(session, given)
    for rule in given:
        if rule.name in readings and readings[rule.name].account.state is not None:
            _require_pool(rule, readings[rule.name])
            _require_assets(rule, readings[rule.name])
        _require_plain_payer(session, rule)
    return readings


def _readable(session: Session, rules: tuple[AccountRule, ...]) -> dict[str, Reading]:
    """Return the accounts that can be read: one that cannot keeps no guard of the others from starting."""
    try:
        return read_rules(session, rules)
    except DataError:
        if len(rules) == 1:
            raise
    found: dict[str, Reading] = {}
    unread: list[DataError] = []
    for rule in rules:
        try:
            found |= read_rules(session, [rule])
        except DataError as error:
            unread.append(error)
    if not found:
        raise unread[0]
    return found


def _require_repayable(rule: AccountRule) -> None:
    protocol = ACTING.get(rule.protocol)
    if rule.payer is None or protocol is None or protocol.abilities.repays_for_another:
        return
    able = [name for name, known in ACTING.items() if known.abilities.repays_for_another]
    raise RulesInvalid(
        f"account {rule.name}: a reserve is not for {rule.protocol}, where nobody repays for another",
        fix='leave payer out, and give the account authority = "owner" or "alert-only"',
        reserve_for=", ".join(able),
    )


def _require_guarded(rule: AccountRule) -> None:
    """Refuse what the kind of account has not: margin ratios of loans, bands and markets of perpetuals, any of GMX."""
    if rule.protocol in PERPS and rule.protocol not in PERPS_AS_LOANS:
        raise RulesInvalid(
            f"account {rule.name}: {rule.protocol} is read and not acted on",
            fix=f"watch it with `defilev watch`; a guard takes {', '.join(PERPS_AS_LOANS)} of perpetuals",
        )
    if (lacking := _lacking(rule)) is not None:
        raise RulesInvalid(
            f"account {rule.name}: {rule.protocol} has no {lacking}",
            fix="docs/guard.md says which triggers and goals perpetuals have, and which loans",
        )


def _lacking(rule: AccountRule) -> str | None:
    """Return the first trigger, goal or authority that the account's protocol has not."""
    kinds = [trigger.kind for trigger in rule.triggers]
    if rule.protocol in PROTOCOLS:
        return "margin ratio" if "margin-ratio" in kinds or rule.measure == "margin-ratio" else None
    if rule.goal is not None and rule.goal.kind == "band":
        return "no-trade band"
    if rule.authority == "safe":
        return "plan for a Safe"
    if rule.reserve_for is not None:
        return "reserve that a fall is worked out for: leave reserve_for out"
    return next((f"trigger {kind}" for kind in kinds if kind in _OF_LOANS), None)


def _require_pool(rule: AccountRule, reading: Reading) -> None:
    pool = ACTING[rule.protocol].spender(reading.account)
    if rule.pool is not None and rule.pool != pool:
        raise RulesInvalid(
            f"account {rule.name}: the market's pool is not the one that the rules pin",
            fix="find out which is right before anything else",
            pinned=rule.pool,
            found=pool,
        )


def _require_assets(rule: AccountRule, reading: Reading) -> None:
    listed = {token.symbol for token in ACTING[rule.protocol].tokens(reading.account)}
    for trigger in rule.triggers:
        if trigger.asset is not None and trigger.asset not in listed:
            raise RulesInvalid(
                f"account {rule.name}: the market lists no {trigger.asset}",
                fix="name an asset of the market, spelt as it spells it",
                known=", ".join(sorted(listed)),
            )


def _require_plain_payer(session: Session, rule: AccountRule) -> None:
    if rule.payer is not None and session.node.code(rule.payer, block=session.block):
        raise RulesInvalid(
            f"account {rule.name}: the payer has code", fix="give the address of a plain key", payer=rule.payer
        )
