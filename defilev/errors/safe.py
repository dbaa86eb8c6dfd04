"""What goes wrong with a Safe, a bundle for its owners, and their signatures."""

from __future__ import annotations

from defilev.errors.base import Refused, UsageError

__all__ = [
    "BundleTampered",
    "BundleUnreadable",
    "SafeNonceUsed",
    "SafeUnknown",
    "SignatureInvalid",
    "SignatureRepeated",
    "SignatureUnsupported",
    "SignerNotOwner",
    "ThresholdNotMet",
]


class BundleUnreadable(UsageError):
    """A file of a bundle or of a signature is absent, not JSON, or not of a known schema."""

    default_fix = "make it again: a bundle with `defilev plan … --safe ADDRESS`, a signature with `defilev safe sign`"


class SafeUnknown(Refused):
    """The address is not a Safe of a version that is worked with, 1.3.0 or 1.4.1."""

    default_fix = "check the address and the chain; a Safe of another version must be upgraded first"


class BundleTampered(Refused):
    """The file does not say what its hash says, or has something in it that no bundle may have."""

    default_fix = "sign nothing of it; ask who made the file, and make it again"


class SafeNonceUsed(Refused):
    """The Safe's nonce is not the bundle's: it was executed, replaced, or others come before it."""

    default_fix = "make the bundle again, from the position as it is now"


class SignatureInvalid(Refused):
    """A signature is malformed, of another bundle, or not of the owner that it names."""

    default_fix = "let the owner sign this very file with `defilev safe sign`"


class SignatureRepeated(Refused):
    """Two signatures are of one owner."""

    default_fix = "give each owner's signature once"


class SignatureUnsupported(Refused):
    """A signature that a contract would have to confirm (EIP-1271): only keys and approvals on the chain count here."""

    default_fix = "let the contract call approveHash on the Safe, which is counted, or let owners with keys sign"


class SignerNotOwner(Refused):
    """The key or the signature is of somebody who is no owner of the Safe."""

    default_fix = "choose an owner's keystore; the message lists the owners"


class ThresholdNotMet(Refused):
    """Fewer owners have signed or approved than the Safe asks for."""

    default_fix = "collect more with `defilev safe sign FILE`, and give each with --signature"
