"""Why a key cannot be used."""

from __future__ import annotations

from defilev.errors.base import KeyFailure

__all__ = [
    "KeystoreForAnotherAccount",
    "KeystoreInsecure",
    "KeystoreInvalid",
    "SignerUnreachable",
    "WrongPassword",
]


class WrongPassword(KeyFailure):
    """The password does not open the keystore."""

    default_fix = "check --password-file, or type the password again"


class KeystoreInsecure(KeyFailure):
    """Others than the owner can read the keystore or the password file."""


class KeystoreInvalid(KeyFailure):
    """The file is not a version 3 keystore."""


class KeystoreForAnotherAccount(KeyFailure):
    """The keystore's address is not the plan's owner."""

    default_fix = "choose the owner's keystore with --account or --keystore"


class SignerUnreachable(KeyFailure):
    """The signer's process does not answer, or not as a signer does."""

    default_fix = "start it with `defilev-signer serve`, and give the path of its socket with --signer"
