"""`defilev config` and `defilev protocols`: what is set, where the files are, what an address book names."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.cli.app import main
from defilev.config.loading import load_settings, user_config_file
from tests.support.http_node import http_node

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Return what runs `defilev` in an empty folder, and returns its exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.delenv("DEFILEV_RPC_URL", raising=False)
    monkeypatch.delenv("DEFILEV_ANVIL", raising=False)

    def ran(*arguments: str) -> tuple[int, str, str]:
        code = main(list(arguments))
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return ran


def _valid(repository: Path, name: str, text: str) -> Any:
    document = json.loads(text)
    schema = json.loads((repository / f"docs/schemas/{name}.schema.json").read_text())

    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]
    return document


def test_init_writes_a_file_that_changes_nothing(run: Run) -> None:
    """The user's settings file is made for its owner alone, and means the defaults."""
    before = load_settings().values
    code, out, err = run("config", "init")

    assert (0, f"wrote {user_config_file()}\n") == (code, out)
    assert "next: defilev config show --origin" in err
    assert 0o600 == user_config_file().stat().st_mode & 0o777
    assert before == load_settings().values


def test_init_never_overwrites(run: Run, tmp_path: Path) -> None:
    """A file that exists stays as it is, whichever one it is."""
    (tmp_path / "defilev.toml").write_text("timeout = 3\n")
    code, out, err = run("config", "init", "--here")

    assert (2, "") == (code, out)
    assert "exists already" in err
    assert "timeout = 3\n" == (tmp_path / "defilev.toml").read_text()


def test_show_names_each_origin_and_masks_secrets(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each line has a key, a value as one would write it, and where it comes from; the URL's path is masked."""
    monkeypatch.setenv("DEFILEV_RPC_URL", "https://node.example/v3/secret-key")
    (tmp_path / "defilev.toml").write_text('[prices]\nstale_after = "2h"\nby_asset = { WETH = "1h" }\n')
    code, out, err = run("config", "show", "--origin", "--block", "5")
    words = [line.split() for line in out.splitlines()]

    assert 0 == code
    assert ["rpc_url", "https://node.example/••••", "env", "DEFILEV_RPC_URL"] in words
    assert ["prices.stale_after", "2h", "./defilev.toml:2"] in words
    assert ["block", "5", "--block"] in words
    assert ["floor", "1.02", "default"] in words
    assert ["prices.by_asset.WETH", "1h"] in [line[:2] for line in words]
    assert "secret-key" not in out + err


def test_show_says_what_a_broadcast_would_not_take(run: Run, tmp_path: Path) -> None:
    """Settings of the folder that steer money are named on stderr."""
    (tmp_path / ".env").write_text("DEFILEV_MAX_SLIPPAGE=40%\n")

    assert "max_slippage from ./.env:1 is not taken for --broadcast" in run("config", "show")[2]


def test_show_in_json(run: Run, repository: Path) -> None:
    """The document has every setting with value and origin, and is valid."""
    document = _valid(repository, "config", run("config", "show", "--json", "--chain", "base")[1])

    assert {"value": "base", "origin": "--chain", "from_cwd": False} == document["settings"]["chain"]


def test_show_fails_on_a_broken_file_with_its_line(run: Run, tmp_path: Path) -> None:
    """A misspelt setting ends with exit code 2, the place, and a suggestion."""
    (tmp_path / "defilev.toml").write_text("\nflor = 1.1\n")
    code, out, err = run("config", "show")

    assert (2, "") == (code, out)
    assert err.startswith("error: ./defilev.toml:2: flor is no setting")
    assert err.endswith("fix: did you mean floor?\n")


def test_a_private_key_in_env_leaves_with_8(run: Run, tmp_path: Path) -> None:
    """Any command refuses to go on beside a plain-text key, without repeating it."""
    (tmp_path / ".env").write_text(f"PRIVATE_KEY=0x{'5e' * 32}\n")
    code, out, err = run("config", "show")

    assert (8, "") == (code, out)
    assert "5e5e" not in err


def test_path_lists_the_files_that_are_read(run: Run, tmp_path: Path) -> None:
    """The first file wins; those that do not exist are marked."""
    (tmp_path / "defilev.toml").write_text("")
    lines = run("config", "path")[1].splitlines()

    assert [[".env", "absent"], ["defilev.toml"], [str(user_config_file()), "absent"]] == [
        line.split() for line in lines
    ]
    assert [".env", "mine.toml"] == [
        line.split()[0] for line in run("config", "path", "--config", "mine.toml")[1].splitlines()
    ]


def test_init_and_path_in_json(run: Run, repository: Path) -> None:
    """Their documents name the same file, and are valid."""
    made = _valid(repository, "config-init", run("config", "init", "--json")[1])
    read = _valid(repository, "config-path", run("config", "path", "--json")[1])

    assert {"path": made["path"], "exists": True} == read["files"][-1]


def test_protocols_of_a_named_chain_need_no_node(run: Run, repository: Path) -> None:
    """With --chain the list comes from the address book alone, as text and as a valid document."""
    code, out, _ = run("protocols", "ls", "--chain", "ethereum")
    document = _valid(repository, "protocols", run("protocols", "ls", "--chain", "ethereum", "--json")[1])

    assert 0 == code
    assert "aave-v3" in out
    assert "0x2f39d218133AFaB8F2B819B1066c7E434Ad94E9e" in out
    assert (1, "ethereum") == (document["chain_id"], document["chain"])
    can = {market["protocol"]: market["abilities"] for market in document["markets"] if market["readable"]}
    assert {"aave-v3", "sparklend", "morpho-blue", "compound-v3"} == can.keys()
    assert ("simulated", "exact") == (can["aave-v3"]["broadcasts"], can["aave-v3"]["self_check"])
    assert ("forked", "consistent") == (can["compound-v3"]["broadcasts"], can["compound-v3"]["self_check"])
    assert "once held on a fork" in out


def test_protocols_of_the_chain_of_the_node(run: Run) -> None:
    """Without --chain the node is asked for its chain id, and for nothing else."""
    with http_node({"eth_chainId": lambda _: hex(10)}) as url:
        code, out, _ = run("protocols", "ls", "--rpc-url", url)

    assert 0 == code
    assert out.startswith("optimism · chain 10 ·")


def test_protocols_without_chain_or_node(run: Run) -> None:
    """Nothing is guessed."""
    code, _, err = run("protocols", "ls")

    assert 2 == code
    assert "fix: give --chain NAME, --rpc-url URL, or one --address-book FILE" in err


def test_a_protocol_that_is_not_read_yet_is_marked(run: Run, tmp_path: Path) -> None:
    """The address book may name more than this version reads."""
    (tmp_path / "book.toml").write_text(
        '[chain]\nid = 5\nname = "five"\nmulticall3 = "0xcA11bde05977b3631167028862bE2a173976CA11"\n'
        '[venus.main]\ncomptroller = "0x54586bE62E3c3580375aE3723C145253060Ca0C2"\n'
    )

    assert "venus (not read yet)" in run("protocols", "ls", "--address-book", "book.toml")[1]
