"""A signer in another process, behind a Unix socket; it decodes and judges by itself what it is asked to sign."""

from __future__ import annotations

import json
import os
import socket
import stat
import struct
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from defilev.abi import parse_address
from defilev.errors import InvalidAddress, KeystoreForAnotherAccount, PolicyViolation, SignerUnreachable
from defilev.execute.transaction import TransactionFields
from defilev.model.codec import parse_json
from defilev.model.request import Address, Call

__all__ = ["RemoteSigner"]

TIMEOUT = 30.0
"""Seconds to wait for an answer: the signer writes to disk before it signs."""

_LARGEST = 1024 * 1024
_LOCAL_PEERCRED = 1  # of macOS; its level is 0
_OTHERS = 0o077

Tell: TypeAlias = Callable[[str], None]


def _keep_quiet(_: str) -> None:
    """Tell nobody."""


class RemoteSigner:
    """Asks the process that listens at a socket; holds no key."""

    __slots__ = ("_address", "_calls", "_path", "_place", "_tell")

    def __init__(self, path: Path, *, address: Address, tell: Tell) -> None:
        self._path = path
        self._address = address
        self._tell = tell
        self._calls: tuple[Call, ...] = ()
        self._place = 0

    @classmethod
    def connect(cls, path: Path, *, owner: Address, tell: Tell = _keep_quiet) -> RemoteSigner:
        """Return the signer at `path`, once it has said that it signs for `owner`.

        Args:
            tell: hears, line by line, what the signer says that it signs, decoded by itself.

        Raises:
            SignerUnreachable: nobody listens there, others could, or what answers is not a signer.
            KeystoreForAnotherAccount: it signs for another account.
        """
        said = _ask(path, {"do": "status"}).get("address")
        try:
            address = parse_address(str(said))
        except InvalidAddress:
            raise _unreachable(path, "what listens there does not say for whom it signs") from None
        if address != owner:
            raise KeystoreForAnotherAccount(f"the signer at {path} is another account's", holds=address, needed=owner)
        return cls(path, address=address, tell=tell)

    @property
    def address(self) -> Address:
        return self._address

    def announce(self, calls: Sequence[Call]) -> None:
        """Say which calls will be signed, in their order: an approval is held against those that come after it."""
        self._calls = tuple(calls)
        self._place = 0

    def sign(self, fields: TransactionFields) -> bytes:
        """Return the signed transaction; the caller compares it with `fields`.

        Raises:
            PolicyViolation: the signer's own policy forbids it; names the rule.
            SignerUnreachable: it does not answer, or not as a signer does.
        """
        request = {"do": "sign", "transaction": "0x" + fields.unsigned().hex(), "following": self._following(fields)}
        answer = _ask(self._path, request)
        if "denied" in answer:
            raise _refused(answer["denied"])
        try:
            raw = bytes.fromhex(answer["signed"].removeprefix("0x"))
            lines = list(map(str, answer["summary"]))
        except (KeyError, ValueError, AttributeError, TypeError):
            raise _unreachable(self._path, str(answer.get("error", "its answer is no signature"))) from None
        for line in lines:
            self._tell(f"signer: {line}")
        return raw

    def _following(self, fields: TransactionFields) -> list[dict[str, str]]:
        """Return the announced calls after this one; a call that is signed again is found again."""
        wanted = Call(fields.to, fields.data)
        again = max(self._place - 1, 0)
        for place in (*range(again, len(self._calls)), *range(again)):
            if self._calls[place] == wanted:
                self._place = place + 1
                return [{"to": call.to, "data": "0x" + call.data.hex()} for call in self._calls[place + 1 :]]
        return []

    def __repr__(self) -> str:
        return f"RemoteSigner({self._address} at {self._path})"


def _ask(path: Path, request: dict[str, Any]) -> dict[str, Any]:
    """Send one request and return its answer, an object."""
    _require_private(path)
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(TIMEOUT)
            connection.connect(str(path))
            if (user := _peer_user(connection)) != os.geteuid():
                raise _unreachable(path, f"a process of user {user} listens there")
            connection.sendall(json.dumps(request).encode() + b"\n")
            answer = parse_json(_line(connection))
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _unreachable(path, said or type(error).__name__) from None
    if not isinstance(answer, dict):
        raise _unreachable(path, "its answer is not an object")
    return answer


def _line(connection: socket.socket) -> bytes:
    received = bytearray()
    while not received.endswith(b"\n"):
        part = connection.recv(65536)
        if not part or len(received) > _LARGEST:
            raise ValueError("it closed the connection without an answer")
        received += part
    return bytes(received)


def _require_private(path: Path) -> None:
    try:
        status, folder = path.lstat(), path.parent.stat()
    except OSError as error:
        raise _unreachable(path, str(error.strerror)) from None
    if not stat.S_ISSOCK(status.st_mode):
        raise _unreachable(path, "it is not a socket")
    if status.st_uid != os.geteuid() or folder.st_uid != os.geteuid() or folder.st_mode & _OTHERS:
        raise _unreachable(path, f"others can reach it; its folder must be yours, mode 0700: chmod 700 {path.parent}")


def _peer_user(connection: socket.socket) -> int:
    """Return the user of the process at the other end, as the kernel says it."""
    if sys.platform == "linux":
        size = struct.calcsize("3i")
        _, user, _ = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size))
    else:
        _, user = struct.unpack_from("2I", connection.getsockopt(0, _LOCAL_PEERCRED, 76))
    return int(user)


def _refused(denied: Any) -> PolicyViolation:
    said = denied if isinstance(denied, dict) else {}
    return PolicyViolation(
        f"the signer refuses it: {said.get('rule', 'no rule named')}",
        fix="nothing was signed; look at the signer's policy and its log, and make a new plan",
        found=said.get("found", "?"),
        allowed=said.get("allowed", "?"),
    )


def _unreachable(path: Path, why: str) -> SignerUnreachable:
    return SignerUnreachable(f"the signer at {path} cannot be used: {why}")
