"""What several nodes say of the same block, believed only when enough of them say the same."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NoReturn, TypeVar

from defilev.chain.endpoint import Endpoint
from defilev.chain.endpoints import Endpoints, Heads, Said, ask_all
from defilev.errors import EndpointsDisagree, QuorumMissing, RpcError
from defilev.model.request import Block

__all__ = ["Agreed", "Dissent", "agreed", "agreed_head"]

OUTVOTED = 8.0
"""Failures that a node is charged with when others agree that it is wrong."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dissent:
    """A node that said something else than those that agreed, or nothing; names are redacted URLs."""

    name: str
    what: str
    said: str
    answered: bool


@dataclass(frozen=True, slots=True)
class Agreed(Generic[T]):
    """What `by`, the names of at least as many nodes as were needed, say alike.

    `values` has what each of them said, in the order of `by`: equal in what was compared.
    """

    values: tuple[T, ...]
    by: tuple[str, ...]
    dissent: tuple[Dissent, ...]

    @property
    def value(self) -> T:
        """What was agreed on."""
        return self.values[0]


def agreed(
    endpoints: Endpoints,
    ask: Callable[[Endpoint], T],
    *,
    what: str,
    needed: int = 2,
    key: Callable[[T], Any] | None = None,
    shown: Callable[[T], str] = str,
) -> Agreed[T]:
    """Ask every endpoint the same question, pinned to a block, and return what `needed` of them answer alike.

    There is no exception for a single endpoint: who takes one node's word asks for `needed=1`.

    Args:
        endpoints: whom to ask, all at the same time.
        ask: the question.
        what: the fact's name, for people.
        needed: how many must say the same.
        key: what has to be equal; the whole answer when left out.
        shown: an answer as an error shows it.

    Raises:
        EndpointsDisagree: they answer, and too few of them alike.
        QuorumMissing: too few answer.
        DataError: the question has no answer, and enough of them say why alike.
    """
    said = ask_all(endpoints, ask)
    groups = _grouped(said, key or _whole)
    best = max(groups, key=len, default=[])
    if len(best) < needed or sum(len(group) == len(best) for group in groups) > 1:
        _refuse(said, groups, what=what, needed=needed, shown=shown)
    dissent = tuple(_dissent(one, what, shown) for one in said if one not in best)
    for one in said:
        if one not in best and not isinstance(one.error, RpcError):  # it answered, and what it says cannot be so
            one.endpoint.score.failed(OUTVOTED)
    return Agreed(tuple(one.value for one in best), tuple(one.endpoint.name for one in best), dissent)


def agreed_head(endpoints: Endpoints, *, needed: int = 2, at_least: int = 0) -> Agreed[Block]:
    """Return the newest block that all endpoints have that are up to date, when `needed` of them have it alike.

    Up to date is who lies not too far behind the newest of all (`is_stale`), and not below what was agreed on before.

    Args:
        endpoints: whom to ask.
        needed: how many must have the same block.
        at_least: a height that has been seen, such as a receipt's, which the block may not lie below.

    Raises:
        QuorumMissing: too few are up to date; it may pass.
        EndpointsDisagree: they have different blocks at that height.
    """
    heads = endpoints.look()
    floor = max(at_least, endpoints.known.agreed_height)
    fresh = {name: head for name, head in heads.fresh.items() if head.number >= floor}
    if len(fresh) < needed:
        _refuse_lagging(heads, fresh, needed=needed)
    number = min(head.number for head in fresh.values())

    def at_that_height(endpoint: Endpoint) -> Block:
        head = fresh[endpoint.name]
        return head if head.number == number else endpoint.node.block(number)

    found = agreed(endpoints.only(fresh), at_that_height, what=f"block {number}", needed=needed, shown=_block)
    endpoints.known.agreed_height = number
    left_out = tuple(_behind(one, heads.newest) for one in heads.said if one.endpoint.name not in fresh)
    return Agreed(found.values, found.by, (*left_out, *found.dissent))


def _whole(answer: Any) -> Any:
    return answer


def _grouped(said: Sequence[Said[T]], key: Callable[[T], Any]) -> list[list[Said[T]]]:
    """Return the answers, equal ones together, in the order in which they were first given."""
    groups: list[tuple[Any, list[Said[T]]]] = []
    for one in said:
        if one.error is not None:
            continue
        found = key(one.value)
        for known, group in groups:
            if known == found:
                group.append(one)
                break
        else:
            groups.append((found, [one]))
    return [group for _, group in groups]


def _refuse(
    said: Sequence[Said[T]],
    groups: Sequence[Sequence[Said[T]]],
    *,
    what: str,
    needed: int,
    shown: Callable[[T], str],
) -> NoReturn:
    told = {one.endpoint.name: _dissent(one, what, shown).said for one in said}
    if len(groups) > 1:
        answered = sum(len(group) for group in groups)
        if len({shown(group[0].value) for group in groups}) < len(groups):
            told |= {one.endpoint.name: f"{told[one.endpoint.name]} (answer {place})"
                     for place, group in enumerate(groups, 1) for one in group}  # fmt: skip
        raise EndpointsDisagree(f"{answered} nodes do not agree on {what}", what=what, **told)
    _raise_common(said, needed)
    answered = len(groups[0]) if groups else 0
    raise QuorumMissing(
        f"{answered} of {len(said)} nodes {_say(answered)} {what}, and {needed} must agree", what=what, **told
    )


def _say(count: int) -> str:
    return "says" if count == 1 else "say"


def _raise_common(said: Sequence[Said[T]], needed: int) -> None:
    """Raise what the chain itself answers, such as a missing price, when enough nodes agree on that; or the only word.

    One node alone, of which no other was asked, fails as it would without a quorum.
    """
    errors = [one.error for one in said if one.error is not None]
    if len(said) == 1 and errors and needed == 1:
        raise errors[0]
    facts = [error for error in errors if not isinstance(error, RpcError)]
    for error in facts:
        if sum(type(other) is type(error) and other.fact == error.fact for other in facts) >= needed:
            raise error


def _refuse_lagging(heads: Heads, fresh: Collection[str], *, needed: int) -> NoReturn:
    _raise_common(heads.said, needed)
    told = {one.endpoint.name: _behind(one, heads.newest).said for one in heads.said}
    count = len(fresh)
    raise QuorumMissing(
        f"{count} of {len(heads.said)} nodes {'is' if count == 1 else 'are'} up to date, and {needed} must agree",
        what="head",
        **told,
    )


def _dissent(one: Said[T], what: str, shown: Callable[[T], str]) -> Dissent:
    if one.error is not None:
        return Dissent(one.endpoint.name, what, one.error.fact, answered=False)
    return Dissent(one.endpoint.name, what, shown(one.value), answered=True)


def _behind(one: Said[Block], newest: Block | None) -> Dissent:
    if one.error is not None or newest is None:
        return _dissent(one, "head", _block)
    behind = newest.number - one.value.number
    said = f"newest block {one.value.number}" + (f", {behind} behind" if behind else "")
    return Dissent(one.endpoint.name, "head", said, answered=True)


def _block(block: Block) -> str:
    return f"block {block.number} {block.hash}"
