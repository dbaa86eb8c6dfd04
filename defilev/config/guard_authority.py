"""What each authority of a guarded account needs and what it cannot have: keys, payers and goals."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NoReturn, Protocol

from defilev.config.guard_tables import AccountTable
from defilev.model.guard_rules import AccountRule, RuleGoal, Trigger

__all__ = ["require_authority", "shared_reserve"]

_KEYS = ("keystore", "password_file", "signer")
_PAYER_KEYS = tuple(f"payer_{key}" for key in _KEYS)


class Refuse(Protocol):
    """Raises `RulesInvalid` about one account, with what is wrong and what mends it."""

    def __call__(self, what: str, fix: str | None = None) -> NoReturn: ...


def require_authority(
    table: AccountTable, triggers: Iterable[Trigger], goal: RuleGoal | None, *, refuse: Refuse
) -> None:
    """Refuse an authority without what it acts with, and whatever it never uses; raises what `refuse` does."""
    if (table.authority == "safe") != (table.bundles is not None):
        refuse("authority safe needs bundles, the folder to write to, and no other authority takes it")
    if table.authority in ("alert-only", "safe"):
        spare = [key for key in ("payer", *_KEYS, *_PAYER_KEYS, "reserve_for") if getattr(table, key) is not None]
        if spare:
            refuse(f"authority {table.authority} signs nothing, and {spare[0]} is given")
    if table.authority == "alert-only":
        return
    if goal is None:
        refuse(f"authority {table.authority} needs a goal")
    if not any(trigger.acts for trigger in triggers):
        refuse(f"authority {table.authority} needs a trigger that acts")
    _require_reserve(table, goal, refuse)
    _require_keys(table, refuse)


def _require_reserve(table: AccountTable, goal: RuleGoal, refuse: Refuse) -> None:
    if table.authority == "reserve" and table.payer is None:
        refuse("authority reserve needs payer, the address of the key that repays")
    if table.authority == "reserve" and goal.kind == "close":
        refuse("a reserve repays and cannot withdraw: the goal close needs authority owner")
    if table.payer is None and table.reserve_for is not None:
        refuse("reserve_for belongs to a payer, whose reserve is to suffice for it")


def _require_keys(table: AccountTable, refuse: Refuse) -> None:
    for store, signer in ((table.keystore, table.signer), (table.payer_keystore, table.payer_signer)):
        if store is not None and signer is not None:
            refuse("keystore and signer contradict each other", "give one of them")
    is_beside = table.authority == "owner" and table.payer is not None
    if not is_beside and any(getattr(table, key) is not None for key in _PAYER_KEYS):
        refuse("payer_keystore and the like are for a payer beside an owner's key", "write keystore")


def shared_reserve(accounts: Sequence[AccountRule]) -> tuple[str, str] | None:
    """Return an account and another whose owner's actions its reserve's key would sign too, at once with its own."""
    pairs = ((one, other) for one in accounts for other in accounts)
    return next(
        (
            (one.name, other.name)
            for one, other in pairs
            if one.authority == "owner" and one.actor != other.actor and one.payer in other.keys
        ),
        None,
    )
