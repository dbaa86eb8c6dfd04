"""The private key: opened once, held here, shown nowhere."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, NoReturn

from eth_keyfile.keyfile import decode_keyfile_json
from eth_keys.datatypes import PrivateKey

from defilev_signer.errors import Unusable
from defilev_signer.private_file import read_private
from defilev_signer.transaction import Transaction, signed_bytes

__all__ = ["Key"]

_KEY_BYTES = 32
_MOST_MEMORY = 2**30
_MOST_ROUNDS = 10**8
_RECURSION = 1000

sys.setrecursionlimit(_RECURSION)  # a library for elliptic curves raised it beyond what the C stack bears


class Key:
    """Signs; neither prints nor copies itself."""

    __slots__ = ("_key", "address")

    def __init__(self, secret: bytes) -> None:
        self._key = PrivateKey(secret)
        self.address: str = self._key.public_key.to_checksum_address()

    @classmethod
    def opened(cls, path: Path, password: bytes, *, owner: str) -> Key:
        """Return the key in a keystore (version 3), which takes seconds.

        Raises:
            Unusable: the file is not private, not a keystore, another account's, or the password does not open it.
        """
        document = _document(path)
        try:
            key = cls(decode_keyfile_json(document, password))
        except Exception as error:  # noqa: BLE001 - the library's messages may quote what they were given
            wrong = "MAC mismatch" in str(error)
            said = f"the password does not open {path}" if wrong else f"{path} is not a version 3 keystore"
            raise Unusable(said, fix="check the password and the file") from None
        if key.address != owner:
            raise Unusable(f"{path} is the keystore of {key.address}, and the policy is for {owner}", fix="correct one")
        return key

    def sign(self, transaction: Transaction) -> bytes:
        """Return the signed transaction; the same transaction always gives the same bytes (RFC 6979)."""
        signature = self._key.sign_msg_hash(transaction.signing_hash)
        return signed_bytes(transaction, y_parity=signature.v, r=signature.r, s=signature.s)

    def __repr__(self) -> str:
        return f"Key({self.address})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a key is not copied or serialised")


def _document(path: Path) -> dict[str, Any]:
    content = read_private(path, what="the keystore")
    try:
        document: dict[str, Any] = _lower_keys(json.loads(content))
        parameters = document["crypto"]["kdfparams"]
        memory = 128 * int(parameters.get("n", 1)) * int(parameters.get("r", 1)) * int(parameters.get("p", 1))
        sane = document["version"] == 3 and memory <= _MOST_MEMORY and int(parameters.get("c", 1)) <= _MOST_ROUNDS
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        document, sane = {}, False
    if not sane:
        raise Unusable(f"{path} is not a version 3 keystore of a sensible size", fix="choose another file")
    return document


def _lower_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {str(key).lower(): _lower_keys(item) for key, item in value.items()}
