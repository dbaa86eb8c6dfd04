"""WHO on the command line, as accounts on chains that are connected to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from defilev.cli.context import Run
    from defilev.model.request import Address
    from defilev.pipeline.session import Session

__all__ = ["names_in_book", "one_account", "typed_again"]


def names_in_book(run: Run) -> Mapping[str, Address]:
    """Return the addresses of the owners of the book in use, by name; raises as `book_in_use` does."""
    from defilev.config.book_file import book_in_use

    book = book_in_use(run.load().values)
    return {} if book is None else {owner.name: owner.address for owner in book.owners}


def typed_again(run: Run, who: str, owner: Address) -> str:
    """Return WHO for a command that goes on with the same account: the book's name for it, and the chain."""
    chain = f" --chain {run.options.chain}" if run.options.chain else ""
    return f"{who if who.startswith('@') else owner}{chain}"


@contextmanager
def one_account(run: Run, who: str) -> Iterator[tuple[Session, Address]]:
    """Connect to the chain of the one account that `who` means, and let go of it in the end.

    Raises:
        InvalidAddress, UnknownName, UsageError: see `people.only_person` and `nodes.node_of_one`.
        DataError: see `connect` and `resolve`.
    """
    from defilev.pipeline.names import resolve
    from defilev.pipeline.nodes import node_of_one
    from defilev.pipeline.people import only_person
    from defilev.pipeline.session import connect

    book = run.book_for([who])
    person = only_person(who, book)
    session = connect(node_of_one(run.load().values, book, [person], is_url_given=run.is_url_given))
    try:
        yield session, person.address or resolve(session, str(person.name))
    finally:
        session.close()
