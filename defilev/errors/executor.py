"""What goes wrong with the contract that changes a position in one transaction."""

from __future__ import annotations

from defilev.errors.base import Refused

__all__ = ["ExecutorForeign", "ExecutorMissing"]


class ExecutorMissing(Refused):
    """The executor's contract is not on the chain at the block, or the chain is none that it knows."""

    default_fix = "deploy it with `defilev executor deploy`, or leave out --via atomic"


class ExecutorForeign(Refused):
    """At the executor's address is other code than the one that this version was built and tested with."""

    default_fix = "do not use it, and ask another node: an address that its code decides cannot hold other code"
