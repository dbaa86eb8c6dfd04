"""The signer as a real process: what it shows, what it survives, what it refuses, and what it cannot reach."""

from __future__ import annotations

import base64
import json
import os
import resource
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from defilev.errors import KeystoreForAnotherAccount, PolicyViolation, SignerUnreachable
from defilev.execute.remote_signer import RemoteSigner
from defilev.execute.transaction import TransactionFields, decode_signed
from defilev.model.request import Address, Call
from tests.factories import USDC, WETH
from tests.support.signing import PASSWORD, ROOT, SignerProcess, signer_command, signer_folder, start_signer
from tests.support.trial_legal import KEY, OWNER, trial_policy
from tests.unit.policy_cases import POOL, STRANGER, Markets

ON = Markets(owner=OWNER)
LINUX = sys.platform == "linux"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Everything a signer needs."""
    return signer_folder(tmp_path / "signer", key=KEY, policy=trial_policy())


@pytest.fixture
def signer(folder: Path) -> Iterator[SignerProcess]:
    """A running signer."""
    running = start_signer(folder)
    yield running
    running.stop()


def fields(amount: int = 10**18, *, nonce: int = 7, **changes: Any) -> TransactionFields:
    """A withdrawal of WETH."""
    _, call = ON.withdraw(WETH, amount)
    made = TransactionFields(1, nonce, 10**8, 10**10, 400_000, call.to, 0, call.data)
    return replace(made, **changes)


def refused(folder: Path, *options: str, password: bytes = PASSWORD) -> str:
    """Start a signer that must not start; return what it says."""
    with pytest.raises(AssertionError) as raised:
        start_signer(folder, *options, password=password)
    return str(raised.value)


def secrets_in(content: bytes) -> list[str]:
    """Return which forms of the key or the password stand in `content`."""
    forms = {
        "raw": KEY,
        "hex": KEY.hex().encode(),
        "capital hex": KEY.hex().upper().encode(),
        "number": str(int.from_bytes(KEY, "big")).encode(),
        "base64": base64.b64encode(KEY),
        "repr": repr(KEY).encode(),
        "password": PASSWORD,
    }
    return [name for name, form in forms.items() if form in content]


def assert_no_secret(folder: Path, *others: bytes) -> None:
    """Look through every file below the folder but the keystore."""
    for path in folder.rglob("*"):
        if path.is_file():
            assert [] == secrets_in(path.read_bytes()), path
    for content in others:
        assert [] == secrets_in(content)


def test_it_signs_for_its_client(signer: SignerProcess) -> None:
    """What comes back is the transaction that was asked for, signed by the owner; its words are told line by line."""
    told: list[str] = []
    remote = RemoteSigner.connect(signer.socket, owner=OWNER, tell=told.append)

    signed = decode_signed(remote.sign(fields()))

    assert (fields(), OWNER) == (signed.fields, signed.sender())
    assert 3 == len(told)
    assert told[1].startswith("signer: withdraw 1 WETH (1000000000000000000 of ")


def test_an_approval_is_held_against_the_announced_calls(signer: SignerProcess) -> None:
    """Exactly what the next call takes is signed; without an announcement, or one unit more, it is not."""
    _, repay = ON.repay(USDC, 10**6)
    remote = RemoteSigner.connect(signer.socket, owner=OWNER)
    for amount, announced, allowed in ((10**6, True, True), (10**6 + 1, True, False), (10**6, False, False)):
        _, approve = ON.approve(USDC, POOL, amount)
        remote.announce([Call(approve.to, approve.data), Call(repay.to, repay.data)] if announced else [])
        asked = fields(to=approve.to, data=approve.data)
        if allowed:
            remote.sign(asked)
            continue
        with pytest.raises(PolicyViolation, match="approved amount"):
            remote.sign(asked)


def test_a_refusal_names_the_rule(signer: SignerProcess) -> None:
    """The client raises the policy's error, exit code 7, with what was found and what is allowed."""
    with pytest.raises(PolicyViolation, match="the signer refuses it: to") as raised:
        RemoteSigner.connect(signer.socket, owner=OWNER).sign(fields(to=STRANGER))

    assert 7 == raised.value.exit_code
    assert STRANGER == raised.value.facts["found"]


def test_a_signer_of_another_account_is_refused(signer: SignerProcess) -> None:
    """The client asks for whom it signs before anything else."""
    with pytest.raises(KeystoreForAnotherAccount):
        RemoteSigner.connect(signer.socket, owner=Address(STRANGER))


def test_only_its_user_reaches_it(signer: SignerProcess, folder: Path) -> None:
    """The socket has mode 0600 in a folder of mode 0700; the client refuses a folder that others can look into."""
    assert 0o600 == stat.S_IMODE(signer.socket.stat().st_mode)
    signer.socket.parent.chmod(0o755)

    with pytest.raises(SignerUnreachable, match="others can reach it") as raised:
        RemoteSigner.connect(signer.socket, owner=OWNER)

    assert 8 == raised.value.exit_code


def test_nothing_that_listens_is_said(tmp_path: Path) -> None:
    """A missing socket, and a file that is none, are one sentence with exit code 8."""
    tmp_path.chmod(0o700)
    (tmp_path / "file").touch()
    for name, said in (("none", "No such file"), ("file", "not a socket")):
        with pytest.raises(SignerUnreachable, match=said):
            RemoteSigner.connect(tmp_path / name, owner=OWNER)


def test_what_was_signed_survives_kill_9(folder: Path) -> None:
    """After kill -9 and a restart the nonce is still taken, and the stale socket is replaced."""
    first = start_signer(folder)
    first.sign(fields().unsigned())
    first.process.kill()
    first.process.wait(timeout=10)

    second = start_signer(folder, new=False)
    answers = [second.sign(fields(amount).unsigned()) for amount in (10**18, 2 * 10**18)]
    last = second.ask({"do": "status"})["last_nonce"]
    first.stop()
    second.stop()

    assert ["signed", "denied"] == [next(iter(answer)) for answer in answers]
    assert 7 == last


GARBAGE = [
    b"\n", b"{}\n", b"[]\n", b"null\n", b'{"do":"sign"}\n', b'{"do":"sign","transaction":"0xzz"}\n', b"\xff\xfe\n",
    b"GET / HTTP/1.1\n", b'{"do":"status","key":1}\n', b"[" * 100_000 + b"\n", b'{"do":["sign"]}\n',
    b'{"do":"sign","transaction":7}\n',
    b'{"do":"sign","transaction":"0x02","following":[{"to":"0x00","data":"0x"}]}\n',
    b'{"do":"sign","transaction":"0x02","following":{"to":1}}\n', b'{"do":"export"}\n', b"1" * 5000 + b"\n",
]  # fmt: skip


def test_garbage_neither_stops_it_nor_moves_it(signer: SignerProcess) -> None:
    """Whatever is sent, nothing is signed, and the next request is answered."""
    for request in GARBAGE:
        assert b"signed" not in signer.ask_raw(request)
    assert signer.ask({"do": "status"})["last_nonce"] is None
    assert "signed" in signer.sign(fields().unsigned())


def test_a_slow_client_does_not_hold_it(signer: SignerProcess) -> None:
    """Whoever sends a byte now and then is dropped after five seconds, and the next request is answered."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow, suppress(OSError):
        slow.connect(str(signer.socket))
        for _ in range(60):
            slow.sendall(b" ")
            time.sleep(0.1)

    assert OWNER == signer.ask({"do": "status"})["address"]


def test_the_key_is_nowhere_to_be_seen(folder: Path) -> None:
    """Not in arguments, environment, log, answers, ledger or output, before and after garbage and refusals."""
    signer = start_signer(folder)
    answers = [signer.ask_raw(request) for request in GARBAGE]
    answers.append(
        json.dumps([signer.sign(fields().unsigned()), signer.sign(b"\x04"), signer.ask({"do": "status"})]).encode()
    )
    process = Path(f"/proc/{signer.process.pid}")
    outside = [process.joinpath(name).read_bytes() for name in ("cmdline", "environ") if LINUX and os.geteuid() == 0]
    signer.stop()

    assert_no_secret(folder, *answers, *outside, json.dumps(signer.started).encode())


@pytest.mark.parametrize("crash", [signal.SIGABRT, signal.SIGSEGV, "exception"])
def test_a_crash_leaves_no_key_behind(folder: Path, crash: Any) -> None:
    """Killed by a signal that dumps core, or by an error nobody thought of: no core, no traceback, no key."""
    signer = start_signer(folder, new=True)
    signer.sign(fields().unsigned())
    if crash == "exception":
        if not LINUX:
            pytest.skip("only Linux lets one process take another's file descriptors away")
        resource.prlimit(signer.process.pid, resource.RLIMIT_NOFILE, (3, 3))
        for _ in range(2):  # the one that it waits for already has its descriptor
            with suppress(OSError):
                signer.ask_raw(b"\n")
    else:
        signer.process.send_signal(crash)
    code = signer.process.wait(timeout=10)
    signer.stop()

    assert 0 != code
    assert_no_secret(folder)
    assert [] == [path for path in folder.rglob("*") if path.name.startswith("core")]
    log = signer.log.read_text()
    assert "Traceback" not in log
    if crash == "exception":
        assert "error: unexpected OSError at " in log


def test_a_wrong_password_is_one_sentence(folder: Path) -> None:
    """Nothing listens, and neither password nor key is in what is said."""
    said = refused(folder, password=b"not it")

    assert f"error: the password does not open {folder / 'keys' / 'key'}" in said
    assert "not it" not in said
    assert not (folder / "run" / "signer.sock").exists()


@pytest.mark.parametrize(
    ("place", "mode", "said"),
    [
        ("keys/key", 0o644, "the keystore"),
        ("keys", 0o777, "others can replace the keystore"),
        ("policy.toml", 0o666, "the policy"),
        ("state", 0o755, "the state folder"),
        ("run", 0o755, "the socket's folder"),
    ],
)
def test_what_others_can_touch_is_refused(folder: Path, place: str, mode: int, said: str) -> None:
    """Keystore, policy, state and socket must be the user's own, as ssh wants it."""
    (folder / place).chmod(mode)

    assert said in refused(folder)


def test_two_signers_never_share_a_memory(signer: SignerProcess, folder: Path) -> None:
    """A second process on the same state is refused, whatever its socket is."""
    other = signer_folder(folder.parent / "other", key=KEY, policy=trial_policy())
    (other / "state").rmdir()
    (other / "state").symlink_to(folder / "state")

    assert "not a folder of our own" in refused(other)
    assert "another signer uses" in refused(folder)


def test_a_password_is_never_an_argument(folder: Path) -> None:
    """There is no flag for a password or a key, and without a terminal or a descriptor nothing is unlocked."""
    help_text = subprocess.run(
        [sys.executable, "-m", "defilev_signer", "serve", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    done = subprocess.run(
        signer_command(folder, "--new-state"),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert {"--password-fd"} == {word.strip(",") for word in help_text.split() if "password" in word and word[0] == "-"}
    assert 8 == done.returncode
    assert "no terminal" in done.stderr


@pytest.mark.skipif(not LINUX, reason="only Linux lets a process leave the network; the signer says so elsewhere")
def test_the_network_is_out_of_reach(signer: SignerProcess) -> None:
    """It signs from a network namespace of its own, where even loopback is down, or says that it could not leave."""
    network = signer.ask({"do": "status"})["confinement"]["network"]
    if network.startswith("not denied: unshare was refused"):
        pytest.skip(network)
    namespace = Path(f"/proc/{signer.process.pid}/ns/net")

    assert "denied" == network
    if os.geteuid() == 0:
        assert Path("/proc/self/ns/net").readlink() != namespace.readlink()
    assert "signed" in signer.sign(fields().unsigned())


@pytest.mark.skipif(not LINUX, reason="only Linux has namespaces")
def test_a_namespace_that_gives_no_user_is_not_entered() -> None:
    """Where unshare is allowed and mapping a user is not, the process stays who it was, and says so."""
    code = """
import os
from defilev_signer import sandbox
sandbox._libc()
if os.geteuid() == 0:
    os.setgid(65534)
    os.setuid(65534)
sandbox._prctl(4, 0, "/proc/self belongs to root from here on")
before = os.geteuid(), os.getegid()
network = sandbox.confine()["network"]
assert before == (os.geteuid(), os.getegid())
print(network)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)

    assert "" == done.stderr
    assert "not denied: unshare was refused" in done.stdout


def test_python_code_in_it_cannot_connect() -> None:
    """Once confined, connecting, resolving a name or starting a program raises, on every platform."""
    attempts = """
import socket, subprocess, sys
from defilev_signer.sandbox import deny_in_python
deny_in_python()
for attempt in (
    lambda: socket.create_connection(("127.0.0.1", 9)),
    lambda: socket.getaddrinfo("localhost", 9),
    lambda: subprocess.run([sys.executable, "-V"]),
):
    try:
        attempt()
    except PermissionError as error:
        print(error)
"""
    said = subprocess.run([sys.executable, "-c", attempts], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    assert 3 == said.count("the signer does not do")


def test_it_loads_little_and_nothing_of_what_it_distrusts() -> None:
    """Neither the package that makes transactions nor web3, HTTP or a framework is ever imported."""
    code = (
        "import sys, defilev_signer.__main__, defilev_signer.keystore; print(*(m.split('.')[0] for m in sys.modules))"
    )
    loaded = subprocess.run([sys.executable, "-P", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True,
                            env={"PYTHONPATH": str(ROOT)}).stdout.split()  # fmt: skip

    assert set() == {
        "defilev",
        "web3",
        "httpx",
        "requests",
        "aiohttp",
        "eth_account",
        "eth_abi",
        "numpy",
    } & set(loaded)


def test_check_says_what_can_be_lost(folder: Path) -> None:
    """`defilev-signer check` needs no key and no password."""
    done = subprocess.run(
        [sys.executable, "-m", "defilev_signer", "check", "--policy", folder / "policy.toml"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert "0" == json.loads(done.stdout)["most_lost_in_24_hours"]["sent_elsewhere"]
