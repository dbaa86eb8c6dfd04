"""Asking before money moves."""

from __future__ import annotations

import sys
from collections.abc import Collection
from typing import TYPE_CHECKING

from defilev.abi.address import parse_address
from defilev.errors import Declined, PlanUnreadable, Refused

if TYPE_CHECKING:
    from defilev.config.loading import LoadedSettings
    from defilev.model.plan import Plan
    from defilev.model.request import Address

__all__ = ["ask", "ask_about", "require_confirmed_hash", "require_own_settings", "require_payer"]

LAST = 4
FLAGS = frozenset({"address_book", "book", "expires", "floor", "max_divergence", "max_slippage", "rpc_url"})
"""Settings that a flag of the same name stands in for."""


def require_own_settings(loaded: LoadedSettings, *, unused: Collection[str]) -> None:
    """Raise `Refused` when the working directory says which node, contracts, limits or keys are used.

    Whoever wrote the directory's files is not the one who signs.

    Args:
        unused: settings that the command line or a plan file stands in for.
    """
    found = [(key, where) for key, where in loaded.steering_from_cwd if key not in unused]
    if found:
        key, _ = found[0]
        flag = f"give --{key.replace('_', '-')} on the command line, or " if key in FLAGS else ""
        raise Refused(
            f"{key} comes from the working directory, which must not steer money",
            fix=f"{flag}set it in your own config file",
            found=[f"{name} in {place}" for name, place in found],
        )


def require_confirmed_hash(plan: Plan, confirmed: str | None) -> None:
    """Raise `Refused` when a hash was given that is not the plan's."""
    if confirmed is not None and confirmed != plan.hash:
        raise Refused(
            "--confirm-plan is not the hash of this plan",
            fix="review this plan, then confirm its own hash",
            confirmed=confirmed,
            plan=plan.hash,
        )


def require_payer(plan: Plan, payer: str | None) -> None:
    """Raise `PlanUnreadable` unless whoever a plan file lets pay was named as such: a file does not choose who pays."""
    if plan.payer is None and payer is None:
        return
    named = None if payer is None else parse_address(payer, what="--payer")
    if plan.payer != named:
        raise PlanUnreadable(
            "the plan is signed by another account than the one named on the command line",
            fix="give --payer with the account that the plan names, or leave it out for a plan of the owner",
            plan=plan.payer or "the owner",
            named=named or "the owner",
        )


def ask(plan: Plan, *, chain_name: str, yes: bool, confirmed: str | None, may_ask: bool) -> None:
    """Return when the user agrees to send the plan's transactions.

    A terminal is asked for the last characters of the account; anyone else needs --yes and the plan's hash.

    Raises:
        Declined: the user answered something else.
        Refused: nobody can be asked, and --yes or the hash is missing.
    """
    if yes and confirmed is not None:
        return
    count = len(plan.steps)
    what = f"This sends {count} transaction{'s' if count > 1 else ''} on {chain_name.upper()} from {plan.actor}."
    ask_about(what, plan.actor, may_ask=may_ask, fix=f"review the plan, then add --yes --confirm-plan {plan.hash}")


def ask_about(what: str, account: Address, *, may_ask: bool, fix: str) -> None:
    """Return when the user types the end of `account` in answer to `what`.

    Raises:
        Declined: the user answered something else.
        Refused: nobody can be asked; `fix` says how to do without.
    """
    if not (may_ask and sys.stdin.isatty()):
        raise Refused("there is no terminal to ask, and nothing was confirmed on the command line", fix=fix)
    sys.stderr.write(f"{what} Type the last {LAST} characters of the account to go on: ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer.endswith("\n"):
        sys.stderr.write("\n")
    if answer.strip().lower() != account[-LAST:].lower():
        raise Declined("nothing was signed")
