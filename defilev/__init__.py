"""Reads leveraged on-chain positions to the wei; plans, tries and sends the way out of liquidation's reach.

As a library it reads, computes and tries, and signs nothing: `connect(url).book("book.toml")`, see docs/library.md.
What is heavy is imported when it is first asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from defilev.version import __version__

if TYPE_CHECKING:
    from defilev.errors import DefilevError
    from defilev.library.account import Account
    from defilev.library.book import Book
    from defilev.library.connection import Connection, connect
    from defilev.library.documents import from_json
    from defilev.library.perp import Perp
    from defilev.library.proposal import Proposal
    from defilev.model.target_inputs import Preferences

__all__ = [
    "Account",
    "Book",
    "Connection",
    "DefilevError",
    "Perp",
    "Preferences",
    "Proposal",
    "__version__",
    "connect",
    "from_json",
]

_HOMES = {
    "Account": "defilev.library.account",
    "Book": "defilev.library.book",
    "Connection": "defilev.library.connection",
    "DefilevError": "defilev.errors",
    "Perp": "defilev.library.perp",
    "Preferences": "defilev.model.target_inputs",
    "Proposal": "defilev.library.proposal",
    "connect": "defilev.library.connection",
    "from_json": "defilev.library.documents",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
