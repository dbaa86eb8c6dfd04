"""A real Chromium without a window, driven through its debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import httpx
from websockets.sync.client import ClientConnection, connect

__all__ = ["MISSING", "Browser", "binary", "browser"]

MISSING = "no chromium on the PATH (Debian: apt-get install chromium)"
_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_SECONDS = 30


def binary() -> str | None:
    """Return the browser, `None` when there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


@dataclass
class Browser:
    """One tab; `complaints` are what the page wrote to the console or threw, `requested` the URLs that it loaded."""

    socket: ClientConnection
    complaints: list[str] = field(default_factory=list)
    requested: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def show(self, path: Path, *, width: int, scheme: Literal["light", "dark"]) -> None:
        """Show a file on a screen of that width, to somebody who prefers the light or the dark."""
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=width < 600)
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.complaints.clear()
        self.requested.clear()
        self.ask("Page.navigate", url=path.as_uri())
        self._until("Page.loadEventFired")
        time.sleep(0.2)
        self.value("document.readyState")

    def value(self, script: str) -> Any:
        """Return what a script comes to in the page."""
        answer = self.ask("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def picture(self, path: Path) -> None:
        """Write the whole page as PNG."""
        size = self.ask("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self.ask("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Return the browser's answer to one request."""
        number = next(self._numbers)
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = self._next()
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _until(self, event: str) -> None:
        while self._next().get("method") != event:
            pass

    def _next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.socket.recv(timeout=_SECONDS))
        parameters = message.get("params", {})
        if message.get("method") in ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded"):
            self.complaints.append(json.dumps(parameters))
        if message.get("method") == "Network.requestWillBeSent":
            self.requested.append(parameters["request"]["url"])
        return message


@contextmanager
def browser() -> Iterator[Browser]:
    """Start a browser, and end it afterwards."""
    found = binary()
    assert found is not None, MISSING
    with TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = subprocess.Popen(
            [found, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-port=0", f"--user-data-dir={folder}", "about:blank"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        try:
            port = _port(Path(folder) / "DevToolsActivePort", process)
            pages = httpx.get(f"http://127.0.0.1:{port}/json/list").json()
            tab = next(page for page in pages if page["type"] == "page")
            with connect(tab["webSocketDebuggerUrl"], max_size=None, proxy=None) as socket:
                yield Browser(socket)
        finally:
            process.terminate()
            process.wait()


def _port(path: Path, process: subprocess.Popen[bytes]) -> int:
    """Wait for the browser to say where it listens."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        assert process.poll() is None, "the browser ended"
        if path.exists() and (lines := path.read_text().split()):
            return int(lines[0])
        time.sleep(0.05)
    raise AssertionError("the browser does not listen")
