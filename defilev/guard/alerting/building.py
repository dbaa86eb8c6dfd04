"""Sinks from their rules; the URLs are read from where they are kept, and go nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TextIO

from defilev.chain.redaction import checked_url
from defilev.errors import ConfigurationError, KeystoreInvalid
from defilev.execute.private_file import read_private
from defilev.guard.alerting.sinks import AppriseSink, LogSink, PingSink, Sink, WebhookSink
from defilev.model.alerting import AlertRules, SinkRule, UrlPlace

__all__ = ["built", "built_heartbeat"]


def built(
    rules: AlertRules, *, environment: Mapping[str, str] | None = None, log: TextIO | None = None, is_json: bool = False
) -> dict[str, Sink]:
    """Return the sinks by name; logs are written to stderr unless another stream is given.

    Raises:
        KeystoreInsecure, KeystoreInvalid: the file of a URL cannot be read, or others can read it.
        ConfigurationError: a URL is none, or there are no systemd credentials.
        ExtraMissing: a sink is of kind apprise, which is not installed.
        UsageError: apprise does not know the service.
    """
    variables = os.environ if environment is None else environment
    stream = log or sys.stderr
    return {
        rule.name: LogSink(stream, is_json=is_json) if rule.kind == "log" else _sink(rule, variables)
        for rule in rules.sinks
    }


def built_heartbeat(rules: AlertRules, *, environment: Mapping[str, str] | None = None) -> Sink | None:
    """Return what asks for the heartbeat's URL, `None` when the rules name none; raises as `built` does."""
    if rules.heartbeat is None:
        return None
    variables = os.environ if environment is None else environment
    what = "the URL of the heartbeat"
    return PingSink(_http(_read_url(rules.heartbeat.url, environment=variables, what=what), what))


def _read_url(place: UrlPlace, *, environment: Mapping[str, str], what: str) -> str:
    if place.credential is not None:
        folder = environment.get("CREDENTIALS_DIRECTORY")
        if folder is None:
            raise ConfigurationError(
                f"{what} is the credential {place.credential}, and systemd has given none",
                fix=f"start it as a unit with LoadCredential={place.credential}:FILE, or use url_file",
            )
        path = Path(folder) / place.credential
        try:
            return path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise KeystoreInvalid(f"{what} cannot be read: {type(error).__name__}", fix=f"check {path}") from None
    content = read_private(Path(place.file or "").expanduser(), what=what)
    return content.decode("utf-8", errors="replace").strip()


def _sink(rule: SinkRule, environment: Mapping[str, str]) -> Sink:
    what = f"the URL of the sink {rule.name}"
    assert rule.url is not None  # noqa: S101 - rules without one are refused when they are read
    url = _read_url(rule.url, environment=environment, what=what)
    if rule.kind == "apprise":
        return AppriseSink(url, name=rule.name)
    return WebhookSink(_http(url, what))


def _http(url: str, what: str) -> str:
    try:
        return checked_url(url)
    except ConfigurationError:
        raise ConfigurationError(f"{what} is not an http or https URL with a host", fix="correct its file") from None
