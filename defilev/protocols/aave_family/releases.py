"""Which release of Aave v3 a pool is."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from defilev.protocols.aave_family.regimes import BY_REVISION, REGIMES

__all__ = ["candidates"]


def candidates(revision: int, answered: AbstractSet[str]) -> tuple[str, ...]:
    """Return the releases that a pool may be, the likeliest first.

    One release when `revision` is known and the probes agree with it. Otherwise all, for the self-check to choose from:
    those that the probes allow first, newest before oldest.

    Args:
        revision: `Pool.POOL_REVISION()`.
        answered: the releases whose probes (`calls.PROBES`) the pool answered.
    """
    names = list(REGIMES)
    newest = max((names.index(name) for name in answered), default=0)
    probed = ("3.1", "3.2", "3.3", "3.4", "3.6", "3.7")
    later = [names.index(name) for name in probed if names.index(name) > newest]
    allowed = names[newest : min(later, default=len(names))]
    by_revision = BY_REVISION.get(revision)
    if by_revision in allowed:
        return (by_revision,)
    return tuple(reversed(allowed)) + tuple(name for name in reversed(names) if name not in allowed)
