"""The Unix socket: in a private folder, for processes of the same user, one request at a time."""

from __future__ import annotations

import json
import os
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from defilev_signer.errors import Unusable
from defilev_signer.private_file import check_directory

__all__ = ["listening", "peer_user", "serve"]

LARGEST = 1024 * 1024
PATIENCE = 5.0
"""Seconds that a client may take for its request."""

_MOST_BRACKETS = 512
_LOCAL_PEERCRED = 1  # of macOS; its level is 0


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen at `path`, which must lie in a folder of mode 0700; the file is removed at the end.

    Raises:
        Unusable: the folder is open to others, or a live signer listens there.
    """
    check_directory(path.parent, what="the socket's folder")
    _remove_dead(path)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        path.chmod(0o600)
        listener.listen(8)
    except OSError as error:
        raise Unusable(
            f"{path} cannot be listened at: {error}", fix="choose a short path in a folder of your own"
        ) from None
    try:
        yield listener
    finally:
        listener.close()
        path.unlink(missing_ok=True)


def serve(listener: socket.socket, answer: Callable[[Any], dict[str, Any]], log: Callable[[str], None]) -> None:
    """Answer requests until a signal ends the process."""
    while True:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(PATIENCE)
            try:
                _serve_one(connection, answer, log)
            except (OSError, ValueError, RecursionError) as error:
                log(f"a request was dropped: {type(error).__name__}")


def peer_user(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, as the kernel says it."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    else:
        credentials = connection.getsockopt(0, _LOCAL_PEERCRED, 76)
        _, user = struct.unpack_from("2I", credentials)
    return int(user)


def _serve_one(connection: socket.socket, answer: Callable[[Any], dict[str, Any]], log: Callable[[str], None]) -> None:
    user = peer_user(connection)
    if user != os.geteuid():
        log(f"a process of user {user} was turned away")
        return
    reply = answer(_parsed(_line(connection)))
    connection.sendall(json.dumps(reply).encode() + b"\n")


def _parsed(line: bytes) -> Any:
    """Return what a request says; nested ones are not tried, since parsing them can exhaust the C stack."""
    if line.count(b"[") + line.count(b"{") > _MOST_BRACKETS:
        raise ValueError("the request is nested too deeply")
    return json.loads(line)


def _line(connection: socket.socket) -> bytes:
    received = bytearray()
    deadline = time.monotonic() + PATIENCE
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part or len(received) > LARGEST or time.monotonic() > deadline:
            raise ValueError("the request did not end")
        received += part
    return bytes(received)


def _remove_dead(path: Path) -> None:
    """Remove a socket that nobody listens at any more."""
    if not path.is_socket():
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError:
            path.unlink()
            return
    raise Unusable(f"a signer listens at {path} already", fix="stop it, or choose another --socket")
