"""Rows F53 to F56: where a key, a password or the secret part of a URL must never appear, and what opens a keystore."""

from __future__ import annotations

import base64
import os
import re
import signal
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

from defilev.errors import DefilevError, KeystoreInsecure, KeystoreInvalid, WrongPassword
from defilev.execute.keystore import import_keystore, open_keystore
from defilev.execute.password import read_password_file
from defilev.execute.secret import Secret
from tests.chaos.arena import Arena
from tests.chaos.faultproxy import KINDS, SEND, Rule
from tests.chaos.rows.registry import Mutant, Row, Seen, Stage, check
from tests.chaos.trial import Spec, supervise
from tests.support.signing import PASSWORD, WORK_FACTOR, signer_folder, start_signer
from tests.support.trial_legal import KEY, OWNER, trial_policy

__all__ = ["ROWS"]

PRIVATE_FILE = "defilev/execute/private_file.py"
URL_SECRET = "v2/aLcHeMy0123456789SeCrEtKeY"
READS = ("eth_chainId", "eth_getBlockByNumber", "eth_call", "eth_getTransactionCount", "eth_feeHistory", SEND)
LINUX = Path("/proc/self/environ").exists()


def forms(secret: bytes) -> list[bytes]:
    """Return how a secret may be written: as it is, in hex of both cases, in base 64, as a number."""
    written = [
        secret.hex(),
        secret.hex().upper(),
        base64.b64encode(secret).decode(),
        str(int.from_bytes(secret, "big")),
    ]
    return [secret, *(text.encode() for text in written)]


def files_below(*folders: Path) -> Iterator[Path]:
    """Yield every file, keystores and sockets left out."""
    for folder in folders:
        for path in folder.rglob("*"):
            if path.is_file() and "keys" not in path.parts and path.name != "password":
                yield path


def found_in(secrets: Iterable[bytes], *folders: Path) -> list[str]:
    """Return the files that have one of the secrets."""
    wanted = list(secrets)
    hits = []
    for path in files_below(*folders):
        with suppress(OSError):
            content = path.read_bytes()
            hits += [path.name for secret in wanted if secret in content]
    return hits


def visible(*pids: int) -> bytes:
    """Return what the system shows of processes: their arguments and their environment."""
    shown = b""
    for pid in pids:
        for name in ("cmdline", "environ"):
            with suppress(OSError):
                shown += Path(f"/proc/{pid}/{name}").read_bytes()
    return shown


def canary(stage: Stage, random: Random) -> Seen:
    """F53: a run with a key that is looked for afterwards, wherever anything was written or shown."""
    arena = stage.arena
    arena.begin()
    log = stage.folder / "log"
    secrets = [*forms(arena.key), PASSWORD]
    words = _rebalance(arena, stage.folder, password=random.choice([PASSWORD, b"canary of a password"]))
    kind = random.choice(KINDS)
    if random.random() < 0.5:
        arena.first.inject(Rule(kind, random.choice(READS), count=random.choice([1, None]), value=_value(kind)))
    shown: list[bytes] = []
    with arena.mining():
        by_command = arena.zygote.start(arena.job(role="command", words=words, log=str(log), timeout=0.5))
        by_signer = arena.zygote.start(arena.job(log=str(log), timeout=0.5, journal=str(stage.folder / "other.db")))
        for _ in range(20):
            shown.append(visible(by_command.pid, by_signer.pid, arena.zygote.pid, arena.signer.process.pid))
            if by_command.wait(0.05) is not None and by_signer.wait(0.05) is not None:
                break
        for process in (by_command, by_signer):
            process.signal(random.choice([signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL]))
            process.wait(10)
        arena.first.inject()
    signer = _crashed_signer(stage.folder / "signer", random)
    hits = found_in([*secrets, b"canary of a password"], stage.folder, arena.journal.parent, arena.signer.folder)
    zygote = (arena.folder / "zygote.log").read_bytes()
    hits += ["zygote.log" for each in secrets if each in zygote]
    cores = [path.name for path in stage.folder.rglob("core*")]
    wrong = check(
        **{f"in no file ({', '.join(hits)})": not hits},
        nowhere_among_arguments_and_environments=not any(each in b"".join(shown) for each in secrets[:-1]),
        a_signer_that_crashes_leaves_nothing=not found_in([*forms(KEY), PASSWORD], stage.folder / "signer"),
        there_is_no_core=not cores and signer != 0,
    )
    return Seen(wrong, {"bytes looked at": sum(path.stat().st_size for path in files_below(stage.folder))})


def _rebalance(arena: Arena, folder: Path, *, password: bytes) -> tuple[str, ...]:
    """Return the words that broadcast with a keystore of the owner's."""
    import_keystore(
        folder / "keys", "owner", private_key=Secret(arena.key), password=Secret(PASSWORD), work_factor=WORK_FACTOR
    )
    file = folder / "password"
    file.write_bytes(password)
    file.chmod(0o600)
    return (
        "rebalance", arena.owner, "-p", "aave-v3", "--to-health-factor", "2.3", "--broadcast", "-v", "--engine",
        "simulate-v1", "--keystore", str(folder / "keys" / "owner"), "--password-file", str(file), "--rpc-url",
        arena.first.url, "--address-book", str(arena.world.address_book),
    )  # fmt: skip


def _crashed_signer(folder: Path, random: Random) -> int | None:
    """Start a signer, let it sign nothing, and end it by a signal that dumps core."""
    signer = start_signer(signer_folder(folder, key=KEY, policy=trial_policy()))
    signer.ask({"do": "sign", "transaction": "0x02", "following": []})
    signer.process.send_signal(random.choice([signal.SIGABRT, signal.SIGSEGV]))
    code = signer.process.wait(10)
    signer.stop()
    return code


def _value(kind: str) -> object:
    return {"http": 429, "set": "0x", "delay": 1.0, "lag": 3, "error": (-32000, "no")}.get(kind)


def insecure_keystore(stage: Stage, random: Random) -> Seen:
    """F54: a keystore that others can read, replace or own is not opened, by neither program."""
    folder = stage.folder / "signer"
    signer_folder(folder, key=KEY, policy=trial_policy())
    keystore = folder / "keys" / "key"
    how = ["file", "folder", "link", *(["owner"] if os.geteuid() == 0 else [])][
        stage.number % (3 + (os.geteuid() == 0))
    ]
    match how:
        case "file":
            keystore.chmod(0o600 | random.choice([0o040, 0o004, 0o020, 0o002, 0o044, 0o010, 0o077]))
        case "folder":
            keystore.parent.chmod(0o700 | random.choice([0o020, 0o002, 0o022, 0o077]))
        case "link":
            keystore.rename(keystore.with_name("real"))
            keystore.symlink_to(keystore.with_name("real"))
        case "owner":
            os.chown(keystore, 12345, -1)
    wrong = check(
        **{f"defilev refuses it by name ({how})": _refusal(keystore) in (KeystoreInsecure, KeystoreInvalid)},
        **{f"the signer refuses it ({how})": "error: " in _signer_says(folder, PASSWORD)},
        nothing_listens=not (folder / "run" / "signer.sock").exists(),
    )
    return Seen(wrong)


def _refusal(keystore: Path, password: bytes = PASSWORD) -> type[DefilevError] | None:
    try:
        open_keystore(keystore, password=Secret(password), owner=OWNER)
    except DefilevError as error:
        return type(error)
    return None


def _signer_says(folder: Path, password: bytes) -> str:
    """Return what a signer says that does not start; nothing when it does."""
    try:
        start_signer(folder, password=password).stop()
    except AssertionError as refused:
        return str(refused)
    return ""


def wrong_password(stage: Stage, random: Random) -> Seen:
    """F55: passwords that do not open it, and password files that others can read, unlock nothing."""
    folder = stage.folder / "signer"
    signer_folder(folder, key=KEY, policy=trial_policy())
    keystore, file = folder / "keys" / "key", stage.folder / "password"
    guesses = [
        PASSWORD[:-1],
        PASSWORD + b" ",
        PASSWORD.upper(),
        *(random.randbytes(12).hex().encode() for _ in range(7)),
    ]
    file.write_bytes(PASSWORD)
    file.chmod(0o600 | random.choice([0o040, 0o004, 0o020, 0o002]))
    said = _signer_says(folder, random.choice(guesses[1:]))
    wrong = check(
        ten_guesses_open_nothing={WrongPassword} == {_refusal(keystore, guess) for guess in guesses},
        the_signer_says_one_sentence=said.count("error: ") == 1 and "Traceback" not in said,
        no_guess_is_repeated=not any(guess.decode() in said for guess in guesses),
        nothing_listens=not (folder / "run" / "signer.sock").exists(),
        a_password_file_for_all_is_refused=_is_insecure(file),
        the_right_one_still_opens_it=_refusal(keystore) is None,
    )
    return Seen(wrong)


def _is_insecure(file: Path) -> bool:
    try:
        read_password_file(file)
    except KeystoreInsecure:
        return True
    return False


def secret_url(stage: Stage, random: Random) -> Seen:
    """F56: the URL of the node has a key in it, and the node fails in every way; the key is nowhere."""
    arena = stage.arena
    arena.begin()
    kind = KINDS[stage.number % len(KINDS)]
    method = random.choice(READS)
    arena.first.inject(Rule(kind, method, count=None, skip=random.randrange(3), value=_value(kind)))
    log = stage.folder / "log"
    url = f"{arena.first.url}/{URL_SECRET}"
    words = ("health", arena.owner, "-v", "--rpc-url", url, "--address-book", str(arena.world.address_book))
    with arena.mining():
        told = {"rpc_urls": (url,), "log": str(log), "timeout": 0.3}
        first = arena.zygote.start(arena.job(**told, budget=2))
        command = arena.zygote.start(arena.job(role="command", words=words, **told, budget=2))
        for process in (first, command):
            process.wait(4)
        failed = arena.first.rules[0].hits
        arena.first.inject()
        supervise(arena, Spec(job=told))
    text = log.read_text(errors="replace")
    hits = found_in([URL_SECRET.encode(), URL_SECRET.split("/")[1].encode()], stage.folder, arena.journal.parent)
    wrong = check(
        **{f"the key is in no file ({', '.join(hits)})": not hits},
        no_traceback="Traceback" not in text,
    )
    return Seen(wrong, {"failed calls": failed, "hosts shown": len(re.findall(r"127\.0\.0\.1", text))})


ROWS = (
    Row(
        "F53",
        "a secret in logs, tracebacks, arguments, environment, journal or crash output",
        "a command with a keystore and a process with a signer run into a fault and are ended by SIGABRT, SIGSEGV or "
        "SIGKILL; a signer is crashed; every file that was written and /proc of every process are searched for the key "
        "and the password, in five notations",
        "no hit",
        canary,
        (
            Mutant("defilev_signer/desk.py", ': {lines[1]}")', ' with {self.key._key}")'),
            Mutant(
                "defilev/execute/keystore.py",
                'WrongPassword(f"the password does not open {path}")',
                'WrongPassword(f"{password.reveal().decode()} does not open {path}")',
            ),
        ),
        quick=3,
    ),
    Row(
        "F54",
        "a keystore that others can read, replace or own",
        "other modes of the file or its folder, a link in its place, another owner",
        "neither defilev nor the signer opens it",
        insecure_keystore,
        (
            Mutant(PRIVATE_FILE, "    if status.st_mode & _OTHERS:\n", "    if False:\n"),
            Mutant(PRIVATE_FILE, "    if directory.st_mode & _WRITABLE_BY_OTHERS:\n", "    if False:\n"),
        ),
        quick=4,
    ),
    Row(
        "F55",
        "wrong passwords, and password files that others can read",
        "ten guesses for a keystore, one for a signer's start, a password file of another mode",
        "each is refused by name, nothing listens, no guess is repeated; the right one still opens it",
        wrong_password,
        (Mutant("defilev/execute/password.py", 'read_private(path, what="the password file")', "path.read_bytes()"),),
        quick=2,
    ),
    Row(
        "F56",
        "an RPC URL with a key in it, and a node that fails",
        "each kind of failure on some method, without end; the command, the pipeline and their journal",
        "the key is in no output, log or journal",
        secret_url,
        (Mutant("defilev/chain/transport.py", "self.name = redact_url(self._url)", "self.name = self._url"),),
        quick=4,
    ),
)
