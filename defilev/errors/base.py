"""What every error has, the groups, one for each thing that the caller must do next, and two that forbid to sign."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConditionBreached",
    "DataError",
    "Declined",
    "DefilevError",
    "KeyFailure",
    "NotConfirmed",
    "Refused",
    "SequencerDown",
    "SimulationFailed",
    "TokenMisbehaves",
    "UsageError",
]


class DefilevError(Exception):
    """A failure with a fact, its numbers and an instruction.

    Args:
        fact: one sentence, without a full stop at its end, that says what is so.
        fix: one instruction; the class's own is used when it is left out.
        facts: the numbers and names behind the fact, in the order in which they are shown.
    """

    exit_code: ClassVar[int] = 1
    default_fix: ClassVar[str] = "report this with the command and its output"

    def __init__(self, fact: str, *, fix: str | None = None, **facts: object) -> None:
        super().__init__(fact)
        self.fact = fact
        self.fix = fix or self.default_fix
        self.facts = facts
        self.add_note(f"fix: {self.fix}")


class UsageError(DefilevError):
    """The command or a value in it is wrong."""

    exit_code = 2
    default_fix = "see the command's --help"


class Declined(DefilevError):
    """The user answered no."""

    exit_code = 3
    default_fix = "run it again when you are ready"


class DataError(DefilevError):
    """The chain's data is unavailable or inconsistent."""

    exit_code = 4
    default_fix = "run `defilev doctor`"


class ConditionBreached(DefilevError):
    """A condition that the user asked for does not hold."""

    exit_code = 5


class SimulationFailed(DefilevError):
    """A simulated step reverted or a post-condition failed."""

    exit_code = 6
    default_fix = "nothing was signed; make a new plan at the newest block"


class TokenMisbehaves(SimulationFailed):
    """A token moves another amount than it is asked to: it takes a fee, is scaled, or is not what it seems."""

    default_fix = "nothing was signed; do not trade this token, and take its position apart by hand"


class Refused(DefilevError):
    """A limit, a rule or arithmetic forbids it."""

    exit_code = 7


class Infeasible(Refused):
    """No plan reaches the goal; the facts say what could be reached."""


class VenueDiverges(Infeasible):
    """The venue's price lies too far from the oracle's: one of the two is wrong, late, or being moved."""

    default_fix = "wait until they meet, name other assets, or raise --max-divergence if you know which is right"


class SequencerDown(Refused):
    """The rollup's sequencer is down, or nobody can tell: what is signed now may land much later."""

    default_fix = "wait until it is up again, and plan anew; force inclusion through L1 by hand if you must"


class KeyFailure(DefilevError):
    """The key cannot be used."""

    exit_code = 8
    default_fix = "see `defilev wallet ls`"


class NotConfirmed(DefilevError):
    """Sent, and not known to be included and successful."""

    exit_code = 9
    default_fix = "run `defilev health` on the account before anything else"
