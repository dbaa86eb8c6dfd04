from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from defilev.cli.app import main
from defilev.execute.keystore import import_keystore, open_keystore, parse_private_key
from defilev.execute.private_file import create_private
from defilev.execute.secret import Secret

KEY = "c0ffee" * 10 + "abcd"
PASSWORD = "correct horse"


@pytest.fixture
def password_file(tmp_path: Path) -> Path:
    """A file with the password, for its owner alone."""
    path = tmp_path / "password"
    create_private(path, f"{PASSWORD}\n".encode())
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one cheap keystore, `main`."""
    path = tmp_path / "keystores"
    import_keystore(
        path, "main", private_key=parse_private_key(KEY), password=Secret(PASSWORD.encode()), work_factor=16
    )
    return path


def owner() -> str:
    """The account of KEY."""
    from eth_account import Account

    return str(Account.from_key(KEY).address)


def piped(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let stdin be a pipe that holds `text`."""
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))


def test_a_key_is_imported_from_a_pipe(
    tmp_path: Path, password_file: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The key comes in by stdin, the file opens with the password, and neither is printed."""
    piped(monkeypatch, f"0x{KEY}\n")
    folder = tmp_path / "mine"

    code = main(
        ["wallet", "import", "main", "--keystore-dir", str(folder), "--password-file", str(password_file), "--json"]
    )

    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert 0 == code
    assert ("defilev/wallet-import@1", owner()) == (document["schema"], document["address"])
    assert bytes.fromhex(KEY) == open_keystore(folder / "main", password=Secret(PASSWORD.encode())).reveal()
    assert KEY not in captured.out + captured.err
    assert PASSWORD not in captured.out + captured.err


def test_a_new_key_is_made(tmp_path: Path, password_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The name, address and place are printed, and that there is no other copy."""
    folder = tmp_path / "mine"

    code = main(["wallet", "new", "main", "--keystore-dir", str(folder), "--password-file", str(password_file)])

    captured = capsys.readouterr()
    assert 0 == code
    assert captured.out.startswith("main  0x")
    assert "no other copy" in captured.err
    assert 0o600 == (folder / "main").stat().st_mode & 0o777


def test_keystores_are_listed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Name, whole address, place and use, also as JSON; what cannot be used says why."""
    foundry = folder / "foundry"
    foundry.write_text(
        json.dumps({k: v for k, v in json.loads((folder / "main").read_text()).items() if k != "address"})
    )
    foundry.chmod(0o600)
    (folder / "open").write_text("{}")
    (folder / "open").chmod(0o644)

    assert 0 == main(["wallet", "ls", "--keystore-dir", str(folder)])
    text = capsys.readouterr().out
    assert 0 == main(["wallet", "ls", "--keystore-dir", str(folder), "--json"])
    entries = {entry["name"]: entry for entry in json.loads(capsys.readouterr().out)["keystores"]}

    assert owner() in text
    assert "(locked: it holds no address)" in text
    assert "others can read" in text
    assert (owner(), None) == (entries["main"]["address"], entries["main"]["problem"])
    assert entries["foundry"]["address"] is None
    assert "others can read" in entries["open"]["problem"]


def test_no_keystores_is_an_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A machine without keystores is told how to make one, exit code 0."""
    assert 0 == main(["wallet", "ls", "--keystore-dir", str(tmp_path / "none")])

    captured = capsys.readouterr()
    assert "no keystores in" in captured.out
    assert "next: defilev wallet new NAME" in captured.err


def test_an_address_is_printed(folder: Path, password_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From the file where it says so, else by opening it."""
    assert 0 == main(["wallet", "address", "main", "--keystore-dir", str(folder)])
    assert f"{owner()}\n" == capsys.readouterr().out

    document = json.loads((folder / "main").read_text())
    del document["address"]
    (folder / "main").write_text(json.dumps(document))
    arguments = ["wallet", "address", "main", "--keystore-dir", str(folder), "--password-file", str(password_file)]
    assert 0 == main(arguments)
    assert f"{owner()}\n" == capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "code", "fix"),
    [
        (["wallet", "address", "absent"], 8, "fix: see `defilev wallet ls`"),
        (["wallet", "new", "../up"], 2, "fix: use letters"),
        (["wallet", "new", "main"], 8, "fix: choose another name"),
        (["wallet", "new", "other", "--no-input"], 2, "fix: give --password-file"),
        (["wallet", "import", "other", "--no-input"], 2, "fix: copy the key again"),
        (["wallet", "new", KEY], 2, "fix: take that key for leaked"),
    ],
)
def test_bad_input_has_one_fix(
    folder: Path,
    arguments: list[str],
    code: int,
    fix: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Each mistake has its exit code and one fix line, changes nothing, and shows no key."""
    before = sorted(folder.iterdir())
    piped(monkeypatch, "not a key\n")

    assert code == main([*arguments, "--keystore-dir", str(folder)])

    captured = capsys.readouterr()
    assert 1 == captured.err.count("fix: ")
    assert fix in captured.err
    assert "Traceback" not in captured.err
    assert KEY not in captured.out + captured.err
    assert before == sorted(folder.iterdir())


def test_a_password_is_typed_unseen(tmp_path: Path) -> None:
    """On a terminal the key and the password are asked for without echo; two different answers write nothing."""
    folder = tmp_path / "mine"
    typed = [KEY, PASSWORD, "another"]
    code, seen = on_a_terminal(["wallet", "import", "main", "--keystore-dir", str(folder)], typed, home=tmp_path)

    assert 2 == code
    assert "the two passwords differ" in seen
    assert not any(secret in seen for secret in typed)
    assert not folder.exists()


def on_a_terminal(arguments: list[str], answers: list[str], *, home: Path) -> tuple[int, str]:
    """Run defilev on a terminal of its own, answer each question, and return the exit code and what was shown."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", "import sys; from defilev.cli.app import main; sys.exit(main())", *arguments]
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "TERM": "dumb"}
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=environment, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = ""
        for answer in answers:
            while not seen.endswith(": "):
                seen += os.read(ours, 4096).decode()
            os.write(ours, answer.encode() + b"\n")
            seen += " "
        seen += _rest(ours)
        os.close(ours)
    return process.returncode, seen


def _rest(terminal: int) -> str:
    shown = b""
    while True:
        try:
            more = os.read(terminal, 4096)
        except OSError:
            return shown.decode()
        if not more:
            return shown.decode()
        shown += more
