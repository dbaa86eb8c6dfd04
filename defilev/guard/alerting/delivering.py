"""Hands a message to several sinks at once, and waits for none of them longer than the guard can afford."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from queue import Empty, Queue
from threading import Thread

from defilev.guard.alerting.sinks import Message, NotDelivered, Sink
from defilev.model.guard import Alert
from defilev.report.alert_json import alert_document, alert_sentence

__all__ = ["SENT", "deliver", "message_of", "try_out"]

SENT = "sent"
DEADLINE = 8.0
"""Seconds that a delivery may take; what has not answered by then may arrive yet."""


def message_of(alert: Alert, *, state: str, at: int, held_back: int = 0) -> Message:
    """Return the message that tells an alert, which is redacted already."""
    document = alert_document(alert, state=state, at=at, host=socket.gethostname(), held_back=held_back)
    return Message(alert_sentence(alert, state=state), document)


def deliver(message: Message, sinks: Mapping[str, Sink], *, deadline: float = DEADLINE) -> dict[str, str]:
    """Return by sink `sent`, or why it is not known to have arrived. Raises nothing, whatever a sink does."""
    results: Queue[tuple[str, str]] = Queue()
    for name, sink in sinks.items():
        Thread(target=_send, args=(name, sink, message, results.put), daemon=True, name=f"alert {name}").start()
    found = dict.fromkeys(sinks, f"failed: no answer within {deadline:.0f} s")
    until = time.monotonic() + deadline
    for _ in sinks:
        try:
            name, said = results.get(timeout=max(0.0, until - time.monotonic()))
        except Empty:
            break
        found[name] = said
    return found


def try_out(sinks: Mapping[str, Sink]) -> dict[str, str]:
    """Send every sink an alert that says that it is a test, whatever the rules of silence; return what came of it."""
    alert = Alert("info", "test", None, "this is a test of the guard's alerts; nothing is the matter")
    return deliver(message_of(alert, state="raised", at=int(time.time())), sinks)


def _send(name: str, sink: Sink, message: Message, put: Callable[[tuple[str, str]], None]) -> None:
    try:
        sink.send(message)
        said = SENT
    except NotDelivered as error:
        said = f"failed: {error}"
    except Exception as error:  # noqa: BLE001 - a defect of a sink must not cost an alert of the others
        said = f"failed: {type(error).__name__}"
    put((name, said))
