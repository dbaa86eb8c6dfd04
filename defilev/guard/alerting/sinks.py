"""Where alerts go. A sink raises `NotDelivered` with a reason that names no secret, and nothing else."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TextIO

from defilev.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    import httpx

__all__ = ["AppriseSink", "LogSink", "Message", "NotDelivered", "PingSink", "Sink", "WebhookSink"]

PATIENCE = 5.0
"""Seconds for connecting, and for each pause of an answer."""


class NotDelivered(Exception):
    """An alert did not arrive; its text says why."""


@dataclass(frozen=True, slots=True)
class Message:
    """An alert that is to be sent: on one line, with all its facts, and as a `defilev/alert@1` document."""

    sentence: str
    document: dict[str, Any]

    @property
    def body(self) -> str:
        """The facts, one on each line."""
        return "\n".join(f"{fact['name'].replace('_', ' ')}: {fact['value']}" for fact in self.document["facts"])


class Sink(Protocol):
    """Takes messages; may be called by one thread while another call of it has not ended."""

    def send(self, message: Message) -> None:
        """Hand over a message; raises `NotDelivered`."""
        ...


@dataclass(frozen=True, slots=True)
class LogSink:
    """Writes a line to a stream: words for people, or the document for programs."""

    stream: TextIO
    is_json: bool = False

    def send(self, message: Message) -> None:
        """Write the line."""
        facts = f" ({message.body})".replace("\n", ", ") if message.body else ""
        line = json.dumps(message.document, ensure_ascii=False) if self.is_json else message.sentence + facts
        try:
            self.stream.write(line + "\n")
            self.stream.flush()
        except (OSError, ValueError) as error:
            raise NotDelivered(f"the log cannot be written: {type(error).__name__}") from None


class WebhookSink:
    """Posts the document to a URL, which must answer with a status of success; follows no redirection."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = _client()

    def send(self, message: Message) -> None:
        """Post the document."""
        _asked(self._client, "POST", self._url, json=message.document)


class AppriseSink:
    """Hands messages to one of the services that `apprise` knows: Telegram, Slack, e-mail and many others.

    Raises:
        ExtraMissing: apprise is not installed.
        UsageError: it knows no service of that URL.
    """

    def __init__(self, url: str, *, name: str) -> None:
        try:
            import apprise
        except ModuleNotFoundError:
            raise ExtraMissing("sinks of kind apprise need apprise", fix="pip install 'defilev[alerts]'") from None
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)  # it would log URLs
        self._apprise = apprise.Apprise()
        if not self._apprise.add(url):
            raise UsageError(
                f"apprise knows no service of the URL of the sink {name}", fix="see the services that apprise lists"
            )

    def send(self, message: Message) -> None:
        """Notify."""
        kinds = {"info": "info", "warning": "warning", "critical": "failure"}
        try:
            taken = self._apprise.notify(
                title=message.sentence,
                body=message.body or message.sentence,
                notify_type=kinds[message.document["severity"]],
            )
        except Exception as error:  # noqa: BLE001 - a hundred services raise what they like
            raise NotDelivered(f"the service failed: {type(error).__name__}") from None
        if not taken:
            raise NotDelivered("the service did not take it")


class PingSink:
    """Asks for a URL, and sends nothing of the message: whoever watches the URL learns that the guard is alive."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = _client()

    def send(self, message: Message) -> None:
        """Ask for the URL."""
        del message
        _asked(self._client, "GET", self._url)


def _client() -> httpx.Client:
    import httpx

    return httpx.Client(timeout=PATIENCE, headers={"User-Agent": "defilev"})


def _asked(client: httpx.Client, method: str, url: str, **content: Any) -> None:
    import httpx

    try:
        with client.stream(method, url, **content) as answer:
            status = answer.status_code
    except httpx.TimeoutException:
        raise NotDelivered(f"no answer within {PATIENCE:.0f} s") from None
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise NotDelivered(f"no connection: {type(error).__name__}") from None
    if not 200 <= status < 300:
        raise NotDelivered(f"HTTP {status}")
