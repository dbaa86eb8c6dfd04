"""Takes away from this process what it does not need: the network, core dumps, being looked into.

What the platform refuses is said, never passed over.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import resource
import socket
import sys
from pathlib import Path
from typing import Any, NoReturn

__all__ = ["confine", "deny_in_python", "network_state"]

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_SET_DUMPABLE = 4
_SET_NO_NEW_PRIVILEGES = 38
_LOCK_NOW_AND_LATER = 3
_FORBIDDEN = (
    *("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"),
    *("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.forkpty", "pty.spawn"),
)


def confine() -> dict[str, str]:
    """Confine this process for good; return what came of each measure, in words.

    It must run before there are threads. Unix sockets stay usable: they are files.
    """
    os.umask(0o077)
    done = {"network": _leave_network(), "core dumps": _no_core_dumps()}
    if sys.platform == "linux":
        done["inspection"] = _prctl(_SET_DUMPABLE, 0, "denied to processes of the same user (not to root)")
        done["new privileges"] = _prctl(_SET_NO_NEW_PRIVILEGES, 1, "denied")
        done["swap"] = "denied" if _libc().mlockall(_LOCK_NOW_AND_LATER) == 0 else "not denied: mlockall was refused"
    else:
        done["inspection"] = f"not denied: {sys.platform} has no prctl"
        done["swap"] = f"not denied on {sys.platform}"
    return done


def network_state() -> str:
    """Return whether this process can reach its own host by IP, found out by trying."""
    with contextlib.closing(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as probe:
        try:
            probe.connect(("127.0.0.1", 9))
        except OSError:
            return "denied"
    return "not denied"


def deny_in_python() -> None:
    """Refuse connections and new processes inside the interpreter from here on.

    This stops a dependency that phones home in Python code. It is no boundary against native code.
    """

    def refuse(event: str, _: tuple[Any, ...]) -> None:
        if event in _FORBIDDEN:
            _refuse(event)

    sys.addaudithook(refuse)


def _refuse(event: str) -> NoReturn:
    raise PermissionError(f"the signer does not do {event}")


def _leave_network() -> str:
    """Move into a network namespace of its own, which has no way out."""
    if sys.platform != "linux":
        return f"not denied: {sys.platform} gives a process no way to leave the network; calls in Python are refused"
    refused = _refused_to_a_child()
    if not refused:
        _enter_namespaces()
    elif _libc().unshare(_CLONE_NEWNET) != 0:
        return f"not denied: unshare was refused ({os.strerror(refused)}); calls in Python are refused"
    return network_state()


def _refused_to_a_child() -> int:
    """Return the error number that entering the namespaces meets, 0 for none.

    Some platforms give a process a user namespace and then no user in it. It has no way back, so that a child tries.
    """
    child = os.fork()
    if child == 0:
        refused = errno.EPERM
        try:
            _enter_namespaces()
            refused = 0
        except OSError as error:
            refused = error.errno or refused
        finally:
            os._exit(refused)
    return abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))


def _enter_namespaces() -> None:
    """Move into a user namespace and a network namespace, as the same user; raises `OSError`."""
    user, group = os.geteuid(), os.getegid()
    if _libc().unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1", encoding="ascii")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1", encoding="ascii")


def _no_core_dumps() -> str:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return "denied"


def _prctl(option: int, value: int, done: str) -> str:
    if _libc().prctl(option, value, 0, 0, 0) == 0:
        return done
    return f"not denied: prctl {option} was refused ({os.strerror(ctypes.get_errno())})"


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)
