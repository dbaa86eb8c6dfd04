"""One process of a trial: reads the account, protects it when it must, and ends; or ends itself at a boundary."""

from __future__ import annotations

import os
import resource
import signal
import sys
import time
import traceback

from defilev.cli.app import main as command
from defilev.errors import DefilevError
from tests.chaos import contact, naive, writing
from tests.chaos.job import UNEXPECTED, Job

__all__ = ["main", "run"]

ROLES = {"defilev": contact.protect, "naive": naive.protect, "writer": writing.protect}


def run(job: Job) -> int:
    """Do what the job says, and return the process's exit code: 0 when the account needs nothing more."""
    passed: list[str] = []

    def at(boundary: str) -> None:
        passed.append(boundary)
        sys.stderr.write(f"{time.monotonic():.3f} at {boundary}\n")
        if boundary == job.kill_at and passed.count(boundary) == job.kill_pass:
            os.kill(os.getpid(), signal.SIGKILL)

    if job.largest_file is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (job.largest_file, job.largest_file))
    signal.setitimer(signal.ITIMER_REAL, job.budget)
    try:
        if job.role == "command":
            os.environ["DEFILEV_JOURNAL"] = job.journal
            return command(list(job.words))
        ROLES[job.role](job, at)
    except DefilevError as error:
        sys.stderr.write(f"{type(error).__name__}: {error.fact} {error.facts}\nfix: {error.fix}\n")
        return error.exit_code
    except Exception:  # noqa: BLE001 - whatever escapes is what the trial must see
        traceback.print_exc()
        return UNEXPECTED
    return 0


def main() -> int:
    """Run the job on standard input."""
    return run(Job.from_json(sys.stdin.read()))


if __name__ == "__main__":
    sys.exit(main())
