"""From an ENS name to the address of an account."""

from __future__ import annotations

from defilev.abi import interface, keccak
from defilev.abi.address import ZERO_ADDRESS
from defilev.errors import InvalidAddress, NameNotResolved
from defilev.model.request import Address, Call
from defilev.pipeline.session import Session

__all__ = ["resolve"]


def resolve(session: Session, name: str) -> Address:
    """Return the address of an ENS name.

    Raises:
        InvalidAddress: ENS has no such names.
        NameNotResolved: the chain has no ENS, or the name has no resolver or no address.
    """
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
