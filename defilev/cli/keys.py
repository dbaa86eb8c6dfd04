"""Which keystore signs, and its password."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from defilev.errors import KeyFailure, UsageError

if TYPE_CHECKING:
    from defilev.config.settings import Settings
    from defilev.execute.secret import Secret
    from defilev.execute.signer import KeystoreSigner, Signer
    from defilev.model.request import Address

__all__ = ["keystore_path", "password_for", "remote_signer", "require_one_signer", "unlock"]


def require_one_signer(*, account: str | None, keystore: Path | None, signer: Path | None) -> None:
    """Raise `UsageError` when more than one thing is named that would sign."""
    given = [flag for flag, value in (("account", account), ("keystore", keystore), ("signer", signer)) if value]
    if len(given) > 1:
        raise UsageError(f"--{given[0]} and --{given[1]} contradict each other", fix="give one of them")


def keystore_path(settings: Settings, *, owner: Address, account: str | None, keystore: Path | None) -> Path:
    """Return the keystore at the path, or of the name, or the one that says it is the owner's.

    Raises:
        KeyFailure: there is no such keystore, or none for the owner.
    """
    from defilev.execute.keystore import find_keystore, list_keystores

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


def password_for(keystore: Path, *, password_file: Path | None, may_ask: bool) -> Secret:
    """Return the password of `keystore`, once it is known that nobody else can read the keystore.

    Raises:
        KeyFailure: see `execute.password.obtain_password`.
        UsageError: there is no password file and nobody to ask.
    """
    from defilev.execute.password import hidden_prompt, obtain_password
    from defilev.execute.private_file import check_private

    check_private(keystore, what="the keystore")
    credentials = os.environ.get("CREDENTIALS_DIRECTORY")
    return obtain_password(
        password_file=password_file,
        credentials_directory=Path(credentials) if credentials else None,
        prompt=hidden_prompt if may_ask else None,
    )


def unlock(keystore: Path, *, owner: Address, password: Secret) -> KeystoreSigner:
    """Open the owner's keystore, which takes seconds; raises as `execute.keystore.open_keystore` does."""
    from defilev.execute.signer import KeystoreSigner

    return KeystoreSigner.unlock(keystore, password=password, owner=owner)


def remote_signer(path: Path, *, owner: Address, tell: Callable[[str], None]) -> Signer:
    """Return the signer that listens at `path`; raises as `execute.remote_signer.RemoteSigner.connect` does."""
    from defilev.execute.remote_signer import RemoteSigner

    return RemoteSigner.connect(path, owner=owner, tell=tell)
