"""What the guard says to a person, line by line."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from defilev.model.guard import Acted, Alert, Decision, Look, TickReport
from defilev.model.guard_rules import AccountRule, GuardRules, Trigger
from defilev.report.ink import Ink

__all__ = ["alert_text", "explained_text", "rules_text", "status_text", "tick_text"]

_TONES = {"critical": "LIQUIDATABLE", "warning": "LOW", "info": "OK"}
_VERDICTS = {"nothing": "OK", "alert": "LOW", "act": "DANGER", "wait": "DANGER", "held": "LIQUIDATABLE"}


def rules_text(rules: GuardRules, *, ink: Ink) -> str:
    """Return what a rules file says, account by account."""
    lines = [f"{rules.source} can be used: {_count(len(rules.accounts), 'account')}", f"sha256 {rules.digest}"]
    for rule in rules.accounts:
        lines += ["", *_rule(rule, ink)]
    return "\n".join(lines)


def tick_text(report: TickReport, *, ink: Ink) -> str:
    """Return one line for the tick, and one for everything in it that a person should see."""
    return "\n".join(_tick(report, ink))


def alert_text(alert: Alert, *, ink: Ink) -> str:
    """Return an alert in one line, with its facts."""
    about = f"{alert.account}: " if alert.account else ""
    facts = "  ".join(f"{name} {value}" for name, value in alert.facts if value)
    told = f"{ink(alert.severity, _TONES[alert.severity])} {alert.kind}  {about}{alert.text}"
    return f"{told}\n    {facts}" if facts else told


def status_text(
    rules: GuardRules,
    *,
    decisions: Mapping[str, Mapping[str, Any]],
    looks: Mapping[str, Look],
    leases: Sequence[Mapping[str, Any]],
    switches: Sequence[tuple[str, str, str, str]],
    ink: Ink,
) -> str:
    """Return what the guard watches, its last decisions and looks, budgets left, who leads, and what holds it."""
    lines = [f"{name} {ink(state, 'DANGER')} since {at[:19]}: {why}" for name, state, why, at in switches]
    for rule in rules.accounts:
        lines += ["", *_rule(rule, ink)] if lines else list(_rule(rule, ink))
        found = decisions.get(rule.name)
        lines.append(f"  last      {_stored(found, ink)}" if found else "  last      nothing was decided yet")
        if (look := looks.get(rule.name)) is not None:
            lines += _look(look, rule)
        holder = next((lease for lease in leases if lease["account"] == (rule.actor or rule.owner)), None)
        if holder is not None:
            lines.append(f"  leader    {holder['holder']}, epoch {holder['epoch']}, until {holder['expires_at'][:19]}")
    return "\n".join(lines)


def explained_text(decision: Mapping[str, Any], run: Mapping[str, Any], *, ink: Ink) -> str:
    """Return the whole reasoning of a decision that led to a run."""
    lines = [
        f"journal #{run['id']}: {decision['account']}, {decision['protocol']}/{decision['market']}",
        f"  owner     {decision['owner']}",
        f"  seen      block {decision['block']['number']}: health {_wad(decision['health_factor'])}",
        *(
            f"  trigger   {fired['kind']}{' ' + fired['subject'] if fired['subject'] else ''}: "
            f"{fired['figure']}, past {fired['limit']}"
            for fired in decision["fired"]
        ),
        f"  decided   {ink(decision['verdict'], _VERDICTS[decision['verdict']])}: {decision['reason']}",
        f"  authority {decision['authority']}, tier {decision['tier'] or 'none'}",
        f"  rules     sha256 {decision['rules']}",
        f"  run       {run['stage']}" + (f": {run['stopped_by']}" if run["stopped_by"] else ""),
    ]
    return "\n".join(lines)


def _rule(rule: AccountRule, ink: Ink) -> Iterator[str]:
    yield f"{ink(rule.name, 'strong')}  {rule.protocol}/{rule.market} on {rule.chain}  {rule.owner}"
    payer = f", payer {rule.payer}" if rule.payer else ""
    yield f"  authority {rule.authority}{payer}"
    for trigger in rule.triggers:
        yield f"  trigger   {_trigger(trigger)}{'' if trigger.acts else '  (tells)'}"
    if rule.goal is not None:
        yield f"  goal      {_goal(rule)}, armed again from {rule.rearm or 'any health'}, cool-down {rule.cool_down} s"
    for name, tier in rule.tiers.items():
        begins = f"below {tier.below:.4f}" if tier.below else "first"
        yield (
            f"  {name:<9} {begins}: slippage {tier.slippage:.2%}, divergence {tier.divergence:.2%}, "
            f"gas {tier.gas_price // 10**9} gwei, size {tier.size or 'any'}, every {tier.every} s"
        )
    budget = rule.budget
    yield (
        f"  budget    {budget.runs_per_day} actions a day, value {budget.value_per_day or 'any'}, "
        f"gas {budget.gas_per_day or 'any'} wei"
    )


def _look(look: Look, rule: AccountRule) -> Iterator[str]:
    following = "" if look.next_check is None else f", next by {_utc(look.next_check)}"
    mode = "" if look.is_broadcasting else ", DRY RUN"
    yield f"  looked    block {look.block} at {_utc(look.at)}{following}{mode}"
    if rule.goal is None:
        return
    budget = rule.budget
    left = [f"{max(budget.runs_per_day - look.runs, 0)} of {budget.runs_per_day} actions"]
    if budget.value_per_day is not None:
        left.append(f"value {max(budget.value_per_day - look.value, 0):.2f} of {budget.value_per_day}")
    if budget.gas_per_day is not None:
        left.append(f"gas {max(budget.gas_per_day - look.gas, 0)} of {budget.gas_per_day} wei")
    yield f"  left      {', '.join(left)}"


def _utc(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _trigger(trigger: Trigger) -> str:
    about = f" of {trigger.asset}" if trigger.asset else ""
    within = f" within {trigger.within} s" if trigger.within else ""
    limit = "" if trigger.limit is None else f" {'above' if trigger.is_above else 'below'} {trigger.limit}"
    return f"{trigger.kind}{about}{limit}{within}"


def _goal(rule: AccountRule) -> str:
    if rule.goal is None or rule.goal.kind == "close":
        return "no position"
    measure = "margin ratio" if rule.goal.kind == "margin-ratio" else "health"
    return "the band's trade-to level" if rule.goal.kind == "band" else f"{measure} {rule.goal.value}"


def _tick(report: TickReport, ink: Ink) -> Iterator[str]:
    if report.block is None:
        yield f"tick {report.number}  the chain could not be read"
    else:
        mode = "" if report.is_broadcasting else "  DRY RUN"
        standby = "" if report.is_leader else "  standby"
        counted = _count(len(report.decisions), "account")
        yield (
            f"tick {report.number}  block {report.block.number}  {counted}  {report.rpc_calls} calls  "
            f"{report.milliseconds} ms{standby}{mode}"
        )
    for decision in report.decisions:
        yield f"  {_decision(decision, ink)}"
    for acted in report.acted:
        yield f"  {_acted(acted)}"
    for alert in report.alerts:
        yield "\n".join(f"  {line}" for line in alert_text(alert, ink=ink).splitlines())


def _decision(decision: Decision, ink: Ink) -> str:
    verdict = ink(decision.verdict, _VERDICTS[decision.verdict])
    health = "no debt" if decision.health_factor is None else f"{decision.health_factor / 10**18:.4f}"
    return f"{decision.account}  health {health}  {verdict}: {decision.reason}"


def _acted(acted: Acted) -> str:
    run = f"  journal #{acted.run}" if acted.run else ""
    return f"{acted.account}  {acted.outcome}: {acted.text}{run}"


def _stored(found: Mapping[str, Any], ink: Ink) -> str:
    verdict = ink(found["verdict"], _VERDICTS[found["verdict"]])
    return f"{verdict} at block {found['block']['number']}, health {_wad(found['health_factor'])}: {found['reason']}"


def _wad(text: str | None) -> str:
    return "none (no debt)" if text is None else f"{int(text) / 10**18:.4f}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
