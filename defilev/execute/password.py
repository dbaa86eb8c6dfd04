"""Where a password comes from: a private file, a systemd credential, a hidden prompt; never argv or the environment."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from getpass import GetPassWarning, getpass
from pathlib import Path

from defilev.errors import Declined, KeyFailure, KeystoreInvalid, UsageError
from defilev.execute.private_file import read_private
from defilev.execute.secret import Secret

__all__ = ["CREDENTIAL_NAME", "hidden_prompt", "new_password", "obtain_password", "read_password_file"]

CREDENTIAL_NAME = "defilev-password"
Prompt = Callable[[str], str]


def read_password_file(path: Path) -> Secret:
    """Return the password in a file of mode 0600, without the line break at its end.

    Raises:
        KeystoreInsecure: others can read the file.
        KeystoreInvalid: there is no such file.
        UsageError: the file has more than one line.
    """
    return _password(read_private(path, what="the password file"), path)


def read_credential(directory: Path) -> Secret | None:
    """Return what systemd's `LoadCredential=defilev-password:…` put into `directory`, `None` if it did not.

    systemd guards that folder itself, with access lists that a file mode does not show.
    """
    path = directory / CREDENTIAL_NAME
    try:
        return _password(path.read_bytes(), path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise KeystoreInvalid(f"the credential {path} cannot be read: {error.strerror}") from None


def obtain_password(*, password_file: Path | None, credentials_directory: Path | None, prompt: Prompt | None) -> Secret:
    """Return the password of an existing keystore: from the file, else from systemd, else asked for.

    Args:
        prompt: how to ask; `None` where nobody may be asked.

    Raises:
        UsageError: there is neither a file nor anyone to ask.
    """
    if password_file is not None:
        return read_password_file(password_file)
    if credentials_directory is not None and (found := read_credential(credentials_directory)) is not None:
        return found
    return Secret(_ask(prompt, "keystore password: ").encode())


def new_password(*, password_file: Path | None, prompt: Prompt | None) -> Secret:
    """Return the password for a new keystore; asked for twice, and never empty.

    Raises:
        UsageError: it is empty, the two answers differ, or there is neither a file nor anyone to ask.
    """
    if password_file is not None:
        return _not_empty(read_password_file(password_file))
    first = _not_empty(Secret(_ask(prompt, "new keystore password: ").encode()))
    if Secret(_ask(prompt, "the same again: ").encode()).reveal() != first.reveal():
        raise UsageError("the two passwords differ", fix="nothing was written; start again")
    return first


def hidden_prompt(question: str) -> str:
    """Ask on the terminal without echo.

    Raises:
        KeyFailure: there is no terminal that can hide what is typed.
        Declined: the question was left with Ctrl-D.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("error", GetPassWarning)
        try:
            return getpass(question, stream=sys.stderr)
        except GetPassWarning:
            raise KeyFailure("there is no terminal to type a password on unseen", fix="give --password-file") from None
        except EOFError:
            raise Declined("no password was typed") from None


def _ask(prompt: Prompt | None, question: str) -> str:
    if prompt is None:
        raise UsageError("a password is needed, and nobody may be asked", fix="give --password-file")
    return prompt(question)


def _not_empty(password: Secret) -> Secret:
    if not password:
        raise UsageError("an empty password protects nothing", fix="choose a password")
    return password


def _password(content: bytes, path: Path) -> Secret:
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if b"\n" in line:
        raise UsageError(f"{path} has more than one line", fix="write the password on the one line of the file")
    return Secret(line)
