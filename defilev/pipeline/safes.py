"""What a Safe is at the session's block: held against the published contracts, which are all that is worked with."""

from __future__ import annotations

from typing import Any

from defilev.abi import checksum, interface, keccak
from defilev.abi.safe import hash_call
from defilev.chain.endpoints import ask_all
from defilev.config.safe_contracts import load_safe_contracts
from defilev.errors import BundleTampered, CallReverted, DataError, SafeUnknown
from defilev.model.request import Address, Call
from defilev.model.safe import NOBODY, SafeAccount, SafeTransaction, Singleton
from defilev.pipeline.session import Session

__all__ = ["approvals", "read_safe", "require_same_hash"]

_SINGLETON_SLOT = 0
_GUARD_SLOT = int.from_bytes(keccak(b"guard_manager.guard.address"))
_FALLBACK_SLOT = int.from_bytes(keccak(b"fallback_manager.handler.address"))
_SENTINEL = Address("0x0000000000000000000000000000000000000001")
_MODULES = 100


def read_safe(session: Session, address: Address) -> SafeAccount:
    """Return the Safe at `address`.

    Its implementation is read from its storage, not asked of its code, and must be a published one, byte for byte.

    Raises:
        SafeUnknown: no contract, another implementation, or no contract that makes several calls on this chain.
        DataError: the chain does not answer.
    """
    singleton = _singleton(session, address)
    contracts = load_safe_contracts()
    _require_code(session, contracts.multi_send, contracts.multi_send_code_hash, "MultiSendCallOnly 1.4.1")
    version, nonce, threshold, owners, modules = _answers(session, address)
    if version != singleton.version:
        raise SafeUnknown(f"{address} says another version than its implementation", says=version, is_=singleton.name)
    return SafeAccount(
        address=address,
        chain_id=session.chain_id,
        version=version,
        singleton=singleton.address,
        nonce=nonce,
        threshold=threshold,
        owners=tuple(owners),
        modules=tuple(modules),
        guard=_stored(session, address, _GUARD_SLOT),
        fallback_handler=_stored(session, address, _FALLBACK_SLOT),
        multi_send=contracts.multi_send,
    )


def approvals(session: Session, safe: SafeAccount, transaction_hash: str) -> tuple[Address, ...]:
    """Return the owners that have approved a hash on the chain; raises `CallReverted`."""
    function = interface("safe")["approvedHashes"]
    asked = [function.call(safe.address, owner, bytes.fromhex(transaction_hash[2:])) for owner in safe.owners]
    results = session.fetch(asked)
    if not all(result.success for result in results):
        raise CallReverted(f"the Safe {safe.address} does not say who has approved")
    answers = zip(safe.owners, results, strict=True)
    return tuple(owner for owner, result in answers if function.decode_one(result.data))


def require_same_hash(session: Session, safe: Address, transaction: SafeTransaction, expected: str) -> int:
    """Ask each node what the Safe itself calls the transaction; return how many nodes confirmed the hash.

    Raises:
        BundleTampered: a node says another hash.
        DataError: no node answers.
    """
    call = Call(safe, hash_call(transaction))
    said = ask_all(session.endpoints, lambda endpoint: endpoint.node.call(call, block=session.block))
    answers = [one.value for one in said if one.error is None]
    if not answers:
        raise said[0].error or DataError("no node answers")
    for answer in answers:
        if not answer.success or "0x" + answer.data.hex() != expected:
            found = "0x" + answer.data.hex() if answer.success else "a revert"
            raise BundleTampered("the Safe's own hash of the transaction is another", safe=found, computed=expected)
    return len(answers)


def _singleton(session: Session, address: Address) -> Singleton:
    if not session.node.code(address, block=session.block):
        raise SafeUnknown(f"there is no contract at {address}")
    found = _stored(session, address, _SINGLETON_SLOT)
    known = next((each for each in load_safe_contracts().singletons if each.address == found), None)
    if known is None:
        raise SafeUnknown(f"{address} is not a Safe 1.3.0 or 1.4.1", implementation=found)
    _require_code(session, known.address, known.code_hash, f"{known.name} {known.version}")
    return known


def _require_code(session: Session, address: Address, code_hash: str, name: str) -> None:
    found = "0x" + keccak(session.node.code(address, block=session.block)).hex()
    if found != code_hash:
        raise SafeUnknown(f"{address} is not {name} on this chain", code_hash=found, expected=code_hash)


def _stored(session: Session, address: Address, slot: int) -> Address | None:
    word = session.node.storage(address, slot, block=session.block)
    found = checksum("0x" + word[12:].hex())
    return None if found == NOBODY else found


def _answers(session: Session, address: Address) -> list[Any]:
    functions = interface("safe")
    asked = [
        functions["VERSION"].call(address),
        functions["nonce"].call(address),
        functions["getThreshold"].call(address),
        functions["getOwners"].call(address),
        functions["getModulesPaginated"].call(address, _SENTINEL, _MODULES),
    ]
    results = session.fetch(asked)
    names = ("VERSION", "nonce", "getThreshold", "getOwners", "getModulesPaginated")
    try:
        if all(result.success for result in results):
            return [functions[name].decode_one(result.data) for name, result in zip(names, results, strict=True)]
    except ValueError:
        pass
    raise SafeUnknown(f"{address} does not answer as a Safe")
