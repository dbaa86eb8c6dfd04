"""Owners' signatures of a bundle: made with a key, collected from files and from the chain, and handed to the Safe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from defilev.errors import PlanForAnotherChain, SignatureInvalid, SignatureRepeated
from defilev.execute.safe_signatures import approval_of, require_owner, signatures_for, signer_of
from defilev.execute.signer import KeystoreSigner
from defilev.model.plan import Plan
from defilev.model.request import Address
from defilev.model.signatures import OwnerSignatures, Signed
from defilev.pipeline.bundling import Verified
from defilev.plan.execution import execution_plan

__all__ = ["execution_of", "sign_bundle"]


def sign_bundle(verified: Verified, signer: KeystoreSigner) -> OwnerSignatures:
    """Return an owner's signatures of every transaction that is left of a bundle, each checked against its hash.

    Raises:
        SignerNotOwner: the key is no owner's.
        SignatureInvalid: what came back is not the key's signature of that hash.
        KeyFailure: it cannot be signed.
    """
    bundle = verified.bundle
    require_owner(signer.address, verified.safe)
    made: list[Signed] = []
    for part in verified.left:
        signature = signer.sign_safe(bundle.chain_id, bundle.safe, part.transaction)
        if signer_of(part.transaction_hash, signature) != signer.address:
            raise SignatureInvalid("what the key signed is not the bundle's hash", fix="report this with the bundle")
        made.append(Signed(part.transaction_hash, "0x" + signature.hex()))
    return OwnerSignatures(bundle.chain_id, bundle.safe, signer.address, tuple(made))


def execution_of(verified: Verified, given: Sequence[OwnerSignatures], *, sender: Address, nonce: int) -> Plan:
    """Return the plan that executes what is left of a bundle, with the signatures of as many owners as are asked for.

    Approvals on the chain count, and the sender's own, when it is an owner, by its sending.

    Raises:
        SignerNotOwner, SignatureRepeated, SignatureInvalid, SignatureUnsupported: a signature cannot be used.
        PlanForAnotherChain: one is for another chain or Safe.
        ThresholdNotMet: there are too few.
    """
    safe, bundle = verified.safe, verified.bundle
    signed = _signed(verified, given)
    approved = {part.transaction_hash: owners for part, owners in zip(bundle.parts, verified.approved_by, strict=True)}
    packed = []
    for part in verified.left:
        standing = [*approved[part.transaction_hash], *([sender] if sender in safe.owners else [])]
        by_owner = {owner: approval_of(owner) for owner in standing} | signed[part.transaction_hash]
        packed.append(signatures_for(by_owner, safe))
    return execution_plan(bundle, verified.left, packed, sender=sender, nonce=nonce)


def _signed(verified: Verified, given: Iterable[OwnerSignatures]) -> dict[str, dict[Address, bytes]]:
    """Return by transaction the signatures by their owners."""
    bundle, safe = verified.bundle, verified.safe
    found: dict[str, dict[Address, bytes]] = {part.transaction_hash: {} for part in bundle.parts}
    for each in given:
        if (each.chain_id, each.safe) != (bundle.chain_id, bundle.safe):
            raise PlanForAnotherChain(
                "a signature is for another chain or Safe than the bundle",
                fix="let the owner sign this very file",
                signature=f"chain {each.chain_id}, {each.safe}",
                bundle=f"chain {bundle.chain_id}, {bundle.safe}",
            )
        require_owner(each.owner, safe)
        for one in each.signatures:
            _add(found, one, each.owner)
    return found


def _add(found: dict[str, dict[Address, bytes]], one: Signed, owner: Address) -> None:
    if one.transaction_hash not in found:
        raise SignatureInvalid("a signature is of another bundle", signed=one.transaction_hash, bundle=", ".join(found))
    signature = _bytes(one.signature)
    signer = signer_of(one.transaction_hash, signature)
    if signer != owner:
        raise SignatureInvalid("a signature is not of the owner that it names", named=owner, signed_by=signer)
    if owner in found[one.transaction_hash]:
        raise SignatureRepeated(f"{owner} has signed twice")
    found[one.transaction_hash][owner] = signature


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text.removeprefix("0x"))
    except ValueError:
        raise SignatureInvalid("a signature is 0x and hex digits") from None
