"""`defilev rebalance --resume`: what of a run that stopped halfway is open, and what is left to plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from defilev.errors import AttemptOpen, Refused
from defilev.pipeline.loans import read_loan
from defilev.plan.inputs import Divergence

if TYPE_CHECKING:
    from defilev.cli.output import Output
    from defilev.execute.desk import Progress
    from defilev.execute.signer import Signer
    from defilev.model.request import Address
    from defilev.pipeline.planning import PlanQuestion
    from defilev.pipeline.session import Session
    from defilev.pipeline.unfinished import Unfinished

__all__ = ["Rest"]


@dataclass(frozen=True, slots=True)
class Rest:
    """The position whose last run is to be finished."""

    out: Output
    owner: Address
    protocol: str
    market: str | None

    def looked_up(self, session: Session) -> PlanQuestion | None:
        """Return what is left to plan, without changing anything; `None` when nothing is.

        Raises:
            AttemptOpen: a transaction is still on its way, and a dry run brings nothing in.
            Refused: no run of the position stopped halfway.
        """
        from defilev.journal import open_for_reading, place_of
        from defilev.pipeline.recording import chain_identity
        from defilev.pipeline.unfinished import find_unfinished

        account = read_loan(session, self.owner, protocol=self.protocol, market=self.market)
        journal = open_for_reading(place_of(session.settings.journal))
        if journal is None:
            raise self._nothing()
        chain = chain_identity(session)
        with journal:
            on_the_way = [
                each
                for each in journal.open_attempts(chain=chain, account=self.owner)
                if each.sent_count and not each.included_in
            ]
            if on_the_way:
                raise AttemptOpen(
                    f"journal #{on_the_way[0].run} sent a transaction that it did not see included",
                    fix="add --broadcast: it is brought in, or cancelled, before anything else",
                    transaction=on_the_way[0].hash,
                )
            found = find_unfinished(
                journal, session.node, chain=chain, owner=self.owner, protocol=self.protocol, market=account.market
            )
        return self._question(session, found, is_over=found is not None and found.is_over(account))

    def taken_up(
        self, session: Session, *, open_signer: Callable[[], Signer], tell: Progress
    ) -> tuple[PlanQuestion | None, Session]:
        """Bring in what is open; return what is left to plan, `None` when nothing is, at the newest block."""
        from defilev.pipeline.journalled import ready_to_take_up

        market = read_loan(session, self.owner, protocol=self.protocol, market=self.market).market
        with ready_to_take_up(session, account=self.owner, open_signer=open_signer, tell=tell) as ready:
            newest = session.at("latest")
            account = read_loan(newest, self.owner, protocol=self.protocol, market=market)
            found = ready.unfinished(newest, owner=self.owner, protocol=self.protocol, market=market)
            is_over = found is not None and found.is_over(account)
            if found is not None and is_over:
                ready.journal.stop(found.run, "taken up again: its goal is reached", stage="DONE")
        return self._question(newest, found, is_over=is_over), newest

    def _question(self, session: Session, found: Unfinished | None, *, is_over: bool) -> PlanQuestion | None:
        if found is None:
            raise self._nothing()
        done = f"{len(found.done)} of {len(found.plan.steps)} steps of journal #{found.run} are on the chain"
        if is_over:
            self.out.note(f"{done}, and its goal is reached: nothing is left to do")
            return None
        self.out.note(f"{done}; the rest is planned anew from here")
        divergence = Divergence.within(session.settings.max_divergence)
        return replace(found.question(window=session.settings.expires), divergence=divergence)

    def _nothing(self) -> Refused:
        return Refused(
            "no run of this position stopped halfway",
            fix="`defilev journal ls` lists the runs; give a goal in place of --resume",
            position=f"{self.owner} {self.protocol} {self.market or ''}".strip(),
        )
