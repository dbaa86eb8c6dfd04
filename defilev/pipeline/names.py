"""From what a person calls an account to its address."""

from __future__ import annotations

from defilev.abi import interface, keccak, parse_address
from defilev.abi.address import ZERO_ADDRESS
from defilev.errors import InvalidAddress, NameNotResolved, UnknownName
from defilev.model.request import Address, Call
from defilev.pipeline.session import Session

__all__ = ["resolve"]


def resolve(session: Session, who: str) -> Address:
    """Return the address that `who` means: an address, or an ENS name (anything with a dot).

    Raises:
        InvalidAddress: neither an address nor a name, or a wrong checksum.
        UnknownName: a name of a book file, when none is in use.
        NameNotResolved: the chain has no ENS, or the name has no resolver or no address.
    """
    if who.startswith("@"):
        raise UnknownName(f"no book file names {who}", fix="give the address itself")
    if "." in who and not who.startswith("0x"):
        return _resolve_ens(session, who)
    return parse_address(who)


def _resolve_ens(session: Session, name: str) -> Address:
    registry = session.book.ens_registry
    if registry is None:
        raise NameNotResolved(f"{name} cannot be resolved: no ENS registry is known on {session.book.chain_name}")
    node = _namehash(_normalized(name))
    functions = interface("ens")
    resolver = _address(session, functions["resolver"].call(registry, node))
    if resolver is None:
        raise NameNotResolved(f"{name} has no resolver on {session.book.chain_name}")
    address = _address(session, functions["addr"].call(resolver, node))
    if address is None:
        raise NameNotResolved(f"{name} has no address on {session.book.chain_name}", resolver=resolver)
    return address


def _address(session: Session, call: Call) -> Address | None:
    (result,) = session.fetch([call])
    if not result.success:
        return None
    found: Address = interface("ens")["addr"].decode_one(result.data)
    return None if found == ZERO_ADDRESS else found


def _normalized(name: str) -> str:
    from ens.exceptions import InvalidName  # type: ignore[import-untyped]
    from ens.utils import normalize_name  # type: ignore[import-untyped]

    try:
        return str(normalize_name(name))
    except InvalidName as error:
        raise InvalidAddress(f"{name!r} is not a valid ENS name: {error}", fix="copy the name again") from None


def _namehash(name: str) -> bytes:
    """Return the EIP-137 hash of a normalised name."""
    node = bytes(32)
    for label in reversed(name.split(".")):
        node = keccak(node + keccak(label.encode()))
    return node
