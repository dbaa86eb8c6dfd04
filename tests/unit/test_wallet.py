from __future__ import annotations

import copy
import json
import os
import pickle
import stat
import traceback
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from hypothesis import given, strategies as st

from defilev.errors import (
    DefilevError,
    KeyFailure,
    KeystoreForAnotherAccount,
    KeystoreInsecure,
    KeystoreInvalid,
    UsageError,
    WrongPassword,
)
from defilev.execute.keystore import (
    address_of,
    create_keystore,
    find_keystore,
    import_keystore,
    list_keystores,
    open_keystore,
    parse_private_key,
)
from defilev.execute.password import new_password, obtain_password, read_password_file
from defilev.execute.private_file import create_private
from defilev.execute.secret import Secret
from defilev.execute.signer import KeystoreSigner
from defilev.execute.transaction import TransactionFields
from defilev.model.request import Address

KEY = "c0ffee" * 10 + "abcd"
OWNER = Account.from_key(KEY).address
PASSWORD = Secret(b"correct horse")
CHEAP = 2**4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder for keystores that does not exist yet."""
    return tmp_path / "keystores"


@pytest.fixture
def keystore(folder: Path) -> Path:
    """A keystore of OWNER."""
    return _imported(folder)


def _imported(folder: Path, name: str = "main") -> Path:
    return import_keystore(folder, name, private_key=parse_private_key(KEY), password=PASSWORD, work_factor=CHEAP).path


def _rewritten(path: Path, **changes: Any) -> Path:
    document = json.loads(path.read_text())
    path.write_text(json.dumps({name: value for name, value in (document | changes).items() if value is not None}))
    return path


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_keystore_opens_with_its_password(keystore: Path) -> None:
    """What was imported comes back."""
    assert bytes.fromhex(KEY) == open_keystore(keystore, password=PASSWORD, owner=OWNER).reveal()


def test_a_keystore_is_for_its_owner_alone(keystore: Path) -> None:
    """The file has mode 0600 and its folder 0700, whatever the umask is."""
    assert 0o600 == _mode(keystore)
    assert 0o700 == _mode(keystore.parent)


def test_a_new_keystore_holds_a_new_key(folder: Path) -> None:
    """Two new keystores hold two keys, each of the address that it names."""
    first, second = (create_keystore(folder, name, password=PASSWORD, work_factor=CHEAP) for name in ("a", "b"))

    assert first.address != second.address
    assert first.address == address_of(open_keystore(first.path, password=PASSWORD))


def test_new_keystores_cost_an_attacker_seconds_per_guess(folder: Path) -> None:
    """Unless told otherwise a keystore asks for scrypt with n = 2^18."""
    path = create_keystore(folder, "main", password=PASSWORD).path

    assert 2**18 == json.loads(path.read_text())["crypto"]["kdfparams"]["n"]


def test_other_tools_open_our_keystores(keystore: Path) -> None:
    """The file is what eth-account takes for a version 3 keystore."""
    assert bytes.fromhex(KEY) == Account.decrypt(json.loads(keystore.read_text()), PASSWORD.reveal().decode())


def test_foundry_keystores_are_listed_as_locked_and_open(keystore: Path) -> None:
    """A keystore without an address is listed without one, and opens."""
    _rewritten(keystore, address=None)

    assert [("main", None, None)] == [(e.name, e.address, e.problem) for e in list_keystores(keystore.parent)]
    assert bytes.fromhex(KEY) == open_keystore(keystore, password=PASSWORD, owner=OWNER).reveal()


def test_geth_keystores_open(keystore: Path) -> None:
    """An address without 0x in lower case, and capitals in the names of fields, are fine."""
    document = json.loads(keystore.read_text())
    _rewritten(keystore, address=OWNER[2:].lower(), Crypto=document["crypto"], crypto=None)

    assert OWNER == list_keystores(keystore.parent)[0].address
    assert bytes.fromhex(KEY) == open_keystore(keystore, password=PASSWORD, owner=OWNER).reveal()


def test_pbkdf2_keystores_open(keystore: Path) -> None:
    """The other key derivation of version 3 is understood."""
    keystore.write_text(json.dumps(Account.encrypt(bytes.fromhex(KEY), "correct horse", kdf="pbkdf2", iterations=100)))

    assert bytes.fromhex(KEY) == open_keystore(keystore, password=PASSWORD, owner=OWNER).reveal()


def test_a_wrong_password_says_so(keystore: Path) -> None:
    """The error is of its own class, exit code 8, and shows neither the password nor the key."""
    wrong = Secret(PASSWORD.reveal() + b"!")

    with pytest.raises(WrongPassword) as raised:
        open_keystore(keystore, password=wrong, owner=OWNER)

    assert 8 == raised.value.exit_code
    assert "horse" not in _everything_about(raised.value)


@pytest.mark.parametrize("claimed", [True, False])
def test_a_keystore_of_another_account_is_refused(keystore: Path, claimed: bool) -> None:  # noqa: FBT001
    """The wrong account is named, from the file before the password is tried, else from the key."""
    other = Address("0x00000000219ab540356cBB839Cbe05303d7705Fa")
    if not claimed:
        _rewritten(keystore, address=None)

    with pytest.raises(KeystoreForAnotherAccount) as raised:
        open_keystore(keystore, password=Secret(b"wrong") if claimed else PASSWORD, owner=other)

    assert {"holds": OWNER, "needed": other} == raised.value.facts


def test_a_keystore_that_names_another_address_than_its_key_is_refused(keystore: Path) -> None:
    """The address in the file is a claim, which opening it tests."""
    _rewritten(keystore, address="00000000219ab540356cbb839cbe05303d7705fa")

    with pytest.raises(KeystoreInvalid, match="not that of the address it names"):
        open_keystore(keystore, password=PASSWORD)


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o606, 0o610])
def test_a_keystore_that_others_can_touch_is_refused(keystore: Path, mode: int) -> None:
    """Any right of group or world is refused, with the command that repairs it."""
    keystore.chmod(mode)

    with pytest.raises(KeystoreInsecure) as raised:
        open_keystore(keystore, password=PASSWORD)

    assert f"chmod 600 {keystore}" == raised.value.fix
    assert 8 == raised.value.exit_code


def test_a_keystore_that_others_can_replace_is_refused(keystore: Path) -> None:
    """A folder in which others can write is refused."""
    keystore.parent.chmod(0o777)

    with pytest.raises(KeystoreInsecure, match="replace"):
        open_keystore(keystore, password=PASSWORD)


def test_a_link_to_a_keystore_is_refused(keystore: Path) -> None:
    """A symbolic link is not followed: what it leads to can be exchanged."""
    link = keystore.with_name("link")
    link.symlink_to(keystore)

    with pytest.raises(KeystoreInvalid, match="not a regular file"):
        open_keystore(link, password=PASSWORD)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_keystore_of_another_user_is_refused(keystore: Path) -> None:
    """A file that somebody else owns is refused."""
    os.chown(keystore, 12345, 12345)

    with pytest.raises(KeystoreInsecure, match="another user"):
        open_keystore(keystore, password=PASSWORD)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "not json",
        "[]",
        "null",
        "{}",
        '{"version": 3}',
        '{"version": 4, "crypto": {}}',
        '{"version": "3", "crypto": {}}',
        '{"version": 3, "crypto": {"cipher": "aes-128-cbc"}}',
        '{"version": 3, "crypto": {"cipher": "aes-128-ctr", "kdf": "scrypt"}}',
        "[" * 5000,
        "x" * 70_000,
    ],
)
def test_a_file_that_is_no_keystore_is_refused(keystore: Path, content: str) -> None:
    """Anything but a version 3 keystore has one error, exit code 8, without a traceback of a library."""
    keystore.write_text(content)

    with pytest.raises(KeystoreInvalid) as raised:
        open_keystore(keystore, password=PASSWORD)

    assert 8 == raised.value.exit_code


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("kdfparams", {"n": 2**40}),
        ("kdfparams", {"n": 0}),
        ("kdfparams", {"n": 3}),
        ("kdfparams", {"r": "8"}),
        ("kdfparams", {"dklen": 16}),
        ("kdfparams", {"salt": "zz"}),
        ("kdfparams", {"salt": None}),
        ("cipherparams", {"iv": 7}),
        ("cipherparams", {"iv": None}),
    ],
)
def test_a_keystore_with_broken_parameters_is_refused(keystore: Path, part: str, change: dict[str, Any]) -> None:
    """Parameters that would hang, exhaust or crash the library are named as an invalid keystore."""
    crypto = json.loads(keystore.read_text())["crypto"]
    _rewritten(keystore, crypto=crypto | {part: crypto[part] | change})

    with pytest.raises((KeystoreInvalid, WrongPassword)):
        open_keystore(keystore, password=PASSWORD)


@pytest.mark.parametrize("field", ["ciphertext", "mac", "kdf", "kdfparams", "cipherparams"])
def test_a_keystore_with_a_missing_part_is_refused(keystore: Path, field: str) -> None:
    """Every part is needed."""
    crypto = json.loads(keystore.read_text())["crypto"]
    crypto.pop(field)
    _rewritten(keystore, crypto=crypto)

    with pytest.raises(KeystoreInvalid):
        open_keystore(keystore, password=PASSWORD)


def test_a_missing_keystore_says_its_path(folder: Path) -> None:
    """A path without a file is a key failure, not a crash."""
    with pytest.raises(KeystoreInvalid, match="nothing here"):
        open_keystore(folder / "nothing here", password=PASSWORD)


def test_a_keystore_is_never_written_over(keystore: Path) -> None:
    """A taken name is refused, and the old keystore is untouched."""
    before = keystore.read_bytes()

    with pytest.raises(KeystoreInvalid, match="exists already"):
        create_keystore(keystore.parent, "main", password=PASSWORD, work_factor=CHEAP)
    with pytest.raises(KeystoreInvalid, match="exists already"):
        create_private(keystore, b"another")

    assert before == keystore.read_bytes()
    assert [keystore] == list(keystore.parent.iterdir())


def test_a_folder_that_others_can_look_into_is_refused(folder: Path) -> None:
    """Nothing is written into a folder with mode 0755."""
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)

    with pytest.raises(KeystoreInsecure) as raised:
        create_keystore(folder, "main", password=PASSWORD, work_factor=CHEAP)

    assert f"chmod 700 {folder}" == raised.value.fix
    assert [] == list(folder.iterdir())


@pytest.mark.parametrize("name", ["", ".", "..", "../main", "a/b", "a b", "-x", ".hidden", "x" * 129, "na\nme"])
def test_a_name_is_not_a_path(folder: Path, name: str) -> None:
    """Names that would leave the folder, hide in it or look like a flag are a usage error, exit code 2."""
    with pytest.raises(UsageError) as raised:
        create_keystore(folder, name, password=PASSWORD, work_factor=CHEAP)

    assert 2 == raised.value.exit_code
    assert not folder.exists()


def test_a_key_typed_as_a_name_is_not_repeated(folder: Path) -> None:
    """A private key or a mnemonic in place of the name is refused unseen, and told to be taken for leaked."""
    with pytest.raises(UsageError, match="where a name belongs") as raised:
        create_keystore(folder, KEY, password=PASSWORD, work_factor=CHEAP)
    with pytest.raises(UsageError) as phrase:
        create_keystore(folder, "test " * 11 + "junk", password=PASSWORD, work_factor=CHEAP)

    assert KEY not in _everything_about(raised.value)
    assert "leaked" in raised.value.fix
    assert "test test" not in str(phrase.value)


def test_an_empty_password_is_refused(folder: Path) -> None:
    """A new keystore needs a password."""
    with pytest.raises(UsageError, match="empty password"):
        create_keystore(folder, "main", password=Secret(b""), work_factor=CHEAP)

    assert not folder.exists()


def test_a_keystore_is_found_by_name(keystore: Path, tmp_path: Path) -> None:
    """The first folder that has the name wins, with or without .json; an unknown name says where it was sought."""
    second = tmp_path / "foundry"
    other = _imported(second, "other.json")

    assert keystore == find_keystore("main", (keystore.parent, second))
    assert other == find_keystore("other", (keystore.parent, second))
    with pytest.raises(KeyFailure, match="no keystore called 'absent'"):
        find_keystore("absent", (keystore.parent, second))


def test_a_listing_says_what_is_wrong_with_a_file(keystore: Path) -> None:
    """Files that cannot be used are listed with the reason; hidden files and folders are not listed."""
    (keystore.parent / "open").write_text(keystore.read_text())
    (keystore.parent / "open").chmod(0o644)
    (keystore.parent / ".hidden").write_text("")
    (keystore.parent / "folder").mkdir()

    found = {entry.name: entry for entry in list_keystores(keystore.parent)}

    assert {"main", "open"} == set(found)
    assert found["main"].problem is None
    assert "others can read" in (found["open"].problem or "")


def test_no_folder_means_no_keystores(folder: Path) -> None:
    """A machine without keystores lists none."""
    assert () == list_keystores(folder)


@pytest.mark.parametrize(
    "text", ["", "0x", KEY[:-1], KEY + "0", "0x" + "0" * 64, "f" * 64, "g" * 64, "test " * 11 + "junk", "0X" + KEY]
)
def test_what_is_no_private_key_is_refused_unseen(text: str) -> None:
    """The refusal is a usage error and quotes nothing of what was typed."""
    with pytest.raises(UsageError) as raised:
        parse_private_key(text)

    assert len(text) < 8 or text[:8] not in _everything_about(raised.value)


@pytest.mark.parametrize("text", [KEY, "0x" + KEY, KEY.upper(), f"  {KEY}\n"])
def test_a_private_key_is_read_with_or_without_its_prefix(text: str) -> None:
    """Prefix, capitals and white space around it do not matter."""
    assert bytes.fromhex(KEY) == parse_private_key(text).reveal()


@pytest.mark.parametrize(
    ("content", "password"), [(b"s3cret\n", b"s3cret"), (b"s3cret\r\n", b"s3cret"), (b" s ", b" s ")]
)
def test_a_password_file_is_its_line(tmp_path: Path, content: bytes, password: bytes) -> None:
    """The line break at the end is not part of the password; spaces are."""
    path = tmp_path / "password"
    create_private(path, content)

    assert password == read_password_file(path).reveal()


def test_a_password_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """As with keystores, and with the command that repairs it."""
    path = tmp_path / "password"
    create_private(path, b"s3cret\n")
    path.chmod(0o644)

    with pytest.raises(KeystoreInsecure) as raised:
        read_password_file(path)

    assert f"chmod 600 {path}" == raised.value.fix


def test_a_password_file_has_one_line(tmp_path: Path) -> None:
    """Two lines are a mistake, since either could be meant."""
    path = tmp_path / "password"
    create_private(path, b"one\ntwo\n")

    with pytest.raises(UsageError, match="more than one line"):
        read_password_file(path)


def test_a_password_comes_from_file_then_systemd_then_prompt(tmp_path: Path) -> None:
    """The file wins over the credential, the credential over the prompt."""
    path = tmp_path / "password"
    create_private(path, b"from file\n")
    credentials = tmp_path / "credentials"
    credentials.mkdir()

    def ask(question: str) -> str:
        return "from prompt"

    def password(**given: Path) -> bytes:
        sources: dict[str, Any] = {"password_file": None, "credentials_directory": credentials, "prompt": ask}
        return obtain_password(**(sources | given)).reveal()

    assert b"from prompt" == password()
    (credentials / "defilev-password").write_text("from systemd")
    assert b"from systemd" == password()
    assert b"from file" == password(password_file=path)


def test_without_a_source_a_password_is_a_usage_error() -> None:
    """Where nobody may be asked, the error names the flag."""
    with pytest.raises(UsageError) as raised:
        obtain_password(password_file=None, credentials_directory=None, prompt=None)

    assert "give --password-file" == raised.value.fix


def test_a_new_password_is_typed_twice() -> None:
    """Two different answers, or an empty one, write nothing."""
    answers = iter(["one", "one", "one", "two", ""])

    def ask(question: str) -> str:
        return next(answers)

    assert b"one" == new_password(password_file=None, prompt=ask).reveal()
    with pytest.raises(UsageError, match="differ"):
        new_password(password_file=None, prompt=ask)
    with pytest.raises(UsageError, match="empty"):
        new_password(password_file=None, prompt=ask)


FIELDS = TransactionFields(31337, 0, 1, 2, 21000, OWNER, 0, b"")


def test_a_signer_shows_nothing_of_its_key() -> None:
    """Neither text, attributes nor copies of a signer or a secret hold the key."""
    secret = parse_private_key(KEY)
    signer = KeystoreSigner(secret)

    for value in (secret, signer):
        shown = f"{value!r} {value!s} {value} {getattr(value, '__dict__', None)}"
        assert KEY not in shown.lower()
        assert repr(bytes.fromhex(KEY)) not in shown
        for clone in (copy.copy, copy.deepcopy, pickle.dumps):
            with pytest.raises(TypeError):
                clone(value)
    assert f"KeystoreSigner({OWNER})" == repr(signer)


@pytest.mark.parametrize("change", [{"to": "nonsense"}, {"data": object()}, {"nonce": "1"}, {"chain_id": None}])
def test_a_failed_signature_shows_nothing_of_the_key(change: dict[str, Any]) -> None:
    """Whatever the library refuses becomes one error, exit code 8, whose traceback holds neither key nor fields."""
    values: dict[str, Any] = {name: getattr(FIELDS, name) for name in FIELDS.__slots__}
    signer = KeystoreSigner(parse_private_key(KEY))

    with pytest.raises(KeyFailure) as raised:
        signer.sign(TransactionFields(**(values | change)))

    assert 8 == raised.value.exit_code
    assert raised.value.__suppress_context__
    assert KEY not in _everything_about(raised.value)


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=1, max_size=40))
def test_no_error_of_a_keystore_shows_a_secret(
    tmp_path_factory: pytest.TempPathFactory, key: bytes, password: bytes
) -> None:
    """Whatever key and password: a wrong password's whole traceback holds neither."""
    folder = tmp_path_factory.mktemp("any") / "keystores"
    try:
        parsed = parse_private_key(key.hex())
    except UsageError:
        return
    path = import_keystore(folder, "any", private_key=parsed, password=Secret(password), work_factor=CHEAP).path

    with pytest.raises(WrongPassword) as raised:
        open_keystore(path, password=Secret(password + b"!"))

    assert key == open_keystore(path, password=Secret(password)).reveal()
    shown = _everything_about(raised.value)
    assert key.hex() not in shown
    assert repr(password) not in shown


def _everything_about(error: DefilevError) -> str:
    lines = traceback.TracebackException.from_exception(error, capture_locals=False).format()
    return "".join(lines) + repr(error) + repr(error.facts) + error.fix
