"""The report of a guard as one HTML file: no script, nothing loaded from anywhere, every figure also in a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from html import escape

from defilev.model.guard import Decision
from defilev.report import figures
from defilev.report.guard_story import Account, Action, Story, Told
from defilev.report.guard_style import STYLE
from defilev.report.guard_svg import timeline

__all__ = ["Footer", "guard_html"]

WIDE, NARROW = 888, 328
"""Pixels: the picture is in the page twice, and the wider one is shown where there is room for it."""

LONG = 40
"""Rows; a longer table is folded until somebody opens it."""

Cells = Sequence[str]


@dataclass(frozen=True, slots=True)
class Footer:
    """Where the figures come from: the journal's place without secrets, its last event, and who wrote the page."""

    journal: str
    head: tuple[int, str]
    version: str


def guard_html(story: Story, footer: Footer) -> str:
    """Return the page."""
    parts = [
        "<h1>Guard report</h1>",
        f"<p>{figures.utc(story.since)} to {figures.utc(story.until)}</p>",
        _summary(story),
        f'<p class="place">{_LEGEND}</p>' if story.accounts else "<p>no decision was written down in this time</p>",
        *(_account(story, account) for account in story.accounts),
        "<section><h2>Alerts</h2>",
        _table("Told", _ALERTS, [_alert(alert) for alert in story.alerts]),
        "</section>",
        _footer(footer),
    ]
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>Guard report</title>
<style>{STYLE}</style>
</head>
<body>
<main>
{body}
</main>
</body>
</html>
"""


def _summary(story: Story) -> str:
    actions = [action for account in story.accounts for action in account.actions]
    done = [action for action in actions if action.is_done]
    lowest = min(
        (point.health for account in story.accounts for point in account.points if point.health is not None),
        default=None,
    )
    unheard = sum(alert.reached == 0 for alert in story.alerts)
    told = f"{len(story.alerts)}" + (f", {unheard} reached nobody" if unheard else "")
    fees = sum((action.fee for action in done if action.fee is not None), Decimal(0))
    facts = [
        ("accounts", str(len(story.accounts))),
        ("lowest health factor", figures.health(lowest)),
        ("decisions written down", str(sum(len(account.decisions) for account in story.accounts))),
        ("actions", f"{len(actions)}, {len(done)} finished"),
        ("promises kept", f"{sum(map(_is_kept, done))} of {len(done)}"),
        ("gas paid", f"{fees.normalize():f} of the native currency"),
        ("alerts", told),
    ]
    terms = "".join(f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>" for name, value in facts)
    return f"<dl>{terms}</dl>"


def _account(story: Story, account: Account) -> str:
    newest = account.decisions[-1]
    place = f"{newest.protocol} {newest.market} · {newest.owner} · {newest.authority}"
    return "\n".join(
        [
            f"<section><h2>{escape(account.name)}{' (dry run)' if account.is_dry_run else ''}</h2>",
            f'<p class="place">{escape(place)}</p>',
            f'<figure><div class="wide">{timeline(story, account, width=WIDE)}</div>',
            f'<div class="narrow">{timeline(story, account, width=NARROW)}</div></figure>',
            _table("Decisions", _DECISIONS, [_decision(decision) for decision in account.decisions]),
            _table("Actions", _ACTIONS, [_action(action) for action in account.actions]),
            _table("Transactions", _TRANSACTIONS, list(_transactions(account.actions))),
            "</section>",
        ]
    )


_LEGEND = (
    "Dots are readings that were written down: the line between two is no reading. "
    "▼ act · ◆ alert · ■ wait or held · # a run of the journal · shaded: from when the chain could not be read "
    "to the next reading. "
    "Below: alerts, ▼ critical, ◆ warning, ● info."
)
_DECISIONS = ("time", "block", "health", "verdict", "why")
_ACTIONS = ("run", "began", "state", "promised", "got", "cost, expected", "cost, got", "gas")
_TRANSACTIONS = ("run", "step", "state", "block", "transaction")
_ALERTS = ("time", "severity", "account", "what", "reached")


def _decision(decision: Decision) -> Cells:
    health = None if decision.health_factor is None else Decimal(decision.health_factor).scaleb(-18)
    tier = f" ({decision.tier})" if decision.tier and decision.verdict in ("act", "wait", "held") else ""
    return (
        figures.utc(decision.block.timestamp),
        figures.block_number(decision.block.number),
        "no debt" if health is None else figures.health(health),
        decision.verdict + tier,
        figures.clean(decision.reason),
    )


def _action(action: Action) -> Cells:
    state = action.stage.lower() + (f": {figures.clean(action.stopped_by)}" if action.stopped_by else "")
    return (
        f"#{action.run}",
        figures.utc(action.at),
        state,
        figures.health(action.promised_health),
        "no debt" if action.is_done and action.got_health is None else figures.health(action.got_health),
        _dollars(action.cost_expected),
        _dollars(action.cost_got),
        figures.NOTHING if action.fee is None else f"{action.fee.normalize():f}",
    )


def _transactions(actions: Iterable[Action]) -> Iterator[Cells]:
    for action in actions:
        for sent in action.sent:
            block = figures.NOTHING if sent.block is None else figures.block_number(sent.block)
            yield (f"#{action.run}", str(sent.step), sent.state.lower(), block, sent.hash)


def _alert(alert: Told) -> Cells:
    return (
        figures.utc(alert.at),
        alert.severity + ("" if alert.state == "raised" else f" ({alert.state})"),
        alert.account or "the guard",
        f"{alert.kind}: {figures.clean(alert.text)}",
        "; ".join(f"{sink} {said}" for sink, said in alert.deliveries.items()) or "nobody",
    )


def _footer(footer: Footer) -> str:
    seq, digest = footer.head
    told = f"defilev {footer.version} · journal {footer.journal} · event {seq}, {digest}"
    return f"<footer>{escape(told)}</footer>"


def _table(title: str, headings: Cells, rows: Sequence[Cells]) -> str:
    """Return a table under its title, folded when it is long; on a phone each row is a list under its headings."""
    if not rows:
        return f"<h3>{escape(title)}: none</h3>"
    head = "".join(f'<th scope="col">{escape(heading)}</th>' for heading in headings)
    lines = "".join(f"<tr>{_cells(headings, row)}</tr>" for row in rows)
    fold = "" if len(rows) > LONG else " open"
    return (
        f"<details{fold}><summary>{escape(title)} ({len(rows)})</summary>"
        f"<table><thead><tr>{head}</tr></thead><tbody>{lines}</tbody></table></details>"
    )


def _cells(headings: Cells, row: Cells) -> str:
    named = zip(headings, row, strict=True)
    return "".join(f'<td data-name="{escape(heading)}">{escape(cell)}</td>' for heading, cell in named)


def _is_kept(action: Action) -> bool:
    """Tell whether the health factor that was got is at most 0.001 below the promised one."""
    if action.got_health is None:
        return True
    return action.promised_health is not None and action.got_health >= action.promised_health - Decimal("0.001")


def _dollars(value: Decimal | None) -> str:
    return figures.NOTHING if value is None else figures.dollars(value)
