"""Which nodes a command asks: the one of the settings, or those of the chains in a book file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from defilev.config.address_book import known_chains
from defilev.config.settings import Settings
from defilev.errors import UnknownName, UsageError
from defilev.model.book_file import BookFile, ChainEntry
from defilev.pipeline.people import Person

__all__ = ["node_of_one", "nodes_of_all"]


def nodes_of_all(
    settings: Settings, book: BookFile | None, asked: Sequence[Person], *, is_url_given: bool
) -> tuple[Settings, ...]:
    """Return the settings for each chain to look at.

    Those of the book's chains when somebody was asked for by a name of it, or when nothing else names a node; the
    settings as they are otherwise.

    Args:
        settings: what is set; a `chain` in it leaves only that one.
        book: the book in use, `None` for none.
        asked: who was asked for.
        is_url_given: whether the node was named on the command line, or in code; then it is the only one.

    Raises:
        UnknownName: a chain of the book has no address book.
        UsageError: nobody is looked at on the chain that the settings name.
    """
    if book is None or not book.chains or is_url_given:
        return (settings,)
    is_by_book = any(person.name is not None and book.owner(person.name) for person in asked)
    if not is_by_book and settings.rpc_url:
        return (settings,)
    known = known_chains(settings.address_book)
    named = None if settings.chain is None else _name_of(settings.chain, known)
    if named is not None and book.chain(named) is None:
        return (settings,)
    chains = [chain for chain in book.chains if named in (None, chain.name)]
    wanted = [chain for chain in chains if any(person.is_on(chain.name) for person in asked)]
    if not wanted:
        raise UsageError(f"the book looks at nobody asked for on {named}", fix=f"correct the chains in {book.source}")
    return tuple(_at(settings, book, chain, known) for chain in wanted)


def node_of_one(settings: Settings, book: BookFile | None, asked: Sequence[Person], *, is_url_given: bool) -> Settings:
    """Return the settings for the one chain that a command works on for those asked for.

    Raises:
        UsageError: the book looks at them on several chains, and none was named.
        UnknownName: see `nodes_of_all`.
    """
    found = nodes_of_all(settings, book, asked, is_url_given=is_url_given)
    if len(found) > 1:
        raise UsageError(
            f"the book has several chains for {asked[0].name or asked[0].address}, and this command works on one",
            fix=f"name it, as --chain {found[0].chain}",
            known=", ".join(str(each.chain) for each in found),
        )
    return found[0]


def _name_of(chain: str, known: Mapping[str, int]) -> str:
    """Return the name of a chain that may be given by its id."""
    return next((name for name, number in known.items() if str(number) == chain), chain)


def _at(settings: Settings, book: BookFile, chain: ChainEntry, known: Mapping[str, int]) -> Settings:
    if chain.name not in known:
        meant = get_close_matches(chain.name, known, 1, 0.6)
        raise UnknownName(
            f"book {book.source}: no address book is for the chain {chain.name}",
            fix=f"did you mean {meant[0]}?" if meant else "give its address book with --address-book FILE",
            known=", ".join(known),
        )
    return settings.model_copy(update={"rpc_url": chain.rpc_url, "chain": chain.name})
