"""Starts processes that have everything imported already: a trial must not spend its time on `import`.

Served by `python -m tests.chaos.zygote`: each line on its standard input is a job, which a process of its own does, by
`fork`. Each line on its standard output tells of one: its number and process id, and later how it ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos import actor, contact
from tests.chaos.job import UNEXPECTED, Job

__all__ = ["Started", "Zygote"]

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Started:
    """A process that was started; `code` is its exit code, below zero for the signal that ended it."""

    pid: int = 0
    code: int | None = None
    _born: threading.Event = field(default_factory=threading.Event)
    _ended: threading.Event = field(default_factory=threading.Event)

    def hear(self, told: dict[str, Any]) -> None:
        """Take note of what the zygote says."""
        if "pid" in told:
            self.pid = told["pid"]
            self._born.set()
        else:
            self.code = told["code"]
            self._ended.set()

    def wait(self, seconds: float) -> int | None:
        """Wait for its end and return its exit code, `None` when it has not ended by then."""
        self._ended.wait(seconds)
        return self.code

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, unless it has ended."""
        self._born.wait(10)
        if self.code is None:
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return

    def kill(self) -> None:
        """End it without warning."""
        self.signal(signal.SIGKILL)


class Zygote:
    """The process that forks; its own environment holds nothing but what is named here."""

    def __init__(self, *, log: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "HOME": str(log.parent)}
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.chaos.zygote"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=output, text=True, bufsize=1, cwd=log.parent, env=environment,
            )  # fmt: skip
        self._started: list[Started] = []
        self._reader = threading.Thread(target=self._listen, daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        """The zygote's own process."""
        return self._process.pid

    def start(self, job: Job) -> Started:
        """Start a process."""
        started = Started()
        self._started.append(started)
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"number": len(self._started) - 1, "job": job.to_json()}) + "\n")
        return started

    def close(self) -> None:
        """End every process that still runs, and the zygote."""
        for started in self._started:
            if started.code is None:
                started.kill()
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(10)
        self._reader.join(10)
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            told = json.loads(line)
            self._started[told["number"]].hear(told)


def serve() -> None:
    """Fork for each job until standard input ends."""
    contact.warm_up()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while line := sys.stdin.readline():
        told = json.loads(line)
        if os.fork() == 0:
            _watch(told["number"], Job.from_json(told["job"]))


def _watch(number: int, job: Job) -> None:
    """Fork once more, tell of the child, wait for it, tell how it ended; never returns."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child == 0:
        _become(job)
    _tell({"number": number, "pid": child})
    _, status = os.waitpid(child, 0)
    _tell({"number": number, "code": os.waitstatus_to_exitcode(status)})
    os._exit(0)


def _become(job: Job) -> None:
    """Be the job's process; never returns."""
    code = UNEXPECTED
    try:
        log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(log, 1)
        os.dup2(log, 2)
        os.setsid()
        code = actor.run(job)
    finally:
        sys.stderr.flush()
        os._exit(code)


def _tell(told: dict[str, int]) -> None:
    os.write(1, json.dumps(told).encode() + b"\n")


if __name__ == "__main__":
    serve()
