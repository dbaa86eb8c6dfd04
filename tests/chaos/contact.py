"""The only place where the trials touch defilev's pipeline: what a careful automation would call, in its order."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from defilev.config.loading import load_settings
from defilev.execute.policy import Policy
from defilev.execute.remote_signer import RemoteSigner
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.request import Address
from defilev.pipeline.acting import policy_of, try_again
from defilev.pipeline.journalled import ready_to_act
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.units import WAD
from tests.chaos.job import Job

__all__ = ["connected", "look", "policy", "protect", "warm_up"]

At = Callable[[str], None]
PROTOCOL = "aave-v3"
MARKET = "main"


def warm_up() -> None:
    """Import what is imported only when it is used, so that processes which are forked have it."""
    for name in ("alembic.command", "eth_account", "httpx", "sqlalchemy.dialects.sqlite"):
        import_module(name)


def protect(job: Job, at: At) -> None:
    """Finish what an earlier process left; then bring the account to its target when it is below its trigger.

    Raises:
        DefilevError: it did not come to that, and says why; a supervisor starts the process again.
    """
    session = connected(job)
    owner = Address(job.owner)
    with ready_to_act(session, account=owner) as ready:
        session = session.at("latest")
        account = look(session, job)
        at("observed")
        if is_safe(account, job):
            return
        plan = make_plan(session, account, _question(session, job))
        at("planned")
        retried = try_again(session, plan, engine="simulate-v1")
        at("simulated")
        signer = RemoteSigner.connect(Path(job.signer), owner=owner)
        ready.send(retried, plan, signer, on_progress=lambda _, event: at(type(event).__name__))
        at("finished")


def is_safe(account: LendingAccount, job: Job) -> bool:
    """Tell whether nothing needs to be done."""
    return account.health_factor is None or account.health_factor >= Decimal(job.trigger) * WAD


def look(session: Session, job: Job) -> LendingAccount:
    """Read the account at the session's block."""
    return read_account(session, Address(job.owner), protocol=PROTOCOL, market=MARKET)


def policy(session: Session, account: LendingAccount) -> Policy:
    """Return what this machine lets be signed for the account."""
    return policy_of(session, account)


def connected(job: Job) -> Session:
    """Connect to the job's node."""
    flags = {
        "rpc_url": job.rpc_urls[0],
        "address_book": [job.address_book],
        "journal": job.journal,
        "timeout": job.timeout,
    }
    return connect(load_settings(flags, config=None, profile=None).values)


def _question(session: Session, job: Job) -> PlanQuestion:
    settings = session.settings
    return PlanQuestion(
        goal=Goal("health-factor", Decimal(job.target)),
        max_slippage=settings.max_slippage,
        floor=settings.floor,
        window=settings.expires,
    )
