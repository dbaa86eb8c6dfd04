"""Bad input of every kind: its exit code, one sentence, one fix; no secret, and nothing changed anywhere."""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest

from defilev.model.plan_hash import hash_of
from tests.support.cli import Cli, Printed, assert_refused, credentials, untouched
from tests.support.http_node import http_node
from tests.support.world import World

pytestmark = pytest.mark.world

SECRET = "k3y-in-the-path"
TO_TWO = ("--to-health-factor", "2")
WRONG_CHECKSUM = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293bc"

ROWS: dict[str, tuple[tuple[str, ...], int, str]] = {
    # who
    "malformed address": (("0x1234", *TO_TWO), 2, "'0x1234' is not 0x and 40 hex digits"),
    "no address at all": (("", *TO_TWO), 2, "not 0x and 40 hex digits"),
    "wrong checksum": ((WRONG_CHECKSUM, *TO_TWO), 2, "wrong checksum"),
    "ENS name without a registry": (("vitalik.eth", *TO_TWO), 4, "no ENS registry is known"),
    "ENS name that is none": (("a b.eth", *TO_TWO), 4, "no ENS registry is known"),
    "name of a book": (("@main", *TO_TWO), 2, "no book file names @main"),
    "no position": (("empty", *TO_TWO), 7, "has no position on aave-v3 main"),
    "no position to close": (("empty", "--close"), 7, "has no position on aave-v3 main"),
    "a contract": (("0x87870Bca3F3fD6335C3F4ce8392D69350B4fA4E2", *TO_TWO), 7, "has no position"),
    "the zero address": (("0x" + "0" * 40, *TO_TWO), 7, "has no position"),
    # where
    "unknown protocol": (("mixed", *TO_TWO, "-p", "avee-v3"), 2, "'avee-v3'"),
    "unknown market": (("mixed", *TO_TWO, "--market", "mian"), 2, "'mian'"),
    "unknown chain": (("mixed", *TO_TWO, "--chain", "atlantis"), 2, "atlantis"),
    "another chain": (("mixed", *TO_TWO, "--chain", "ethereum"), 4, "the node is of chain 31337, not of ethereum"),
    "block of the future": (("mixed", *TO_TWO, "--block", "99999999"), 4, "no block 99999999"),
    "block that is none": (("mixed", *TO_TWO, "--block", "-1"), 2, "'-1' is not a block"),
    "block before the market": (("mixed", *TO_TWO, "--block", "0"), 4, "block 0"),
    # goals
    "no goal": (("mixed",), 2, "a plan needs one goal"),
    "two goals": (("mixed", *TO_TWO, "--close"), 2, "a plan needs one goal"),
    "health factor 0": (("mixed", "--to-health-factor", "0"), 2, "--to-health-factor '0' is not above 1"),
    "health factor 1": (("mixed", "--to-health-factor", "1"), 2, "--to-health-factor '1' is not above 1"),
    "health factor -5%": (("mixed", "--to-health-factor", "-5%"), 2, "'-5%'"),
    "health factor 1e400": (("mixed", "--to-health-factor", "1e400"), 2, "'1e400'"),
    "health factor nan": (("mixed", "--to-health-factor", "nan"), 2, "'nan'"),
    "health factor inf": (("mixed", "--to-health-factor", "inf"), 2, "'inf'"),
    "health factor of nothing": (("mixed", "--to-health-factor", ""), 2, "--to-health-factor ''"),
    "leverage 0": (("mixed", "--to-leverage", "0"), 2, "--to-leverage '0' is not above 1"),
    "leverage -2": (("mixed", "--to-leverage", "-2"), 2, "--to-leverage '-2' is not above 1"),
    "leverage nan": (("mixed", "--to-leverage", "nan"), 2, "'nan'"),
    "below the current health": (("mixed", "--to-health-factor", "1.66"), 7, "already, not below the target 1.66"),
    "above the current leverage": (("mixed", "--to-leverage", "5"), 7, "a leverage of 5 is out of reach"),
    "below the floor": (("loop", "--to-health-factor", "1.3", "--floor", "1.5"), 7, "below the floor of 1.5"),
    "nothing owed": (("debt-free", *TO_TWO), 7, "owes nothing"),
    "liquidatable": (("liquidatable", *TO_TWO), 7, "the position can be liquidated"),
    "absurdly high": (("mixed", "--to-health-factor", "1e60"), 7, ""),
    # limits
    "slippage 0": (("mixed", *TO_TWO, "--max-slippage", "0%"), 2, "--max-slippage 0% is not above 0%"),
    "slippage 60 %": (("mixed", *TO_TWO, "--max-slippage", "60%"), 2, "--max-slippage 60% is not above 0% and at most"),
    "slippage -5%": (("mixed", *TO_TWO, "--max-slippage", "-5%"), 2, "--max-slippage -5%"),
    "slippage 1e400%": (("mixed", *TO_TWO, "--max-slippage", "1e400%"), 2, "'1e400'"),
    "slippage nan": (("mixed", *TO_TWO, "--max-slippage", "nan%"), 2, "'nan'"),
    "slippage without a percent sign": (("mixed", *TO_TWO, "--max-slippage", "0.5"), 2, "has no percent sign"),
    "slippage below every fee": (("short", *TO_TWO, "--max-slippage", "0.0001%"), 7, ""),
    "floor 0.9": (("mixed", *TO_TWO, "--floor", "0.9"), 2, "--floor 0.9 is not between 1 and 2"),
    "floor nan": (("mixed", *TO_TWO, "--floor", "nan"), 2, "'nan'"),
    "expires at once": (("mixed", *TO_TWO, "--expires", "0"), 2, "--expires '0' is not a duration"),
    "expires in the past": (("mixed", *TO_TWO, "--expires", "-5m"), 2, "--expires '-5m' is not a duration"),
    "expires in an eternity": (("mixed", *TO_TWO, "--expires", "9" * 400 + "d"), 2, "--expires"),
    "a debt that is none": (("mixed", *TO_TWO, "--repay", "WBTC"), 2, "WBTC"),
    "a collateral that is none": (("mixed", *TO_TWO, "--sell", "USDC"), 2, "USDC"),
    # what to do
    "an engine that is none": (("mixed", *TO_TWO, "--engine", "guess"), 2, "'guess'"),
    "two ways to act": (("mixed", *TO_TWO, "--sign-only", "--broadcast"), 2, "contradict each other"),
    "two keystores": (("mixed", *TO_TWO, "--sign-only", "--account", "a", "--keystore", "b"), 2, "contradict"),
    "a plan and a goal": (("mixed", *TO_TWO, "--plan", "plan.json"), 2, "contradict each other"),
    "a plan that is absent": (("mixed", "--plan", "absent.json"), 2, "absent.json cannot be read"),
    "a plan that is a folder": (("mixed", "--plan", "."), 2, "cannot be read"),
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run in a working directory of the test's own."""
    inside = tmp_path / "work"
    inside.mkdir()
    monkeypatch.chdir(inside)
    return inside


ONLY_REBALANCE = "engine", "to act", "keystores", "a plan "
"""Words in the names of the rows whose flags `plan` does not have."""


@pytest.mark.parametrize("row", ROWS)
def test_what_cannot_be_meant_or_done(cli: Cli, folder: Path, row: str) -> None:
    """Every row ends with its code, one sentence and one fix, and changes nothing; with --json in one document."""
    arguments, code, said = ROWS[row]
    words = (*arguments, *(() if "-p" in arguments else ("-p", "aave-v3")))

    with untouched(cli.world, folder):
        assert_refused(cli("rebalance", *words, "--json"), code=code, said=said, is_json=True)
        if not any(part in row for part in ONLY_REBALANCE):
            assert_refused(cli("plan", *words, "-o", "plan.json"), code=code, said=said)


def test_an_ens_name_is_followed_or_says_where_it_ends(cli: Cli, folder: Path) -> None:
    """A name with a resolver and an address is that account; without either it says which is missing."""
    registry, resolver, owner = "0x" + "e1" * 20, "0x" + "e2" * 20, cli.world.account("mixed")
    book = folder / "book.toml"
    book.write_text(cli.world.address_book.read_text().replace("[chain]", f'[chain]\nens_registry = "{registry}"'))
    node = ("--rpc-url", cli.world.rpc_url, "--address-book", str(book))
    ask = ("plan", "someone.eth", "-p", "aave-v3", *TO_TWO)

    def answering(address: str, answer: str) -> None:
        cli.world.rpc("anvil_setCode", address, f"0x73{answer[2:]}60005260206000f3")

    assert_refused(cli(*ask, node=node), code=4, said="someone.eth has no resolver")
    answering(registry, "0x" + "0" * 40)
    assert_refused(cli(*ask, node=node), code=4, said="someone.eth has no resolver")
    answering(registry, resolver)
    assert_refused(cli(*ask, node=node), code=4, said="someone.eth has no address")
    answering(resolver, owner)
    found = cli(*ask, node=node)
    assert 0 == found.code, found.err
    assert owner in found.out
    assert_refused(cli("plan", "a b.eth", "-p", "aave-v3", *TO_TWO, node=node), code=2, said="not a valid ENS name")


# ------------------------------------------------------------------------------------------------ nodes


@contextmanager
def _silent() -> Iterator[str]:
    """Serve a socket that takes requests and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"


@contextmanager
def _absent() -> Iterator[str]:
    """Give the URL of a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    yield f"http://127.0.0.1:{port}"


Node = Callable[[str], Any]
HTML = b"<html><body>Sign in to go on</body></html>"
PRUNED = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"missing trie node 1234"}}'

NODES: dict[str, tuple[Node, str]] = {
    "refused": (lambda real: _absent(), "connection refused"),
    "silent": (lambda real: _silent(), "did not answer within 0.2 s"),
    "HTML": (lambda real: http_node({"eth_chainId": lambda _: HTML}, forward=real), "answered with HTML, not JSON"),
    "nothing": (lambda real: http_node({"eth_chainId": lambda _: b""}, forward=real), "answered with nothing"),
    "half a document": (lambda real: http_node({"eth_chainId": lambda _: b'{"id'}, forward=real), "is not JSON"),
    "a list": (lambda real: http_node({"eth_chainId": lambda _: b"[]"}, forward=real), "not a JSON object"),
    "chain id in words": (lambda real: http_node({"eth_chainId": lambda _: "one"}, forward=real), "chain id"),
    "null block": (lambda real: http_node({"eth_getBlockByNumber": lambda _: None}, forward=real), "has no block"),
    "block without fields": (lambda real: http_node({"eth_getBlockByNumber": lambda _: {}}, forward=real), "block"),
    "no state": (lambda real: http_node({"eth_call": lambda _: PRUNED}, forward=real), "does not have the state"),
    "no methods": (lambda real: http_node({}), "method not found"),
}


@pytest.mark.parametrize(
    ("fault", "command"),
    [*((fault, "rebalance") for fault in NODES), ("refused", "health"), ("silent", "plan"), ("null block", "health")],
)
def test_a_node_that_is_no_use(
    cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch, fault: str, command: str
) -> None:
    """Whatever is wrong with the node, every command says it in one sentence, without the key in the URL: exit 4."""
    monkeypatch.setenv("DEFILEV_TIMEOUT", "0.2")
    node, said = NODES[fault]
    arguments = ("mixed",) if command == "health" else ("mixed", "-p", "aave-v3", *TO_TWO)
    with untouched(cli.world, folder), node(cli.world.rpc_url) as url:
        printed = cli.through(f"{url}/v3/{SECRET}")(command, *arguments, "--json")

    assert_refused(printed, code=4, said=said, is_json=True, secrets=[SECRET])


def test_a_node_of_another_chain(cli: Cli, folder: Path) -> None:
    """A node whose chain has an address book that is not of this chain's contracts says that nothing is there."""
    with untouched(cli.world, folder), http_node({"eth_chainId": lambda _: "0x1"}, forward=cli.world.rpc_url) as url:
        asked = cli.through(url)("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, "--chain", "local")
        unnamed = cli.through(url)("health", "mixed", "--chain", "31337")

    assert_refused(asked, code=4, said="the node is of chain 1, not of local")
    assert_refused(unnamed, code=4, said="the node is of chain 1, not of local")


def test_a_chain_without_an_address_book(cli: Cli, folder: Path) -> None:
    """A chain that no address book is for is a usage error that says how to give one."""
    with http_node({"eth_chainId": lambda _: "0x2a"}, forward=cli.world.rpc_url) as url:
        printed = cli.through(url)("health", "mixed")

    assert_refused(printed, code=2, said="no address book is for chain 42")
    assert "--address-book" in printed.fixes[0]


def test_a_missing_anvil(cli: Cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without anvil the engine that needs it says how to get it (4); a setting that is none is a wrong one (2)."""
    ask = ("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, "--engine", "anvil")
    with untouched(cli.world, folder):
        monkeypatch.setenv("DEFILEV_ANVIL", str(folder / "nowhere"))
        assert_refused(cli(*ask), code=2, said="nowhere is not an executable file")
        monkeypatch.delenv("DEFILEV_ANVIL")
        monkeypatch.setattr("sys.executable", str(folder / "python"))
        monkeypatch.setenv("PATH", str(folder))
        assert_refused(cli(*ask, "--json"), code=4, said="no anvil binary was found", is_json=True)


def test_anvil_never_tells_the_url_it_could_not_fork(cli: Cli, folder: Path) -> None:
    """When anvil cannot read the chain, what it says is shown without the key in the URL."""

    def denied(_: list[Any]) -> bytes:
        return f'{{"jsonrpc":"2.0","id":1,"error":{{"code":-32000,"message":"bad {SECRET}"}}}}'.encode()

    faults = dict.fromkeys(("eth_getStorageAt", "eth_getProof", "eth_getBlockByHash", "eth_gasPrice"), denied)
    with untouched(cli.world, folder), http_node(faults, forward=cli.world.rpc_url) as url:
        real = cli.through(f"{url}/v3/{SECRET}")
        printed = real("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, "--engine", "anvil")

    assert f"/v3/{SECRET}" not in printed.out + printed.err
    assert "Traceback" not in printed.err


# ------------------------------------------------------------------------------------------------- keys

Spoil = Callable[[World, Path], tuple[str, ...]]


def _copied(world: World, folder: Path, *, keystore_mode: int = 0o600, password: str | None = None) -> tuple[str, ...]:
    keys = folder / "keys"
    keys.mkdir(mode=0o700)
    keystore, password_file = (keys / path.name for path in world.credentials("mixed"))
    shutil.copy(world.credentials("mixed")[0], keystore)
    shutil.copy(world.credentials("mixed")[1], password_file)
    keystore.chmod(keystore_mode)
    if password is not None:
        password_file.write_text(password)
    password_file.chmod(0o600)
    return ("--keystore", str(keystore), "--password-file", str(password_file))


def _readable_password(world: World, folder: Path) -> tuple[str, ...]:
    flags = _copied(world, folder)
    Path(flags[-1]).chmod(0o644)
    return flags


def _not_a_keystore(world: World, folder: Path) -> tuple[str, ...]:
    flags = _copied(world, folder)
    Path(flags[1]).write_text('{"version": 2}')
    return flags


KEYS: dict[str, tuple[Spoil, int, str]] = {
    "another account's": (lambda world, _: credentials(world, "comfortable"), 8, ""),
    "readable by others": (lambda world, folder: _copied(world, folder, keystore_mode=0o644), 8, "others can read"),
    "password readable by others": (_readable_password, 8, "others can read the password file"),
    "wrong password": (lambda world, folder: _copied(world, folder, password="hunter2-wrong"), 8, "password"),
    "two passwords": (lambda world, folder: _copied(world, folder, password="a\nb"), 2, "more than one line"),
    "not a keystore": (_not_a_keystore, 8, "keystore"),
    "absent": (lambda world, folder: ("--keystore", str(folder / "none.json")), 8, "none.json cannot be read"),
    "absent by name": (lambda world, folder: ("--account", "nobody"), 8, "nobody"),
    "not named": (lambda world, folder: (), 8, "no keystore in"),
    "nobody to ask": (
        lambda world, _: ("--keystore", str(world.credentials("mixed")[0]), "--no-input"),
        2,
        "a password is needed, and nobody may be asked",
    ),
}


@pytest.mark.parametrize("mode", ["--broadcast", "--sign-only"])
@pytest.mark.parametrize("kind", KEYS)
def test_a_key_that_cannot_be_used(cli: Cli, tmp_path: Path, folder: Path, kind: str, mode: str) -> None:
    """A wrong keystore or password ends before anything is signed, and no password or key is told."""
    spoil, code, said = KEYS[kind]
    flags = spoil(cli.world, folder)
    password = cli.world.credentials("mixed")[1].read_text().strip()
    with untouched(cli.world, folder):
        printed = cli("rebalance", "mixed", "-p", "aave-v3", *TO_TWO, mode, *flags, "--json")

    assert_refused(printed, code=code, said=said, is_json=True, secrets=[password, "hunter2"])


# ------------------------------------------------------------------------------------------------ plans

Edit = Callable[[dict[str, Any]], None]


def _rehashed(edit: Edit) -> Edit:
    def edited(document: dict[str, Any]) -> None:
        edit(document)
        document["hash"] = hash_of(document)

    return edited


def _recipient(document: dict[str, Any]) -> None:
    swap = next(step for step in document["steps"] if step["function"].startswith("exactInput"))
    swap["data"] = swap["data"].replace(document["owner"][2:].lower(), "bad" + "0" * 37)


def _unlimited(document: dict[str, Any]) -> None:
    step = next(step for step in document["steps"] if step["function"] == "approve")
    step["data"] = step["data"][:-64] + "f" * 64


def _silenced(document: dict[str, Any]) -> None:
    """Leave only what lowers the health factor, and nothing in the file that would say so."""
    withdraw = next(place for place, step in enumerate(document["steps"]) if step["function"] == "withdraw")
    document["steps"] = document["steps"][withdraw : withdraw + 1]
    document["post_conditions"] = []
    document["floor"] = "0"


def _silenced_with_its_promise(document: dict[str, Any]) -> None:
    _silenced(document)
    document["promise"].update(health_factor="1", lowest_health_factor="1")


PLANS: dict[str, tuple[Edit, int, str]] = {
    "a withdrawal alone": (_rehashed(_silenced), 6, "does not keep its promise"),
    "a withdrawal alone that promises no more": (
        _rehashed(_silenced_with_its_promise),
        6,
        "a deleverage raises the health factor",
    ),
    "edited": (lambda plan: plan.update(floor="1"), 7, "the plan was changed after it was made"),
    "edited step": (lambda plan: plan["steps"][0].update(value="1"), 7, "the plan was changed after it was made"),
    "without a hash": (lambda plan: plan.pop("hash"), 7, "the plan was changed after it was made"),
    "another chain": (_rehashed(lambda plan: plan.update(chain_id="1")), 7, "the plan is for chain 1"),
    "another schema": (lambda plan: plan.update(schema="defilev/plan@9"), 2, "not a plan that this version reads"),
    "another kind of field": (_rehashed(lambda plan: plan.update(steps="all")), 2, "not a Plan: steps"),
    "another owner": (
        _rehashed(lambda plan: plan.update(owner="0x" + "1" * 40)),
        2,
        "the plan is for another position",
    ),
    "another protocol": (_rehashed(lambda plan: plan.update(protocol="sparklend")), 2, "the plan is for another"),
    "no steps": (_rehashed(lambda plan: plan.update(steps=[])), 2, "a plan without steps"),
    "a recipient of one's own": (_rehashed(_recipient), 7, ""),
    "an unlimited approval": (_rehashed(_unlimited), 7, ""),
    "a value": (
        _rehashed(lambda plan: plan["steps"][0].update(value="1")),
        7,
        "step 1 (approve) is not allowed: value",
    ),
    "a slippage without bound": (_rehashed(lambda plan: plan.update(max_slippage="0.9")), 7, "max slippage"),
}


@pytest.mark.parametrize("kind", PLANS)
def test_a_plan_file_is_data_and_never_authority(cli: Cli, folder: Path, kind: str) -> None:
    """A plan that was edited is refused by its hash, and one with a hash of its own by what its bytes do."""
    edit, code, said = PLANS[kind]
    path = folder / "plan.json"
    document = cli.plan(path, "mixed", *TO_TWO)
    edit(document)
    path.write_text(json.dumps(document))
    with untouched(cli.world, folder):
        printed = cli.rebalance("mixed", "--plan", path, "--broadcast", *credentials(cli.world, "mixed"), "--json")

    assert_refused(printed, code=code, said=said, is_json=True)


def _advanced(world: World, *, blocks: int) -> None:
    world.rpc("anvil_mine", hex(blocks), hex(12))


def test_an_expired_plan(cli: Cli, folder: Path) -> None:
    """Past its expiry a plan is begun no more, neither as a dry run nor for real; `simulate` goes back to its block."""
    path = folder / "plan.json"
    cli.plan(path, "mixed", *TO_TWO)
    _advanced(cli.world, blocks=51)
    with untouched(cli.world, folder):
        for mode in ((), ("--broadcast", *credentials(cli.world, "mixed")), ("--unsigned", "unsigned.json")):
            printed = cli.rebalance("mixed", "--plan", path, *mode, "--json")
            assert_refused(printed, code=7, said="the plan expired at block", is_json=True)
        assert 0 == cli("simulate", path).code


@pytest.mark.parametrize(
    "content", [b"", b"{", b"\xff\xfe", b"[1]", b"null", b'{"schema": "defilev/health@1"}', b"[" * 9999]
)
def test_a_file_that_is_no_plan(cli: Cli, folder: Path, content: bytes) -> None:
    """Whatever is in the file, it is not a plan and says so: exit 2 from both commands that read plans."""
    path = folder / "plan.json"
    path.write_bytes(content)
    for printed in (cli("simulate", path), cli.rebalance("mixed", "--plan", path)):
        assert_refused(printed, code=2, said="plan")


def test_a_plan_of_any_other_content_is_refused_and_never_a_defect(cli: Cli, folder: Path) -> None:
    """Whichever field is replaced by something else, with a hash to match, no command ends with exit code 1."""
    path = folder / "plan.json"
    original = cli.plan(path, "mixed", *TO_TWO)
    strange: tuple[Any, ...] = (None, "", "-1", "x", [], {}, "9" * 90, True)
    cases = [(place, value) for place in _places(original) for value in strange]
    defects = []
    for place, value in Random(8).sample(cases, len(cases) if os.environ.get("DEFILEV_FULL") else 60):
        document = json.loads(json.dumps(original))
        _put(document, place, value)
        document["hash"] = hash_of(document)
        path.write_text(json.dumps(document))
        printed = (cli.rebalance("mixed", "--plan", path), cli("simulate", path))
        defects += [(place, value, each.err) for each in printed if each.code and not _is_told(each)]

    assert [] == defects


def _is_told(printed: Printed) -> bool:
    return printed.code != 1 and 1 == len(printed.fixes) == len(printed.errors)


def _places(value: Any, *before: str | int) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        if key not in ("hash", "schema"):
            yield (*before, key)
            yield from _places(item, *before, key)


def _put(document: Any, place: tuple[str | int, ...], value: Any) -> None:
    *path, last = place
    for key in path:
        document = document[key]
    document[last] = value


def test_a_file_that_cannot_be_written(cli: Cli, folder: Path) -> None:
    """A plan or export that cannot be written leaves nothing half-written behind: exit 2."""
    with untouched(cli.world, folder):
        for target in ("missing/plan.json", ".", "/"):
            made = cli("plan", "mixed", "-p", "aave-v3", *TO_TWO, "-o", target)
            assert_refused(made, code=2, said="cannot be written")
            exported = cli.rebalance("mixed", *TO_TWO, "--unsigned", target)
            assert_refused(exported, code=2, said="cannot be written")
