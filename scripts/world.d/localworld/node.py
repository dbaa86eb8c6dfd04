"""Start and stop an anvil process, and know one's own."""

import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from localworld.errors import WorldError
from localworld.fetch import anvil_binary
from localworld.rpc import Rpc

LISTENING = re.compile(r"Listening on (127\.0\.0\.1:\d+)")
START_DEADLINE = 30.0
STOP_DEADLINE = 5.0


def start(options: Sequence[str], *, log: Path, home: Path) -> tuple[subprocess.Popen[bytes], str]:
    """Start anvil with a HOME of its own; return the process and its URL once it listens.

    Raises:
        WorldError: it ended, or did not listen in time.
    """
    home.mkdir(parents=True, exist_ok=True)
    environment = {name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ}
    command = [str(anvil_binary()), "--host", "127.0.0.1", *options]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, "HOME": str(home)},
            start_new_session=True,
        )
    try:
        return process, _wait_for_url(process, log)
    except BaseException:
        process.kill()
        process.wait()
        raise


@contextmanager
def temporary(options: Sequence[str]) -> Iterator[Rpc]:
    """An anvil that lives as long as the block."""
    folder = Path(tempfile.mkdtemp(prefix="localworld-"))
    try:
        process, url = start(["--port", "0", *options], log=folder / "anvil.log", home=folder / "home")
        rpc = Rpc(url)
        try:
            yield rpc
        finally:
            rpc.close()
            process.terminate()
            process.wait(STOP_DEADLINE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def stop(pid: int, *, marker: Path) -> bool:
    """Stop the anvil with this pid when it is the one that carries the marker; say whether it ran."""
    if not is_running(pid, marker=marker):
        return False
    for sign, patience in ((signal.SIGTERM, STOP_DEADLINE), (signal.SIGKILL, STOP_DEADLINE)):
        os.kill(pid, sign)
        deadline = time.monotonic() + patience
        while time.monotonic() < deadline:
            if not is_running(pid, marker=marker):
                return True
            time.sleep(0.02)
    raise WorldError(f"anvil (pid {pid}) does not stop", fix=f"end process {pid} by hand")


def is_running(pid: int, *, marker: Path) -> bool:
    """Whether the process lives and is the anvil that was started with this marker."""
    return str(marker) in _command_line(pid)


def _command_line(pid: int) -> str:
    """The command line of a process; empty when it has ended."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        try:
            return proc.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            return ""
    command = ["ps", "-ww", "-p", str(pid), "-o", "command="]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def _wait_for_url(process: subprocess.Popen[bytes], log: Path) -> str:
    deadline = time.monotonic() + START_DEADLINE
    while time.monotonic() < deadline:
        found = LISTENING.search(log.read_text(errors="replace"))
        if found:
            return f"http://{found.group(1)}"
        if process.poll() is not None:
            raise _ended(log.read_text(errors="replace"))
        time.sleep(0.005)
    raise WorldError(f"anvil did not listen within {START_DEADLINE:.0f} s", fix="run it again; read anvil.log")


def _ended(log: str) -> WorldError:
    if "Address already in use" in log or "os error 98" in log or "os error 48" in log:
        return WorldError("the port is taken", fix="choose another --port, or leave it out for a free one")
    tail = " ".join(log.split())[-300:]
    return WorldError(f"anvil ended at once: {tail}", fix="run `scripts/world build`, then `scripts/world up`")
