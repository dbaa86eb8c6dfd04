"""Owners' signatures of a Safe's transaction: who signed, and what `checkNSignatures` of the Safe is handed."""

from __future__ import annotations

from collections.abc import Mapping

from defilev.abi import checksum, keccak
from defilev.errors import SignatureInvalid, SignatureUnsupported, SignerNotOwner, ThresholdNotMet
from defilev.model.request import Address
from defilev.model.safe import SafeAccount

__all__ = ["SIGNATURE_BYTES", "approval_of", "require_owner", "signatures_for", "signer_of"]

SIGNATURE_BYTES = 65
_CONTRACT, _APPROVED = 0, 1
_TYPED = (27, 28)
_PERSONAL = (31, 32)
_PERSONAL_PREFIX = b"\x19Ethereum Signed Message:\n32"


def signer_of(transaction_hash: str, signature: bytes) -> Address:
    """Return whose key signed: `v` of 27 or 28 for the hash itself, 31 or 32 for it as a personal message.

    Raises:
        SignatureInvalid: not 65 bytes, or no key can have made it.
        SignatureUnsupported: a contract's, or an approval, which only the chain can show.
    """
    from eth_keys.datatypes import Signature
    from eth_keys.exceptions import BadSignature
    from eth_utils.exceptions import ValidationError as Invalid

    if len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid(f"a signature has {SIGNATURE_BYTES} bytes, not {len(signature)}")
    r, s, v = int.from_bytes(signature[:32]), int.from_bytes(signature[32:64]), signature[64]
    if v in (_CONTRACT, _APPROVED):
        raise SignatureUnsupported("the signature is a contract's, or stands for an approval on the chain", v=v)
    digest = bytes.fromhex(transaction_hash[2:])
    if v in _PERSONAL:
        digest, v = keccak(_PERSONAL_PREFIX + digest), v - 4
    if v not in _TYPED:
        raise SignatureInvalid("the last byte of a signature is 27, 28, 31 or 32", v=v)
    try:
        return checksum(Signature(vrs=(v - 27, r, s)).recover_public_key_from_msg_hash(digest).to_address())
    except (BadSignature, Invalid) as error:
        raise SignatureInvalid(f"no key can have made the signature: {error}") from None


def require_owner(address: Address, safe: SafeAccount) -> None:
    """Raise `SignerNotOwner` unless `address` is one of the Safe's owners."""
    if address not in safe.owners:
        raise SignerNotOwner(f"{address} is not an owner of the Safe {safe.address}", owners=", ".join(safe.owners))


def approval_of(owner: Address) -> bytes:
    """Return what stands for an owner who sends the transaction itself, or whose approval is on the chain."""
    return bytes.fromhex(owner[2:]).rjust(32, b"\0") + bytes(32) + bytes([_APPROVED])


def signatures_for(signed: Mapping[Address, bytes], safe: SafeAccount) -> bytes:
    """Return as many signatures as the Safe asks for, ordered by their owners' addresses.

    Raises:
        ThresholdNotMet: there are fewer.
    """
    if len(signed) < safe.threshold:
        missing = [owner for owner in safe.owners if owner not in signed]
        raise ThresholdNotMet(
            f"{len(signed)} of the {safe.threshold} owners that the Safe asks for have signed or approved",
            signed=", ".join(signed) or "nobody",
            not_yet=", ".join(missing),
        )
    keys_first = sorted(signed, key=lambda owner: (signed[owner][-1] == _APPROVED, int(owner, 16)))
    chosen = sorted(keys_first[: safe.threshold], key=lambda owner: int(owner, 16))
    return b"".join(signed[owner] for owner in chosen)
