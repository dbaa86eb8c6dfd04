"""Encrypted keystores, version 3: made, listed and opened. A key leaves this file only inside a `Secret`."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from defilev.abi import parse_address
from defilev.errors import (
    DefilevError,
    InvalidAddress,
    KeyFailure,
    KeystoreForAnotherAccount,
    KeystoreInvalid,
    UsageError,
    WrongPassword,
)
from defilev.execute.private_file import create_private, make_private_directory, read_private
from defilev.execute.secret import Secret
from defilev.model.codec import parse_json
from defilev.model.request import Address

__all__ = [
    "SCRYPT_WORK_FACTOR",
    "KeystoreEntry",
    "address_of",
    "create_keystore",
    "find_keystore",
    "free_path",
    "import_keystore",
    "keystore_at",
    "list_keystores",
    "open_keystore",
    "parse_private_key",
]

SCRYPT_WORK_FACTOR = 2**18
"""What scrypt is asked for in new keystores: 256 MiB and seconds per guess."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_KEY_BYTES = 32
_CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
_MOST_SCRYPT_BYTES = 2**30
_MOST_ITERATIONS = 10**8


@dataclass(frozen=True, slots=True)
class KeystoreEntry:
    """A keystore in a folder.

    `address` is what the file claims, `None` when it claims nothing (foundry's do not); opening it is the proof.
    `problem` says why the file cannot be used, `None` when nothing is known against it.
    """

    name: str
    path: Path
    address: Address | None
    problem: str | None = None


def create_keystore(
    directory: Path, name: str, *, password: Secret, work_factor: int = SCRYPT_WORK_FACTOR
) -> KeystoreEntry:
    """Make a new random key and keep it encrypted under `name`.

    Raises:
        KeystoreInvalid: the name is taken, or the file cannot be written.
        UsageError: the name or the password is not usable.
    """
    from secrets import randbelow

    key = Secret((randbelow(_CURVE_ORDER - 1) + 1).to_bytes(_KEY_BYTES, "big"))
    return import_keystore(directory, name, private_key=key, password=password, work_factor=work_factor)


def import_keystore(
    directory: Path, name: str, *, private_key: Secret, password: Secret, work_factor: int = SCRYPT_WORK_FACTOR
) -> KeystoreEntry:
    """Keep an existing key encrypted under `name`; raises as `create_keystore` does."""
    from eth_keyfile.keyfile import create_keyfile_json

    path = free_path(directory, name)
    if not password:
        raise UsageError("an empty password protects nothing", fix="choose a password")
    make_private_directory(directory)
    document = create_keyfile_json(private_key.reveal(), password.reveal(), kdf="scrypt", iterations=work_factor)
    create_private(path, json.dumps(document).encode())
    return KeystoreEntry(name, path, address_of(private_key))


def list_keystores(directory: Path) -> tuple[KeystoreEntry, ...]:
    """Return the files in `directory` by name, with what is wrong with them; none when there is no such directory."""
    try:
        paths = sorted(path for path in directory.iterdir() if not path.name.startswith("."))
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise KeystoreInvalid(f"{directory} cannot be listed: {error.strerror}") from None
    return tuple(keystore_at(path) for path in paths if not path.is_dir())


def keystore_at(path: Path) -> KeystoreEntry:
    """Return what the file at `path` claims to be."""
    try:
        address = _claimed_address(_document(path), path)
    except DefilevError as error:
        return KeystoreEntry(path.name, path, None, error.fact)
    return KeystoreEntry(path.name, path, address)


def free_path(directory: Path, name: str) -> Path:
    """Return where a new keystore called `name` belongs.

    Raises:
        UsageError: this cannot be a name.
        KeystoreInvalid: the name is taken.
    """
    _assert_name(name)
    path = directory / name
    if path.exists() or path.is_symlink():
        raise KeystoreInvalid(f"{path} exists already", fix="choose another name; nothing was changed")
    return path


def find_keystore(name: str, directories: tuple[Path, ...]) -> Path:
    """Return the file called `name` or `name.json` in the first of `directories` that has it.

    Raises:
        KeyFailure: none has.
        UsageError: `name` is a path, or not a name at all.
    """
    _assert_name(name)
    for directory in directories:
        for path in (directory / name, directory / f"{name}.json"):
            if path.is_file():
                return path
    raise KeyFailure(f"there is no keystore called {name!r}", searched=", ".join(map(str, directories)))


def open_keystore(path: Path, *, password: Secret, owner: Address | None = None) -> Secret:
    """Return the private key in a keystore; takes seconds, so once per run.

    Args:
        owner: the account that is needed; `None` takes the key whatever its account is.

    Raises:
        KeystoreInsecure: others can read the file.
        KeystoreInvalid: it is not a version 3 keystore, or holds another key than it says.
        KeystoreForAnotherAccount: it is not `owner`'s.
        WrongPassword: the password does not open it.
    """
    document = _document(path)
    claimed = _claimed_address(document, path)
    _assert_owner(claimed, owner, path)
    key = _decrypted(document, password, path)
    address = address_of(key)
    if claimed not in (None, address):
        raise KeystoreInvalid(f"the key in {path} is not that of the address it names", names=claimed, holds=address)
    _assert_owner(address, owner, path)
    return key


def parse_private_key(text: str) -> Secret:
    """Return the private key that a person typed as 64 hex digits; what was typed is in no message.

    Raises:
        UsageError: not 64 hex digits, or not a key of the curve.
    """
    stripped = text.strip()
    if not _PRIVATE_KEY.fullmatch(stripped):
        raise UsageError("a private key is 64 hex digits", fix="copy the key again; nothing was written")
    value = bytes.fromhex(stripped.removeprefix("0x"))
    if not 0 < int.from_bytes(value, "big") < _CURVE_ORDER:
        raise UsageError("this number is not a private key of secp256k1", fix="copy the key again; nothing was written")
    return Secret(value)


def address_of(key: Secret) -> Address:
    """Return the account that a private key signs for."""
    from eth_account import Account

    return parse_address(Account.from_key(key.reveal()).address)


def _assert_name(name: str) -> None:
    """Refuse what cannot be a file's name; it is not repeated, since a key or a mnemonic may have been typed there."""
    if _PRIVATE_KEY.fullmatch(name):
        raise UsageError(
            "a private key stands where a name belongs",
            fix="take that key for leaked: your shell may remember it; `defilev wallet import NAME` asks for a key",
        )
    if not _NAME.fullmatch(name):
        raise UsageError(
            "that is not a name for a keystore", fix="use letters, digits, dots, dashes and underscores, up to 128"
        )


def _document(path: Path) -> dict[str, Any]:
    content = read_private(path, what="the keystore")
    try:
        document = _lower_keys(parse_json(content))
    except ValueError:
        raise _invalid(path, "it is not JSON") from None
    if not isinstance(document, dict) or document.get("version") != 3:
        raise _invalid(path, "it does not say version 3")
    _assert_sane(document.get("crypto"), path)
    return document


def _assert_sane(crypto: Any, path: Path) -> None:
    """Refuse what the decrypting library would take on trust: another cipher, a short key, work without end."""
    if not isinstance(crypto, dict) or crypto.get("cipher") != "aes-128-ctr":
        raise _invalid(path, "it is not encrypted with aes-128-ctr")
    parameters = crypto.get("kdfparams")
    if not isinstance(parameters, dict) or parameters.get("dklen") != 32:
        raise _invalid(path, "its key derivation is incomplete")
    if not _bounded_work(crypto.get("kdf"), parameters):
        raise _invalid(path, "its key derivation is neither scrypt nor pbkdf2 of a sensible size")


def _bounded_work(kdf: Any, parameters: Mapping[str, Any]) -> bool:
    if kdf == "pbkdf2":
        count = parameters.get("c")
        return isinstance(count, int) and 0 < count <= _MOST_ITERATIONS
    work = [parameters.get(name) for name in ("n", "r", "p")]
    if kdf != "scrypt" or not all(isinstance(number, int) and number > 0 for number in work):
        return False
    n, r, p = (int(number) for number in work if number is not None)
    return 128 * n * r * p <= _MOST_SCRYPT_BYTES


def _decrypted(document: dict[str, Any], password: Secret, path: Path) -> Secret:
    from eth_keyfile.keyfile import decode_keyfile_json

    try:
        key = decode_keyfile_json(document, password.reveal())
    except (ValueError, TypeError, KeyError, AttributeError, AssertionError) as error:
        if "MAC mismatch" in str(error):
            raise WrongPassword(f"the password does not open {path}") from None
        raise _invalid(path, "its encryption is incomplete") from None
    if len(key) != _KEY_BYTES or not 0 < int.from_bytes(key, "big") < _CURVE_ORDER:
        raise _invalid(path, "what it holds is not a private key")
    return Secret(key)


def _claimed_address(document: Mapping[str, Any], path: Path) -> Address | None:
    claimed = document.get("address")
    if claimed is None:
        return None
    try:
        return parse_address("0x" + str(claimed).removeprefix("0x").lower())
    except InvalidAddress:
        raise _invalid(path, "its address is not one") from None


def _assert_owner(address: Address | None, owner: Address | None, path: Path) -> None:
    if owner is not None and address not in (None, owner):
        raise KeystoreForAnotherAccount(f"{path} is the keystore of another account", holds=address, needed=owner)


def _invalid(path: Path, why: str) -> KeystoreInvalid:
    return KeystoreInvalid(
        f"{path} is not a version 3 keystore: {why}", fix="choose another file; see `defilev wallet ls`"
    )


def _lower_keys(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {str(key).lower(): _lower_keys(item) for key, item in value.items()}
