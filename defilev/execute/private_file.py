"""Files that hold secrets: written for their owner alone, and read only while nobody else can."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from defilev.errors import KeystoreInsecure, KeystoreInvalid

__all__ = ["check_private", "create_private", "make_private_directory", "read_private"]

_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022
_LARGEST = 64 * 1024


def read_private(path: Path, *, what: str) -> bytes:
    """Return the content of a small file that only its owner can read.

    Raises:
        KeystoreInsecure: others can read the file, own it, or can replace it.
        KeystoreInvalid: there is no such file, or it is not a small regular file.
    """
    check_private(path, what=what)
    return _read(path, what=what)


def check_private(path: Path, *, what: str) -> None:
    """Raise as `read_private` does, without reading."""
    try:
        status = path.lstat()
        directory = path.parent.stat()
    except OSError as error:
        raise KeystoreInvalid(f"{what} {path} cannot be read: {error.strerror}", fix=f"check the path {path}") from None
    if not stat.S_ISREG(status.st_mode):
        raise KeystoreInvalid(
            f"{what} {path} is not a regular file", fix="give the path of the file itself, not a link"
        )
    if status.st_uid != os.geteuid():
        raise KeystoreInsecure(f"{what} {path} belongs to another user", fix=f"chown $(id -un) {path}")
    if status.st_mode & _OTHERS:
        mode = stat.S_IMODE(status.st_mode)
        raise KeystoreInsecure(f"others can read {what} {path} (mode {mode:04o})", fix=f"chmod 600 {path}")
    if directory.st_mode & _WRITABLE_BY_OTHERS:
        mode = stat.S_IMODE(directory.st_mode)
        raise KeystoreInsecure(f"others can replace {what} {path} (its folder has mode {mode:04o})",
                               fix=f"chmod 700 {path.parent}")  # fmt: skip


def make_private_directory(path: Path) -> None:
    """Create `path` and its parents for the owner alone; what exists must already be so.

    Raises:
        KeystoreInsecure: others can look into the existing directory.
        KeystoreInvalid: it cannot be made.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise KeystoreInvalid(f"{path} cannot be made: {error.strerror}", fix="give another --keystore-dir") from None
    if mode & _OTHERS:
        raise KeystoreInsecure(f"others can look into {path} (mode {mode:04o})", fix=f"chmod 700 {path}")


def create_private(path: Path, content: bytes) -> None:
    """Write a new file for its owner alone: whole or not at all, never over another.

    Raises:
        KeystoreInvalid: there is a file of that name, or the disk refuses.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
            os.link(unfinished, path)
        finally:
            unfinished.unlink()
    except FileExistsError:
        raise KeystoreInvalid(f"{path} exists already", fix="choose another name; nothing was changed") from None
    except OSError as error:
        raise KeystoreInvalid(
            f"{path} cannot be written: {error.strerror}", fix="give another --keystore-dir"
        ) from None


def _read(path: Path, *, what: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeystoreInvalid(f"{what} {path} cannot be read: {error.strerror}", fix=f"check the path {path}") from None
    if len(content) > _LARGEST:
        raise KeystoreInvalid(f"{what} {path} is larger than 64 KiB", fix=f"check the path {path}")
    return content
