"""Files and folders that decide what is signed, used only while nobody else can read or change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from defilev_signer.errors import Unusable

__all__ = ["check_directory", "read_own", "read_private"]

_OTHERS = 0o077
_WRITABLE_BY_OTHERS = 0o022
_LARGEST = 256 * 1024


def read_private(path: Path, *, what: str) -> bytes:
    """Return the content of a file that only its owner can read; raises `Unusable` for any other."""
    return _read(path, what=what, forbidden=_OTHERS, fix=f"chmod 600 {path}")


def read_own(path: Path, *, what: str) -> bytes:
    """Return the content of a file that only its owner can write; raises `Unusable` for any other."""
    return _read(path, what=what, forbidden=_WRITABLE_BY_OTHERS, fix=f"chmod 644 {path}")


def check_directory(path: Path, *, what: str) -> None:
    """Raise `Unusable` unless `path` is a folder of mode 0700 of our own."""
    try:
        status = path.lstat()
    except OSError as error:
        raise Unusable(f"{what} {path}: {error.strerror}", fix=f"mkdir -m 700 {path}") from None
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid() or status.st_mode & _OTHERS:
        raise Unusable(f"{what} {path} is not a folder of our own with mode 0700", fix=f"chmod 700 {path}")


def _read(path: Path, *, what: str, forbidden: int, fix: str) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise Unusable(f"{what} {path} cannot be read: {error.strerror}", fix=f"check the path {path}") from None
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.geteuid():
            raise Unusable(f"{what} {path} is not a file of our own", fix="give a file that belongs to this user")
        if status.st_mode & forbidden:
            raise Unusable(f"{what} {path} has mode {stat.S_IMODE(status.st_mode):04o}", fix=fix)
        _check_folder(path, what)
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise Unusable(f"{what} {path} is larger than {_LARGEST} bytes", fix=f"check the path {path}")
    return content


def _check_folder(path: Path, what: str) -> None:
    if path.parent.stat().st_mode & _WRITABLE_BY_OTHERS:
        raise Unusable(f"others can replace {what} {path}: its folder is open to them", fix=f"chmod 700 {path.parent}")
