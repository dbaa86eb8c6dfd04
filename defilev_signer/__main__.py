"""The command `defilev-signer`: `serve` holds a key, `check` says what a policy allows at most."""

from __future__ import annotations

import argparse
import getpass
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from defilev_signer import sandbox
from defilev_signer.desk import Desk
from defilev_signer.errors import SignerError, Unusable
from defilev_signer.ledger import Ledger
from defilev_signer.loss import most_that_can_be_lost
from defilev_signer.policy_file import load_policy
from defilev_signer.server import listening, serve

__all__ = ["main"]

_LONGEST_PASSWORD = 4096
_FAILED = 8


def main(arguments: list[str] | None = None) -> int:
    """Run one command; a failure is one sentence and one `fix:` line on stderr, exit code 8."""
    sys.excepthook = _hide_everything
    chosen = _parser().parse_args(arguments)
    try:
        return _check(chosen) if chosen.command == "check" else _serve(chosen)
    except SignerError as error:
        print(f"error: {error.fact}\nfix: {error.fix}", file=sys.stderr)
        return _FAILED
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="defilev-signer", description="Holds one key in a process of its own, and signs what its policy allows."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    about = "unlock a keystore once, and sign for processes of this user until it is stopped"
    serving = commands.add_parser("serve", help=about, description=about)
    serving.add_argument("--keystore", type=Path, required=True, metavar="FILE", help="a version 3 keystore, mode 0600")
    serving.add_argument(
        "--socket", type=Path, required=True, metavar="PATH", help="where to listen; its folder has 0700"
    )
    serving.add_argument("--state", type=Path, required=True, metavar="DIR", help="what was signed before; mode 0700")
    serving.add_argument("--new-state", action="store_true", help="make the state; refused when it is there")
    serving.add_argument(
        "--password-fd", type=int, metavar="N", help="read the password from this open file; asked for when left out"
    )
    serving.add_argument("--no-network", action="store_true", help="refuse to start where the network cannot be denied")
    about = "read a policy and say what whoever commands the signer could at most take"
    checking = commands.add_parser("check", help=about, description=about)
    for command in (serving, checking):
        command.add_argument("--policy", type=Path, required=True, metavar="FILE", help="what may be signed (TOML)")
    return parser


def _check(chosen: argparse.Namespace) -> int:
    policy = load_policy(chosen.policy)
    print(json.dumps({"policy": policy.digest, "most_lost_in_24_hours": most_that_can_be_lost(policy)}, indent=2))
    return 0


def _serve(chosen: argparse.Namespace) -> int:
    policy = load_policy(chosen.policy)
    password = _password(chosen.password_fd)
    confinement = sandbox.confine()
    if chosen.no_network and confinement["network"] != "denied":
        raise Unusable(f"the network is {confinement['network']}", fix="leave out --no-network, or allow namespaces")
    signal.signal(signal.SIGTERM, _stop)
    ledger = Ledger(chosen.state, policy, new=chosen.new_state, clock=time.time)
    with listening(chosen.socket) as listener:
        sandbox.deny_in_python()
        from defilev_signer.keystore import Key  # only now: it loads other people's code

        key = Key.opened(chosen.keystore, password, owner=policy.account.owner)
        del password
        desk = Desk(policy, key, ledger, confinement, _log)
        started = {"listening": str(chosen.socket), "address": key.address, "policy": policy.digest}
        print(json.dumps(started | {"confinement": confinement}), flush=True)
        serve(listener, desk.answer, _log)
    return 0


def _password(descriptor: int | None) -> bytes:
    """Return the password from an open file, which is closed, or from the terminal."""
    if descriptor is None:
        if not sys.stdin.isatty():
            raise Unusable("there is no terminal to type a password on", fix="give --password-fd N")
        return getpass.getpass("keystore password: ", stream=sys.stderr).encode()
    try:
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_LONGEST_PASSWORD + 1)
    except OSError as error:
        raise Unusable(
            f"no password can be read from file {descriptor}: {error.strerror}", fix="open it first"
        ) from None
    line = content.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line or len(content) > _LONGEST_PASSWORD:
        raise Unusable("the password is not one line", fix="write the password, and nothing else")
    return line


def _log(line: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {line}", file=sys.stderr, flush=True)


def _stop(*_: Any) -> NoReturn:
    sys.exit(0)


def _hide_everything(kind: type[BaseException], _: BaseException, traceback: TracebackType | None) -> None:
    """Say where an unexpected error happened, without its words, which might quote a secret."""
    place = "nowhere"
    while traceback is not None:
        place = f"{Path(traceback.tb_frame.f_code.co_filename).name}:{traceback.tb_lineno}"
        traceback = traceback.tb_next
    print(f"error: unexpected {kind.__name__} at {place}\nfix: report this line", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
