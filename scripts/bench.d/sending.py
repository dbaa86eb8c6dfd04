"""Measures the time from a decision, a plan that was just tried, until its first transaction is handed to the node."""

from __future__ import annotations

import tempfile
import time
from decimal import Decimal
from pathlib import Path
from statistics import median
from typing import Any

from defilev.config.loading import load_settings
from defilev.execute.password import read_password_file
from defilev.execute.sending import Boundary, Sending
from defilev.execute.signer import KeystoreSigner
from defilev.model.execution import Remark, SentStep, SignedStep
from defilev.model.plan import Goal, Step
from defilev.pipeline.acting import try_again
from defilev.pipeline.journalled import Ready, ready_to_act
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect

TIMES = 9
WHO = "comfortable"
QUESTION = PlanQuestion(Goal("health-factor", Decimal("2.2")), Decimal("0.005"), Decimal("1.02"), 600)


class HandedOver(BaseException):
    """The transaction would go out now."""


def measure(world: dict[str, Any]) -> dict[str, Any]:
    """Return the median over several decisions in one warm process, with a journal on the disk."""
    account = next(entry for entry in world["accounts"] if entry["name"] == WHO)
    password = read_password_file(Path(account["password_file"]))
    signer = KeystoreSigner.unlock(Path(account["keystore"]), password=password, owner=account["address"])
    flags = {"rpc_url": world["rpc_url"], "address_book": [world["address_book"]]}
    settings = load_settings(flags, config=None, profile=None).values
    with tempfile.TemporaryDirectory(prefix="defilev-bench-") as folder:
        session = connect(settings.model_copy(update={"journal": str(Path(folder) / "journal.db")}))
        with ready_to_act(session, account=signer.address) as ready:
            taken = [once(ready, session, signer) for _ in range(TIMES + 1)]
        session.close()
    return {"decision_to_broadcast": {"figure": round(median(taken[1:]) * 1000, 1), "unit": "ms"}}


def once(ready: Ready, session: Session, signer: KeystoreSigner) -> float:
    """Decide, and return the seconds until the first transaction would be handed over; nothing is sent."""
    account = read_account(session, signer.address, protocol="aave-v3", market="main")
    plan = make_plan(session, account, QUESTION)
    retried = try_again(session, plan)
    started = time.perf_counter()
    try:
        ready.send(retried, plan, signer, tell=_nobody, sending=Sending(confirmations=0, at=_stop))
    except HandedOver:
        taken = time.perf_counter() - started
        for attempt in ready.journal.open_attempts():
            if attempt.state == "SIGNED":
                ready.journal.release(attempt.intent, why="nothing was sent")
        return taken
    raise AssertionError("nothing was handed over")


def _stop(boundary: Boundary) -> None:
    if boundary == "handing_over":
        raise HandedOver


def _nobody(step: Step, event: SignedStep | SentStep | Remark) -> None:
    del step, event
