"""Rules files of the guard: TOML, every key known, every bound kept, and no nonsense. Asks no node."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, NoReturn

from pydantic import ValidationError

from defilev.abi import parse_address
from defilev.config.guard_authority import require_authority, shared_reserve
from defilev.config.guard_tables import AccountTable, FileTable
from defilev.config.guard_tiers import tiers_from
from defilev.config.guard_triggers import LARGEST_HEALTH, highest_health, trigger_from
from defilev.config.secrets import refuse_private_key
from defilev.errors import InvalidAddress, RulesInvalid
from defilev.model.alerting import AlertRules
from defilev.model.guard_rules import (
    LOWEST_HEALTH,
    MOST_RUNS,
    AccountRule,
    Budget,
    GuardRules,
    KeyPlace,
    RuleGoal,
    Trigger,
)
from defilev.model.request import Address

__all__ = ["load_guard_rules"]

_LONGEST_COOL_DOWN = 7 * 86_400


def load_guard_rules(path: Path, *, names: Mapping[str, Address] | None = None) -> GuardRules:
    """Return the rules in a file.

    Args:
        names: addresses by name, for owners that are written as `@NAME`; every name is unknown when left out.

    Raises:
        RulesInvalid: it is unreadable, not TOML, has an unknown key, or says something that cannot be meant.
        KeyFailure: it holds a private key.
    """
    source = str(path)
    try:
        content = path.read_bytes()
        document = tomllib.loads(content.decode("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise RulesInvalid(
            f"the rules {source} cannot be read: {error.strerror}", fix="check the file's name"
        ) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise RulesInvalid(f"the rules {source} are not TOML: {error}", fix=f"correct {source}") from None
    _refuse_keys(document, source)
    try:
        table = FileTable.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        _refuse(source, _place(first["loc"]), _said(first))
    accounts = tuple(_Account(source, entry, names or {}).rule() for entry in table.account)
    _require_each_once(accounts, source)
    return GuardRules(
        accounts=accounts,
        single_endpoint=table.guard.single_endpoint,
        max_hot_equity=table.guard.max_hot_equity,
        halt_file=table.guard.halt_file,
        source=source,
        digest=_digest(content, table, accounts),
        alerts=_alerts(table, source),
    )


def _digest(content: bytes, table: FileTable, accounts: tuple[AccountRule, ...]) -> str:
    """Return the sha256 of the file's bytes and of what the names of the book in it stand for."""
    named = [(entry.owner, rule.owner) for entry, rule in zip(table.account, accounts, strict=True)]
    meant = "".join(f"\n{name}={address}" for name, address in named if name.startswith("@"))
    return hashlib.sha256(content + meant.encode()).hexdigest()


def _refuse(source: str, where: str, what: str, fix: str | None = None) -> NoReturn:
    raise RulesInvalid(
        f"the rules {source}: {where}: {what}", fix=fix or f"correct {source}; docs/guard.md lists what can be written"
    )


def _place(parts: tuple[str | int, ...]) -> str:
    """Return where something stands, counting tables from one as a person does."""
    return ".".join(str(part + 1) if isinstance(part, int) else part for part in parts) or "the file"


def _said(error: Mapping[str, Any]) -> str:
    if error["type"] == "extra_forbidden":
        return "no such key"
    if error["type"] == "missing":
        return "it is missing"
    return str(error["msg"]).removeprefix("Value error, ")


def _refuse_keys(value: Any, source: str, name: str = "") -> None:
    """Refuse private keys wherever they stand."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _refuse_keys(item, source, key)
    elif isinstance(value, list):
        for item in value:
            _refuse_keys(item, source, name)
    else:
        refuse_private_key(name, value, where=source, is_ours=not name.endswith("password_file"))


def _alerts(table: FileTable, source: str) -> AlertRules:
    """Return whom to tell; a rule of silence about an account that the file has not is a slip of the pen."""
    rules, names = table.alerts.rules(), {entry.name for entry in table.account}
    for rule in rules.quiet:
        if unknown := sorted(set(rule.accounts) - names):
            _refuse(source, "alerts.quiet", f"no account is called {unknown[0]}")
    return rules


def _require_each_once(accounts: tuple[AccountRule, ...], source: str) -> None:
    names: set[str] = set()
    positions: dict[tuple[str, ...], str] = {}
    for rule in accounts:
        if rule.name in names:
            _refuse(source, f"account {rule.name}", "two accounts have this name")
        names.add(rule.name)
        position = (rule.chain, rule.protocol, rule.market, rule.owner)
        if position in positions:
            _refuse(source, f"account {rule.name}", f"it is the position of {positions[position]} once more")
        positions[position] = rule.name
    if (shared := shared_reserve(accounts)) is not None:
        _refuse(source, f"account {shared[0]}", f"its payer also signs for {shared[1]}: give it a key of its own")


class _Account:
    """One table on its way to a rule: everything that belongs together is checked here."""

    def __init__(self, source: str, table: AccountTable, names: Mapping[str, Address]) -> None:
        self._source, self._table, self._names = source, table, names

    def rule(self) -> AccountRule:
        table = self._table
        triggers = tuple(trigger_from(entry, refuse=self._no) for entry in table.trigger)
        goal = self._goal()
        self._require_sense(triggers, goal)
        require_authority(table, triggers, goal, refuse=self._no)
        return AccountRule(
            name=table.name,
            owner=self._owner(),
            protocol=table.protocol,
            market=table.market,
            chain=table.chain,
            authority=table.authority,
            triggers=triggers,
            goal=goal,
            tiers=tiers_from(table.tiers, highest=highest_health(triggers), refuse=self._no),
            budget=self._budget(),
            rearm=self._rearm(triggers, goal),
            cool_down=self._cool_down(),
            pool=self._address("pool", table.pool),
            payer=self._payer(),
            reserve_for=self._fall(),
            volatility=self._volatility(triggers, goal),
            key=KeyPlace(table.keystore, table.password_file, table.signer),
            payer_key=KeyPlace(table.payer_keystore, table.payer_password_file, table.payer_signer),
            allow_hot_equity=table.allow_hot_equity,
            bundles=table.bundles,
        )

    def _no(self, what: str, fix: str | None = None) -> NoReturn:
        _refuse(self._source, f"account {self._table.name}", what, fix)

    def _owner(self) -> Address:
        written = self._table.owner
        if written.startswith("@"):
            if written[1:] not in self._names:
                self._no(f"no owner is called {written}", "name the owner in your book file, or write the address")
            return self._names[written[1:]]
        found = self._address("owner", written)
        assert found is not None  # noqa: S101 - the owner is a required key
        return found

    def _payer(self) -> Address | None:
        payer = self._address("payer", self._table.payer)
        if payer == self._owner():
            self._no("payer is the owner: a reserve is a key of its own", "give another key, or leave payer out")
        return payer

    def _address(self, key: str, text: str | None) -> Address | None:
        if text is None:
            return None
        try:
            return parse_address(text)
        except InvalidAddress as error:
            self._no(f"{key}: {error.fact}", error.fix)

    def _goal(self) -> RuleGoal | None:
        table = self._table.goal
        if table is None:
            return None
        given = [name for name in ("health_factor", "margin_ratio", "band", "close") if getattr(table, name)]
        if len(given) != 1:
            self._no("the goal is one of health_factor, margin_ratio, band and close")
        if given[0] in ("band", "close"):
            return RuleGoal("band" if given[0] == "band" else "close")
        level = table.health_factor or table.margin_ratio or Decimal(0)
        if not LOWEST_HEALTH < level <= LARGEST_HEALTH:
            self._no(f"the goal {level} is not between {LOWEST_HEALTH} and {LARGEST_HEALTH}")
        return RuleGoal("health-factor" if given[0] == "health_factor" else "margin-ratio", level)

    def _require_sense(self, triggers: tuple[Trigger, ...], goal: RuleGoal | None) -> None:
        self._require_one_measure(triggers, goal)
        if goal is None or goal.value is None:
            return
        highest = highest_health(triggers)
        if highest is not None and goal.value <= highest:
            self._no(
                f"the goal {goal.value} is not above the trigger {highest}: every action would set off the next",
                "write a goal above every health trigger",
            )

    def _require_one_measure(self, triggers: tuple[Trigger, ...], goal: RuleGoal | None) -> None:
        """Refuse health factors beside margin ratios: goal, rearm and tiers are levels of one of them."""
        kinds = {trigger.kind for trigger in triggers if trigger.acts}
        kinds |= {"health" if goal.kind == "health-factor" else "margin-ratio"} if goal and goal.value else set()
        if {"health", "margin-ratio"} <= kinds:
            self._no(
                "health factors and margin ratios are mixed: goal, rearm and tiers are levels of one of them",
                'write both as margin ratios, or give one trigger then = "alert"',
            )

    def _budget(self) -> Budget:
        table = self._table.budget
        if not 1 <= table.runs_per_day <= MOST_RUNS:
            self._no(f"budget: runs_per_day is not between 1 and {MOST_RUNS}")
        return Budget(table.value_per_day, table.gas_per_day, table.runs_per_day)

    def _rearm(self, triggers: tuple[Trigger, ...], goal: RuleGoal | None) -> Decimal | None:
        """Return the level between trigger and goal; in the middle when none is written."""
        highest, written = highest_health(triggers), self._table.rearm
        top = goal.value if goal is not None else None
        if highest is None:
            if written is not None:
                self._no("rearm needs a trigger health or margin-ratio that acts")
            return None
        if written is None:
            return highest if top is None else (highest + top) / 2
        if written < highest or (top is not None and written > top):
            self._no(
                f"rearm {written} does not lie between the trigger {highest} and the goal {top or 'that is not stated'}"
            )
        return written

    def _cool_down(self) -> int:
        if self._table.cool_down > _LONGEST_COOL_DOWN:
            self._no("cool_down is longer than a week: the guard would be away")
        return self._table.cool_down

    def _fall(self) -> Decimal | None:
        fall = self._table.reserve_for
        if fall is not None and fall >= 1:
            self._no("reserve_for is a fall below 100%")
        return fall

    def _volatility(self, triggers: tuple[Trigger, ...], goal: RuleGoal | None) -> Decimal | None:
        kinds = {trigger.kind for trigger in triggers}
        is_needed = bool(kinds & {"liquidation-probability", "no-trade-band"}) or (
            goal is not None and goal.kind == "band"
        )
        if is_needed and self._table.volatility is None:
            self._no("a probability or a band needs volatility, the yearly one, such as 65%")
        if self._table.volatility is not None and self._table.volatility > 10:
            self._no("volatility is above 1000% per year")
        return self._table.volatility
