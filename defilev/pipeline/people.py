"""From what a person typed for WHO to the accounts that are meant, before any node is asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from defilev.abi import parse_address
from defilev.errors import UnknownName, UsageError
from defilev.model.book_file import EVERYBODY, BookFile, Owner
from defilev.model.request import Address

__all__ = ["Person", "names_of_book", "only_person", "people"]


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody asked for.

    `address` is `None` for an ENS name, which a chain must resolve. `name` is what the person was asked for by, `None`
    when that was the address. `chains` are those that the book looks at for them, any when empty; `note` is the book's.
    """

    address: Address | None
    name: str | None = None
    chains: tuple[str, ...] = ()
    note: str = ""

    def is_on(self, chain: str) -> bool:
        """Tell whether the person is looked for on the chain with that name."""
        return not self.chains or chain in self.chains


def names_of_book(who: Sequence[str]) -> bool:
    """Tell whether any of `who` is a name of a book file."""
    return any(text.startswith("@") for text in who)


def people(who: Sequence[str], book: BookFile | None) -> tuple[Person, ...]:
    """Return the people that `who` means, each account once and in order; a book's name is kept for its account.

    Raises:
        InvalidAddress: neither an address nor a name, or a wrong checksum.
        UnknownName: a name that the book has not, or no book is in use.
    """
    found: dict[str, Person] = {}
    for text in who:
        for person in _meant(text, book):
            key = person.address or str(person.name).lower()
            if key not in found or found[key].name is None:
                found[key] = person
    return tuple(found.values())


def only_person(who: str, book: BookFile | None) -> Person:
    """Return the one person that `who` means; raises as `people` does, and `UsageError` when it means several."""
    meant = people([who], book)
    if len(meant) > 1:
        raise UsageError(
            f"{who} names {len(meant)} accounts, and this command takes one",
            fix=f"name one of them, such as @{meant[0].name}",
        )
    return meant[0]


def _meant(text: str, book: BookFile | None) -> list[Person]:
    if text.startswith("@"):
        return [Person(owner.address, owner.name, owner.chains, owner.note) for owner in _owners(text[1:], book)]
    if "." in text and not text.startswith("0x"):
        return [Person(None, text)]
    return [Person(parse_address(text))]


def _owners(name: str, book: BookFile | None) -> Sequence[Owner]:
    if book is None:
        raise UnknownName(
            f"no book file names @{name}", fix="give the address itself, or your book with --book FILE (docs/book.md)"
        )
    if name == EVERYBODY:
        return book.owners
    owner = book.owner(name)
    if owner is None:
        names = [owner.name for owner in book.owners]
        meant = get_close_matches(name, [*names, EVERYBODY], 1, 0.6)
        raise UnknownName(
            f"the book {book.source} names no @{name}",
            fix=f"did you mean @{meant[0]}?" if meant else f"name one of them, or add [owners.{name}]",
            known=", ".join(f"@{known}" for known in (*names, EVERYBODY)),
        )
    return [owner]
