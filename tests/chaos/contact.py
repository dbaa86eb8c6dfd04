"""The only place where the trials touch defilev's pipeline: what a careful automation would call, in its order."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from defilev.config.loading import load_settings
from defilev.execute.policy import Policy
from defilev.execute.remote_signer import RemoteSigner
from defilev.execute.sending import Sending
from defilev.execute.signer import Signer
from defilev.model.account import LendingAccount
from defilev.model.plan import Goal
from defilev.model.request import Address
from defilev.pipeline.acting import policy_of, require_promise, try_again
from defilev.pipeline.agreeing import agree
from defilev.pipeline.journalled import Ready, ready_to_take_up
from defilev.pipeline.look import read_account
from defilev.pipeline.planning import PlanQuestion, make_plan
from defilev.pipeline.session import Session, connect
from defilev.units import WAD
from tests.chaos.job import Job

__all__ = ["connected", "look", "policy", "protect", "warm_up"]

At = Callable[[str], None]
PROTOCOL = "aave-v3"
MARKET = "main"
GWEI = 10**9
USED_LATER = (
    "alembic.command", "Crypto.Cipher._mode_ctr", "Crypto.Protocol.KDF", "encodings.idna", "eth_account",
    "eth_hash.backends.pycryptodome", "eth_keyfile.keyfile", "httpcore", "httpx", "importlib.resources.readers",
    "sqlalchemy.dialects.sqlite",
)  # fmt: skip


def warm_up() -> None:
    """Import what is imported only when it is used, so that processes which are forked have it."""
    for name in USED_LATER:
        import_module(name)


def protect(job: Job, at: At) -> None:
    """Finish what an earlier process left; then bring the account to its target when it is below its trigger.

    Raises:
        DefilevError: it did not come to that, and says why; a supervisor starts the process again.
    """
    session = connected(job)
    owner = Address(job.owner)
    sending = _sending(job, at)

    def signer() -> Signer:
        return RemoteSigner.connect(Path(job.signer), owner=owner)

    with ready_to_take_up(session, account=owner, open_signer=signer, tell=lambda *_: None, sending=sending) as ready:
        agreement = agree(session, owner, protocol=PROTOCOL, market=MARKET)
        session, account = session.through(agreement.nodes).at(agreement.block), agreement.account
        question = _question(ready, session, account, job)
        if question is None:
            return
        plan = make_plan(session, account, question)
        retried = try_again(session, plan, engine="simulate-v1")
        outcome, _ = ready.send(retried, plan, signer(), tell=lambda *_: None, sending=sending)
    require_promise(outcome)


def look(session: Session, job: Job) -> LendingAccount:
    """Read the account at the session's block."""
    return read_account(session, Address(job.owner), protocol=PROTOCOL, market=MARKET)


def policy(session: Session, account: LendingAccount) -> Policy:
    """Return what this machine lets be signed for the account."""
    return policy_of(session, account)


def connected(job: Job) -> Session:
    """Connect to the job's node."""
    flags = {
        "rpc_url": list(job.rpc_urls),
        "address_book": [job.address_book],
        "journal": job.journal,
        "timeout": job.timeout,
    }
    return connect(load_settings(flags, config=None, profile=None).values)


def _question(ready: Ready, session: Session, account: LendingAccount, job: Job) -> PlanQuestion | None:
    """Return what is to be planned: the rest of a run that stopped halfway, a new one, or nothing."""
    settings = session.settings
    unfinished = ready.unfinished(session, owner=account.owner, protocol=PROTOCOL, market=MARKET)
    if unfinished is not None and not unfinished.is_over(account):
        return unfinished.question(window=settings.expires)
    if account.health_factor is None or account.health_factor >= Decimal(job.trigger) * WAD:
        return None
    return PlanQuestion(
        goal=Goal("health-factor", Decimal(job.target)),
        max_slippage=settings.max_slippage,
        floor=settings.floor,
        window=settings.expires,
    )


def _sending(job: Job, at: At) -> Sending:
    """Return a schedule for blocks that come several times a second."""
    usual = Sending(
        timeout=job.budget,
        refused_timeout=job.budget,
        pause=0.05,
        rebroadcast_after=0.5,
        first_raise=0.8,
        next_raise=0.5,
        foreign_after=1.0,
        fee_cap=1000 * GWEI,
        at=at,
    )
    return replace(usual, **job.sending)
