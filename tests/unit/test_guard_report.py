"""The report of a guard: from a real journal, and shown by a real browser on a wide screen and on a phone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import pytest

from defilev.journal import (
    Alerted,
    GuardJournal,
    Journal,
    alerted,
    alerts_of,
    decisions_of,
    open_journal,
    place_of,
)
from defilev.model.guard import Alert, Decision, Fired
from defilev.model.request import Block
from defilev.report.guard_html import Footer, guard_html
from defilev.report.guard_story import Story, guard_story
from defilev.units import WAD, Wad
from tests.support import browser as browsers
from tests.support.browser import Browser, browser
from tests.support.decisions import a_decision
from tests.support.journals import a_receipt, a_reservation, an_attempt, an_outcome, begun

needs_browser = pytest.mark.skipif(browsers.binary() is None, reason=browsers.MISSING)

BEGAN = 1_767_225_600
FALL = (1.62, 1.58, 1.49, 1.41, 1.36, 1.29, 1.22, 1.21)
NASTY = '<script>alert(1)</script>&"\x1b[31m'
Scheme = Literal["light", "dark"]

READABLE = """
(() => {
  const linear = (v) => v <= 10.0164 ? v / 255 / 12.92 : ((v / 255 + .055) / 1.055) ** 2.4;
  const lum = ([r, g, b]) => .2126 * linear(r) + .7152 * linear(g) + .0722 * linear(b);
  const rgb = (text) => text.match(/[0-9.]+/g).slice(0, 3).map(Number);
  const page = lum(rgb(getComputedStyle(document.body).backgroundColor));
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const node = walker.currentNode, element = node.parentElement;
    if (!node.data.trim() || element.tagName === 'title' || !element.getClientRects().length) continue;
    const style = getComputedStyle(element), svg = element.ownerSVGElement;
    const scale = svg ? element.getScreenCTM().a : 1;
    const ink = lum(rgb(svg ? style.fill : style.color));
    found.push({ text: node.data.trim().slice(0, 40), size: parseFloat(style.fontSize) * scale,
      contrast: (Math.max(ink, page) + .05) / (Math.min(ink, page) + .05) });
  }
  return found;
})()
"""
WORDS_OF_PICTURES = """
[...document.querySelectorAll('svg')].filter((svg) => svg.getClientRects().length).map((svg) => {
  const box = (e) => { const r = e.getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom] };
  return { frame: box(svg), words: [...svg.querySelectorAll('text')].map((e) => [e.textContent, box(e)]) };
})
"""


def seen(name: str, minute: int, health: float | None, **change: Any) -> Decision:
    """Return what a guard decided of an account some minutes after it began."""
    wad = None if health is None else Wad(int(health * WAD))
    block = Block(number=100 + minute, hash=f"0xb{minute}", timestamp=BEGAN + 60 * minute)
    fired = (Fired("health", f"{health}", "1.3"),) if health is not None and health < 1.3 else ()
    verdict = change.pop("verdict", "act" if fired else "nothing")
    usual = {
        "tier": "urgent" if fired else None,
        "reason": f"health factor {health} is below 1.3" if fired else "no trigger fires",
    }
    return a_decision(account=name, block=block, health_factor=wad, fired=fired, verdict=verdict, **(usual | change))


def acted(journal: Journal) -> int:
    """Write a run of the guard that deleveraged, with one transaction; return its number."""
    run = begun(journal, kind="guard")
    intent = journal.reserve(a_reservation(run, kind="deleverage"))
    attempt = an_attempt()
    journal.sign(intent, attempt)
    journal.handed_over(attempt.hash, "OK", endpoint="node")
    journal.included(attempt.hash, a_receipt())
    journal.finish(run, an_outcome())
    return run


def written(path: Path) -> tuple[list[Any], list[Any], list[Any]]:
    """Write the journal of a guard that had a bad day, and return its decisions, alerts and runs."""
    with open_journal(place_of(path)) as journal:
        guarding = GuardJournal(journal)
        (held,) = guarding.hold(chain="31337:0x0", accounts=[a_decision().owner], holder="a1", seconds=60)
        numbers = [
            guarding.decided(held, seen("main", 30 * place, health), rules="c0") for place, health in enumerate(FALL)
        ]
        guarding.decided(held, seen("main", 30 * len(FALL), 1.55), rules="c0")
        guarding.led_to(numbers[-1], acted(journal))
        guarding.decided(held, seen("spare", 10, None), rules="c0")
        guarding.decided(held, seen("spare", 200, 1.25, verdict="wait", reason=NASTY), rules="c0")
        for alert in (
            Alert("warning", "trigger-fired", "main", "health is 1.29, past 1.3"),
            Alert("critical", "chain-unreadable", None, NASTY),
            Alert("info", "trigger-cleared", "main", "health no longer fires"),
        ):
            alerted(
                journal, Alerted(alert, "raised", {"ops": "sent" if alert.severity != "info" else "failed: HTTP 503"})
            )
        runs = [journal.run(run["id"]) for run in journal.runs()]
        return decisions_of(journal), alerts_of(journal), runs


def moved(alerts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the alerts as if they had been told while the account fell."""
    times = ("2026-01-01T02:31:00+00:00", "2026-01-01T01:10:00+00:00", "2026-01-01T04:01:00+00:00")
    oldest_first = sorted(alerts, key=lambda row: int(row["id"]))
    return [{**row, "at": at} for row, at in zip(oldest_first, times, strict=True)]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    """Return the story of a bad day."""
    decisions, alerts, runs = written(tmp_path_factory.mktemp("journal") / "journal.db")
    return guard_story(decisions, moved(alerts), runs, since=BEGAN - 600, until=BEGAN + 5 * 3600)


@pytest.fixture(scope="module")
def html(story: Story) -> str:
    """Return the report."""
    return guard_html(story, Footer("/home/me/journal.db", (42, "ab" * 32), "0.1.0"))


def test_a_story_has_what_the_journal_has(story: Story) -> None:
    """Accounts by name, decisions in their order, the run with promised and got, alerts with their deliveries."""
    main, spare = story.accounts
    (action,) = main.actions

    assert ("main", "spare") == (main.name, spare.name)
    assert [f"{health:.2f}" for health in (*FALL, 1.55)] == [f"{point.health:.2f}" for point in main.points]
    assert [None, "1.25"] == [None if point.health is None else f"{point.health:.2f}" for point in spare.points]
    assert (True, Decimal("1.501")) == (action.is_done, action.got_health)
    assert (Decimal("1.5"), BEGAN + 60 * 30 * (len(FALL) - 1)) == (action.promised_health, action.at)
    assert (Decimal(5), Decimal(6)) == (action.cost_expected, action.cost_got)
    assert ["MINED"] == [sent.state for sent in action.sent]
    assert [1, 1, 0] == [alert.reached for alert in story.alerts]
    assert ["1.3"] == [str(limit) for limit in main.limits]


def test_what_is_outside_the_time_is_left_out(tmp_path: Path) -> None:
    """Older and newer decisions and alerts are not told, nor the runs that only they led to."""
    decisions, alerts, runs = written(tmp_path / "journal.db")
    found = guard_story(decisions, moved(alerts), runs, since=BEGAN, until=BEGAN + 31 * 60)

    assert [("main", 2, 0), ("spare", 1, 0)] == [
        (one.name, len(one.decisions), len(one.actions)) for one in found.accounts
    ]
    assert () == found.alerts


def test_nothing_is_also_a_report() -> None:
    """Of a guard that decided nothing there is a page that says so."""
    page = guard_html(guard_story([], [], [], since=BEGAN, until=BEGAN + 60), Footer("j", (0, "00"), "0.1.0"))

    assert "no decision was written down" in page
    assert "Told: none" in page
    assert "<svg" not in page


def test_the_page_is_alone(html: str) -> None:
    """No script, no link, no picture, no font from anywhere; text from outside stays text."""
    assert not re.search(r"<script|<link|<img|<iframe|@import|url\(|\bsrc=|\bhref=|\bon\w+=", html)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "\x1b" not in html
    assert "default-src 'none'" in html
    assert len(html) < 200_000


def test_every_figure_is_in_a_table(html: str) -> None:
    """Pictures say nothing that the text does not: every health factor, reason, transaction and alert is in a row."""
    cells = re.findall(r"<td[^>]*>(.*?)</td>", html)

    for health in (*FALL, 1.55):
        assert f"{health:.3f}" in cells
    assert "act (urgent)" in cells
    assert "ops failed: HTTP 503" in cells
    assert any(cell.startswith("0x") and len(cell) == 66 for cell in cells)


def test_the_picture_is_drawn_as_told(html: str) -> None:
    """A line of all readings, a mark for each decision to act, the trigger, liquidation, the run, what was not read."""
    wide = html[html.index("<svg") : html.index("</svg>")]
    line = re.search(r'class="health" points="([^"]+)"', wide)

    assert line is not None
    xs = [float(point.split(",")[0]) for point in line[1].split()]
    assert len(FALL) + 1 == len(xs)
    assert all(left < right for left, right in pairwise(xs))
    assert 3 == wide.count('class="act"')
    assert 1 == wide.count('class="blind"')
    assert 1 == wide.count('class="action"')
    assert "trigger 1.3" in wide
    assert "liquidation below 1" in wide


@pytest.fixture(scope="module")
def shown() -> Iterator[Browser]:
    """Start a browser."""
    with browser() as started:
        yield started


@needs_browser
@pytest.mark.parametrize("width", [360, 1200])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_it(shown: Browser, html: str, tmp_path: Path, width: int, scheme: Scheme) -> None:
    """On a phone and on a desk, by day and by night: no complaint, nothing loaded, all text large and plain enough."""
    page = tmp_path / "report.html"
    page.write_text(html)
    shown.show(page, width=width, scheme=scheme)

    assert [] == shown.complaints
    assert [page.as_uri()] == shown.requested
    assert width >= shown.value("document.documentElement.scrollWidth")
    texts = shown.value(READABLE)
    assert len(texts) > 80
    assert [] == [text for text in texts if text["size"] < 12.5]
    assert [] == [text for text in texts if text["contrast"] < 4.5]
    for picture in shown.value(WORDS_OF_PICTURES):
        _assert_words_apart(picture)


def _assert_words_apart(picture: dict[str, Any]) -> None:
    """Assert that the words of a picture lie inside it and not on each other."""
    left, top, right, bottom = picture["frame"]
    for place, (words, box) in enumerate(picture["words"]):
        assert box[0] >= left - 1, words
        assert box[1] >= top - 1, words
        assert box[2] <= right + 1, words
        assert box[3] <= bottom + 1, words
        for others, other in picture["words"][:place]:
            apart = box[0] >= other[2] or other[0] >= box[2] or box[1] >= other[3] - 2 or other[1] >= box[3] - 2
            assert apart, f"{words!r} lies on {others!r}"
