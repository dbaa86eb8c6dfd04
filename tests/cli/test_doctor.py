"""`defilev doctor`: what it finds on a healthy machine, and each thing that can be wrong."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.cli.app import main
from defilev.config.address_book import load_address_book
from tests.support.http_node import http_node
from tests.support.world import World

NOWHERE = "0x" + "de" * 20


@dataclass(frozen=True)
class Findings:
    """The exit code, each check by name, and what was said on stderr."""

    code: int
    checks: dict[str, dict[str, Any]]
    err: str

    def problems(self) -> list[str]:
        """Return the names of the checks that found a problem."""
        return [name for name, check in self.checks.items() if check["result"] == "problem"]


Doctor = Callable[..., Findings]


@pytest.fixture
def doctor(capsys: pytest.CaptureFixture[str], repository: Path) -> Doctor:
    """Return what runs `defilev doctor --json`, its document checked against the schema."""
    schema = json.loads((repository / "docs/schemas/doctor.schema.json").read_text())

    def run(*arguments: str) -> Findings:
        code = main(["doctor", "--json", *arguments])
        captured = capsys.readouterr()
        document = json.loads(captured.out)

        assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]
        return Findings(code, {check["name"]: check for check in document["checks"]}, captured.err)

    return run


def _node(world: World) -> list[str]:
    return ["--rpc-url", world.rpc_url, "--address-book", str(world.address_book)]


@pytest.mark.world
def test_a_healthy_machine_has_no_problem(doctor: Doctor, world: World) -> None:
    """On the local chain every check passes, and the missing keystore is only a warning."""
    found = doctor(*_node(world))

    assert (0, []) == (found.code, found.problems())
    assert "warning" == found.checks["keystores"]["result"]
    assert {"python", "anvil", "rpc", "clock", "simulation", "chain", "multicall", "uniswap-v3"} <= found.checks.keys()
    assert {"aave-v3 main", "sparklend main", "perp-curie main"} <= found.checks.keys()


@pytest.mark.world
@pytest.mark.parametrize("width", ["80", "140"])
def test_a_person_reads_a_line_for_each_check(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: str
) -> None:
    """Each check has a sign, a name and what was found; the count comes last, a next step goes to stderr."""
    monkeypatch.setenv("COLUMNS", width)
    assert 0 == main(["doctor", *_node(world)])
    printed = capsys.readouterr()
    lines = printed.out.splitlines()

    assert all(line[2] in "✓!" for line in lines[:-1] if line[2] != " ")
    assert {"python", "rpc", "clock"} <= {line.split()[1] for line in lines[:-1] if line[2] != " "}
    assert "0 problems, 1 warning" == lines[-1]
    assert "next: defilev health" in printed.err


def test_without_a_node_it_says_how_to_set_one(doctor: Doctor) -> None:
    """No node is a problem with exit code 4 and one fix."""
    found = doctor()

    assert (4, ["rpc"]) == (found.code, found.problems())
    assert "fix: set DEFILEV_RPC_URL, or give --rpc-url URL" in found.err.splitlines()
    assert 1 == found.err.count("fix:")


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        ({}, "method not found"),
        ({"eth_chainId": lambda _: b"<html>Sign in</html>"}, "HTML"),
        ({"eth_chainId": lambda _: 1}, "is not a hex quantity"),
        (
            {
                "eth_chainId": lambda _: "0x1",
                "eth_getBlockByNumber": lambda _: None,
                "eth_blockNumber": lambda _: "0x5",
            },
            "no block",
        ),
    ],
)
def test_a_node_that_is_none_is_found_out(doctor: Doctor, answers: Any, said: str) -> None:
    """HTML, wrong types, missing methods and null blocks are problems of the node, not crashes."""
    with http_node(answers) as url:
        found = doctor("--rpc-url", url)

    assert (4, ["rpc"]) == (found.code, found.problems())
    assert said in found.checks["rpc"]["text"]


def test_a_secret_in_the_url_is_not_shown(doctor: Doctor) -> None:
    """The path of the node's URL, where keys live, is in no output."""
    with http_node({}) as url:
        found = doctor("--rpc-url", f"{url}/v3/secret-key")

    assert "secret-key" not in json.dumps(found.checks) + found.err


@pytest.mark.world
def test_another_chain_than_expected_is_a_problem(doctor: Doctor, world: World) -> None:
    """--chain that is not the node's, and a chain without an address book, are named."""
    other = doctor(*_node(world), "--chain", "base")
    unknown = doctor("--rpc-url", world.rpc_url)

    assert (4, ["chain"], "the node is of chain 31337, not of base (8453)") == (
        other.code,
        other.problems(),
        other.checks["chain"]["text"],
    )
    assert (4, ["chain"]) == (unknown.code, unknown.problems())
    assert "--address-book" in unknown.checks["chain"]["fix"]


@pytest.mark.world
@pytest.mark.parametrize(
    ("key", "address", "check", "said"),
    [
        ("pool_addresses_provider", NOWHERE, "aave-v3 main", "no contract code at pool_addresses_provider"),
        ("pool_addresses_provider", "multicall3", "aave-v3 main", "does not lead to a pool"),
        ("comet", NOWHERE, "compound-v3 usdc", "no contract code at comet"),
        ("comet", "pool_addresses_provider", "compound-v3 usdc", "nothing there answers baseToken()"),
        ("factory", "multicall3", "uniswap-v3", "belongs to factory"),
        ("quoter_v2", "multicall3", "uniswap-v3", "belongs to factory none"),
        ("multicall3", NOWHERE, "multicall", "no Multicall3"),
    ],
)
def test_an_address_book_that_is_wrong_is_found_out(
    doctor: Doctor, world: World, tmp_path: Path, key: str, address: str, check: str, said: str
) -> None:
    """Entry points without code, or that are another contract than their name says, are problems."""
    book = load_address_book(None, extra=[world.address_book])
    venue = book.uniswap_v3
    assert venue is not None
    entries: dict[str, str] = {
        "multicall3": book.multicall3,
        "pool_addresses_provider": book.markets[0].entry_points["pool_addresses_provider"],
        "factory": venue.factory,
        "quoter_v2": venue.quoter_v2,
        "swap_router_02": venue.swap_router_02,
    }
    entries[key] = entries.get(address, address)
    comet = [f'[compound-v3.usdc]\ncomet = "{entries.pop("comet")}"'] if "comet" in entries else []
    lines = [f'{name} = "{value}"' for name, value in entries.items()]
    path = tmp_path / "book.toml"
    head = ["[chain]", "id = 31337", 'name = "local"']
    path.write_text("\n".join([*head, lines[0], "[aave-v3.main]", lines[1], *comet, "[uniswap-v3]", *lines[2:]]))
    found = doctor("--rpc-url", world.rpc_url, "--address-book", str(path))

    assert (4, [check]) == (found.code, found.problems())
    assert said in found.checks[check]["text"]


@pytest.mark.world
@pytest.mark.parametrize(
    ("shift", "result", "said"),
    [(-3600, "problem", "min old"), (-5, "ok", "s old"), (600, "problem", "behind the chain")],
)
def test_an_old_head_and_a_wrong_clock_are_problems(
    doctor: Doctor, world: World, shift: int, result: str, said: str
) -> None:
    """A node that stands still, or a machine whose clock is behind, is noticed; a test node keeps its own time."""
    header = world.rpc("eth_getBlockByNumber", "latest", False)
    moved = header | {"timestamp": hex(int(time.time()) + shift)}
    answers = {
        "web3_clientVersion": lambda _: "Geth/v1.16.0",
        "eth_getBlockByNumber": lambda _: moved,
    }
    with http_node(answers, forward=world.rpc_url) as url:
        found = doctor("--rpc-url", url, "--address-book", str(world.address_book))

    assert result == found.checks["clock"]["result"]
    assert said in found.checks["clock"]["text"]


@pytest.mark.world
def test_a_node_without_simulation_is_still_healthy(doctor: Doctor, world: World) -> None:
    """Without eth_simulateV1 plans are tried on an anvil fork: no problem, but said."""

    def refuse(_: list[Any]) -> bytes:
        return b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"the method does not exist"}}'

    def simulate(params: list[Any]) -> Any:
        return refuse(params)

    with http_node({"eth_simulateV1": simulate}, forward=world.rpc_url) as url:
        found = doctor("--rpc-url", url, "--address-book", str(world.address_book))

    assert "simulation" not in found.problems()
    assert "eth_simulateV1" in found.checks["simulation"]["text"]


def test_a_missing_anvil_is_a_warning_and_a_broken_one_a_problem(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """An anvil that is named and not there is a warning with its fix; one that does not run is a problem."""
    monkeypatch.setenv("DEFILEV_ANVIL", str(tmp_path / "absent"))
    absent = doctor().checks["anvil"]
    broken = tmp_path / "anvil"
    broken.write_text("#!/bin/sh\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("DEFILEV_ANVIL", str(broken))

    assert ("warning", "set DEFILEV_ANVIL to the anvil binary") == (absent["result"], absent["fix"])
    assert "problem" == doctor().checks["anvil"]["result"]


def test_keystores_that_cannot_be_used_are_named(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file in the keystore folder that others can read is a warning."""
    monkeypatch.setenv("DEFILEV_KEYSTORE_DIR", str(tmp_path))
    (tmp_path / "main").write_text("{}")
    (tmp_path / "main").chmod(0o644)
    found = doctor().checks["keystores"]

    assert "warning" == found["result"]
    assert found["text"].startswith("main cannot be used")


def test_settings_of_the_folder_that_steer_money_are_a_warning(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What ./.env says about the node is used for reading, and named as not taken for a broadcast."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DEFILEV_RPC_URL=http://127.0.0.1:1\n")
    found = doctor().checks["settings"]

    assert "warning" == found["result"]
    assert "rpc_url (./.env:1)" in found["text"]


@pytest.mark.world
def test_a_book_that_cannot_be_used_is_a_problem(doctor: Doctor, world: World, tmp_path: Path) -> None:
    """A book in use is counted, and one with a mistake in it is named with its place."""
    book = tmp_path / "book.toml"
    book.write_text(f'[owners.main]\naddress = "{world.account("mixed")}"\n')
    good = doctor(*_node(world), "--book", str(book))
    book.write_text("[owners.main]\nadress = 1\n")
    bad = doctor(*_node(world), "--book", str(book))

    assert (0, "1 owners, 0 chains, 0 overlays") == (good.code, good.checks["book"]["text"])
    assert (4, ["book"]) == (bad.code, bad.problems())
    assert "[owners.main] has an unknown key adress" in bad.checks["book"]["text"]
