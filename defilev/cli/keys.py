"""Which keystore signs, and its password."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import KeyFailure, UsageError

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.execute.signer import Signer
    from defilev.model.request import Address

__all__ = ["keystore_path", "unlock"]


def keystore_path(settings: Settings, *, owner: Address, account: str | None, keystore: Path | None) -> Path:
    """Return the keystore that was named, or the one that says it is the owner's.

    Raises:
        UsageError: both a name and a path.
        KeyFailure: there is no such keystore, or none for the owner.
    """
    from defilev.execute.keystore import find_keystore, list_keystores

    if account and keystore:
        raise UsageError("--account and --keystore contradict each other", fix="give one of them")
    if keystore:
        return keystore
    folders = (settings.keystore_dir, Path.home() / ".foundry" / "keystores")
    if account:
        return find_keystore(account, folders)
    for entry in list_keystores(settings.keystore_dir):
        if entry.address == owner:
            return entry.path
    raise KeyFailure(
        f"no keystore in {settings.keystore_dir} is of {owner}",
        fix="choose one with --account or --keystore, or make one with `defilev wallet import NAME`",
    )


def unlock(path: Path, *, owner: Address, password_file: Path | None, may_ask: bool) -> Signer:
    """Open the owner's keystore, which takes seconds.

    Raises:
        KeyFailure: see `execute.keystore.open_keystore`.
        UsageError: there is no password file and nobody to ask.
    """
    from defilev.execute.password import hidden_prompt, obtain_password
    from defilev.execute.signer import KeystoreSigner

    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    password = obtain_password(
        password_file=password_file,
        credentials_directory=Path(credentials) if credentials else None,
        prompt=hidden_prompt if may_ask else None,
    )
    return KeystoreSigner.unlock(path, password=password, owner=owner)
