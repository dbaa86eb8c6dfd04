"""The `[alerts]` table: what it says, what is refused, and which alerts are told when."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import ValidationError

from defilev.config.alert_tables import AlertsTable
from defilev.guard.alerting.quieting import Told, about, stands
from defilev.guard.alerting.redaction import redacted
from defilev.model.alerting import SEVERITIES, AlertRules, HeartbeatRule, QuietRule, SinkRule, UrlPlace
from defilev.model.guard import Alert, Severity

WHOLE = """
escalate_after = "10m"
cool_down = { warning = "30m", critical = "5m" }

[[sink]]
name = "ops"
kind = "webhook"
url_file = "~/.config/defilev/ops-url"
least = "warning"

[[sink]]
name = "phone"
kind = "apprise"
credential = "phone-url"
only_escalated = true

[[quiet]]
kinds = ["trigger-cleared"]
accounts = ["main"]
between = "22:00-07:00"

[heartbeat]
credential = "heartbeat-url"
every = "5m"
"""
NIGHT = QuietRule("critical", between=(22 * 60, 7 * 60))
MIDNIGHT = 86_400 * 20_000


def an_alert(
    severity: Severity = "warning", kind: str = "trigger-fired", text: str = "health is 1.2", **more: Any
) -> Alert:
    """Return an alert about the account main."""
    return Alert(severity, kind, more.pop("account", "main"), text, **more)


def rules(text: str) -> AlertRules:
    """Return what a table says."""
    return AlertsTable.model_validate(tomllib.loads(text)).rules()


def test_a_whole_table_is_read() -> None:
    """Every key has its meaning; durations are seconds, times are minutes of the day."""
    expected = AlertRules(
        sinks=(
            SinkRule("ops", "webhook", UrlPlace(file="~/.config/defilev/ops-url"), "warning"),
            SinkRule("phone", "apprise", UrlPlace(credential="phone-url"), only_escalated=True),
        ),
        quiet=(QuietRule("critical", ("trigger-cleared",), ("main",), (22 * 60, 7 * 60)),),
        cool_down={"info": 21_600, "warning": 1800, "critical": 300},
        escalate_after=600,
        heartbeat=HeartbeatRule(UrlPlace(credential="heartbeat-url"), 300),
    )

    assert expected == rules(WHOLE)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[sink]]\nname='ops'\nkind='webhook'", "needs one of"),
        ("[[sink]]\nname='ops'\nkind='webhook'\nurl_file='a'\ncredential='b'", "needs one of"),
        ("[[sink]]\nname='ops'\nkind='webhook'\nurl='https://host/key'", "url"),
        ("[[sink]]\nname='ops'\nkind='log'\nurl_file='a'", "a log has no URL"),
        ("[[sink]]\nname='ops'\nkind='log'\n[[sink]]\nname='ops'\nkind='log'", "two sinks are called ops"),
        ("[[sink]]\nname='a b'\nkind='log'", "name"),
        ("[[sink]]\nname='ops'\nkind='pigeon'", "kind"),
        ("[[quiet]]\nbetween='25:00-07:00'", "22:00-07:00"),
        ("[[quiet]]\nbelow='info'", "nothing is below info"),
        ("[heartbeat]\nevery='1m'", "needs one of"),
        ("escalate_after = '1s'", "greater than or equal to 60"),
        ("cool_down = { critical = '2h' }", "less than or equal to 3600"),
        ("cooldown = '1h'", "cooldown"),
        ("[[sink]]\nname='ops'\nkind='webhook'\ncredential='../x'", "credential"),
    ],
)
def test_nonsense_is_refused(text: str, said: str) -> None:
    """A sink without an address, one with an address in plain sight, silence about what is critical, unknown keys."""
    with pytest.raises(ValidationError, match=said):
        rules(text)


@pytest.mark.parametrize(("sinks", "expected"), [((), False), (("log",), False), (("log", "webhook"), True)])
def test_a_log_reaches_nobody(sinks: tuple[str, ...], *, expected: bool) -> None:
    """A guard can tell whether a critical alert would wake anybody."""
    chosen = tuple(SinkRule(kind, kind) for kind in sinks)  # type: ignore[arg-type]

    assert expected == AlertRules(sinks=chosen).reaches_people
    assert not AlertRules(sinks=(SinkRule("phone", "apprise", only_escalated=True),)).reaches_people


@pytest.mark.parametrize(
    ("hour", "quiet"), [(21.99, False), (22, True), (23.99, True), (0, True), (6.99, True), (7, False), (12, False)]
)
def test_a_night_goes_over_midnight(hour: float, *, quiet: bool) -> None:
    """The first minute is of it, the last is not."""
    assert quiet == NIGHT.covers(an_alert(), minute=int(hour * 60))


@given(st.integers(0, 24 * 60 - 1), st.sampled_from(SEVERITIES[1:]), st.integers(0, 1439), st.integers(0, 1439))
def test_what_is_critical_is_always_told(minute: int, below: Severity, begins: int, ends: int) -> None:
    """No rule of silence covers a critical alert, at any time."""
    assert not QuietRule(below, between=(begins, ends)).covers(an_alert("critical"), minute=minute)
    assert not QuietRule(below).covers(an_alert("critical"), minute=minute)


@pytest.mark.parametrize(
    ("alert", "quiet"),
    [
        (an_alert("info"), True),
        (an_alert("warning"), False),
        (an_alert("info", kind="acting"), False),
        (an_alert("info", account="other"), False),
        (an_alert("info", account=None), False),
    ],
)
def test_silence_is_about_kinds_and_accounts(alert: Alert, *, quiet: bool) -> None:
    """Only what matches all that a rule names is not told."""
    rule = QuietRule("warning", kinds=("trigger-fired",), accounts=("main",))

    assert quiet == rule.covers(alert, minute=0)


def test_the_same_thing_is_told_again_after_its_cool_down() -> None:
    """Before that it is not, whatever its figures are; a more severe one is told at once."""
    at = MIDNIGHT + 12 * 3600
    limits = AlertRules()
    last = Told(at, "warning")

    assert "raised" == stands(an_alert(), None, limits, now=at)
    assert stands(an_alert(), last, limits, now=at + 3599) is None
    assert "repeated" == stands(an_alert(), last, limits, now=at + 3600)
    assert "raised" == stands(an_alert("critical"), last, limits, now=at + 1)
    assert stands(an_alert("info"), last, limits, now=at + 3600) is None


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (an_alert(text="health is 1.2"), an_alert(text="health is 1.19"), True),
        (an_alert(text="health is 1.2"), an_alert(text="leverage is 1.2"), False),
        (an_alert(), an_alert(account="other"), False),
        (an_alert(), an_alert(kind="action-done"), False),
        (an_alert(kind="action-done", text="repaid 5"), an_alert(kind="action-done", text="repaid 6"), False),
        (an_alert(kind="sink-failed", text="not ops-1"), an_alert(kind="sink-failed", text="not ops-2"), False),
    ],
)
def test_figures_do_not_make_another_thing(one: Alert, other: Alert, *, same: bool) -> None:
    """A state with other figures is the same thing; two actions are two things."""
    assert same == (about(one) == about(other))


def test_alerts_hold_no_secret() -> None:
    """URLs lose what may be a key, what looks like a private key is masked, and hashes of transactions stay."""
    key, transaction = "ab" * 32, "0x" + "cd" * 32
    alert = an_alert(
        text=f"https://user:pass@node.example/v2/SECRETKEY failed with {key}\nand 0x{key}",
        facts=(("transactions", transaction), ("said", f"key {key}"), ("url", "wss://host/SECRETKEY?x=1")),
    )
    shown = redacted(alert)
    told = shown.text + str(shown.facts)

    assert "SECRETKEY" not in told
    assert "pass" not in told
    assert key not in told
    assert "\n" not in shown.text
    assert ("transactions", transaction) in shown.facts


def test_the_example_of_the_page_is_read(repository: Path) -> None:
    """What docs/alerts.md shows is a table that the rules take, with every kind of entry."""
    (example,) = re.findall(r"```toml\n(.*?)```", (repository / "docs" / "alerts.md").read_text(), re.DOTALL)
    found = AlertsTable.model_validate(tomllib.loads(example)["alerts"]).rules()

    assert ["ops", "phone"] == [sink.name for sink in found.sinks]
    assert found.heartbeat == HeartbeatRule(UrlPlace(file="~/.config/defilev/heartbeat-url"), 60)
    assert found.reaches_people
