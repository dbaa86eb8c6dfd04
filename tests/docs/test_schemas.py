"""What commands print with --json satisfies the published schemas, which are strict and described in docs/json.md."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from defilev.cli.app import main
from tests.support.schemas import schema_problems, schemas
from tests.support.world import World

KEY = "c0ffee" * 10 + "abcd"
Json = Callable[..., dict[str, Any]]


def _parts(schema: Any, path: str = "$") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield a schema and every schema in it with the path to it."""
    if isinstance(schema, dict):
        yield path, schema
        for name, part in schema.items():
            yield from _parts(part, f"{path}.{name}")
    elif isinstance(schema, list):
        for place, part in enumerate(schema):
            yield from _parts(part, f"{path}[{place}]")


def _properties(schema: Any) -> set[str]:
    return {
        name
        for path, part in _parts(schema)
        if isinstance(part.get("properties"), dict) and not path.endswith(".properties")
        for name in part["properties"]
    }


@pytest.mark.parametrize("name", schemas())
def test_a_schema_is_valid_and_closed(name: str) -> None:
    """Every object of every schema says which fields it has and takes no other; all of them are required."""
    schema = schemas()[name]

    Draft202012Validator.check_schema(schema)
    assert f"defilev/{name}@1" == schema["properties"]["schema"]["const"]
    for path, part in _parts(schema):
        if part.get("type") != "object":
            continue
        is_report = (name, path) == ("simulate", "$.$defs.report")  # closed by those who refer to it
        assert is_report or "additionalProperties" in part or part.get("unevaluatedProperties") is False, path
        if "properties" in part:
            assert list(part["properties"]) == part["required"], path


@pytest.mark.parametrize("name", schemas())
def test_every_field_is_described(name: str, repository: Path) -> None:
    """The section of a document in docs/json.md names its schema and every field of it."""
    page = (repository / "docs" / "json.md").read_text()
    headings = re.split(r"(?m)^## ", page)[1:]
    sections = [text for text in headings if f"`defilev/{name}@1`" in text.splitlines()[0]]

    assert 1 == len(sections)
    assert f"(schemas/{name}.schema.json)" in sections[0]
    named = set(re.findall(r"`([^`\s]+)`", sections[0]))
    assert set() == _properties(schemas()[name]) - {"schema"} - named


def test_every_document_has_a_schema(repository: Path) -> None:
    """Each `defilev/NAME@1` that the rooms which print know has a schema, and no schema is left over."""
    written = {
        name
        for room in ("cli", "execute", "model", "plan", "report")
        for path in (repository / "defilev" / room).rglob("*.py")
        for name in re.findall(r'"defilev/([a-z-]+)@1"', path.read_text())
    }

    assert set(schemas()) == written | {f"wallet-{command}" for command in ("new", "import")}


@pytest.fixture
def printed(world: World, capsys: pytest.CaptureFixture[str]) -> Json:
    """Return what runs a command on the local chain with --json, and returns its one document once it is valid."""
    names = world.accounts()
    node = ["--rpc-url", world.rpc_url, "--address-book", str(world.address_book)]

    def run(*arguments: str | Path, code: int = 0) -> dict[str, Any]:
        given = [names.get(str(argument), str(argument)) for argument in arguments]
        ended = main([*node, *given, "--json"])
        captured = capsys.readouterr()
        document: dict[str, Any] = json.loads(captured.out)

        assert code == ended, captured.err
        assert [] == schema_problems(document)
        return document

    return run


@pytest.mark.world
@pytest.mark.parametrize(
    "account", ["comfortable", "mixed", "loop", "not-enabled", "debt-free", "empty", "dust", "short"]
)
def test_health_satisfies_its_schema(printed: Json, account: str) -> None:
    """Positions of every kind, with stress, shocks and exits."""
    document = printed("health", account, "--stress", "-10%,-50%", "--shock", "WETH=-5%", "--exits")

    assert "defilev/health@1" == document["schema"]


@pytest.mark.world
@pytest.mark.parametrize(
    ("account", "goal"),
    [
        ("mixed", ["--to-health-factor", "2"]),
        ("comfortable", ["--to-leverage", "1.5"]),
        ("comfortable", ["--close"]),
        ("short", ["--close"]),
        ("loop", ["--to-health-factor", "1.06"]),
        ("loop", ["--to-health-factor", "1.3"]),
    ],
)
@pytest.mark.parametrize("engine", ["anvil", "simulate-v1"])
def test_a_plan_and_its_simulation_satisfy_their_schemas(
    printed: Json, tmp_path: Path, account: str, goal: list[str], engine: str
) -> None:
    """Every goal, partial plans too; the file holds what is printed; both engines report in one shape."""
    file = tmp_path / "plan.json"
    plan = printed("plan", account, "-p", "aave-v3", "--market", "main", *goal, "-o", file)
    report = printed("simulate", file, "--engine", engine)

    assert json.loads(file.read_text()) == plan
    assert (plan["hash"], engine) == (report["plan_hash"], report["engine"])
    assert report["succeeded"]


@pytest.mark.world
def test_a_simulation_that_fails_satisfies_its_schema(printed: Json, world: World, tmp_path: Path) -> None:
    """Steps that revert and steps that are not run have their own figures, or none."""
    file = tmp_path / "plan.json"
    printed("plan", "mixed", "-p", "aave-v3", "--market", "main", "--to-health-factor", "2", "-o", file)
    world.set_price("WETH", 500 * 10**8)

    report = printed("simulate", file, "--block", "latest", code=6)

    assert not report["succeeded"]
    assert {"reverted", "not-run"} <= {step["status"] for step in report["steps"]}


@pytest.mark.world
def test_each_way_of_rebalancing_satisfies_its_schema(printed: Json, world: World, tmp_path: Path) -> None:
    """A dry run, a signature, unsigned transactions and a broadcast fill the same document, the file its own."""
    keystore, password_file = world.credentials("mixed")
    key = ["--keystore", keystore, "--password-file", password_file]
    rebalance = ["rebalance", "mixed", "-p", "aave-v3", "--market", "main", "--to-health-factor", "2"]
    file = tmp_path / "unsigned.json"

    documents = {
        "dry-run": printed(*rebalance),
        "unsigned": printed(*rebalance, "--unsigned", file),
        "sign-only": printed(*rebalance, "--sign-only", *key),
        "broadcast": printed(*rebalance, "--broadcast", *key),
    }

    assert {mode: mode for mode in documents} == {mode: document["mode"] for mode, document in documents.items()}
    assert [] == schema_problems(json.loads(file.read_text()))
    assert documents["unsigned"]["unsigned"] == json.loads(file.read_text())


@pytest.mark.world
@pytest.mark.parametrize(
    ("command", "name"),
    [
        (["doctor"], "doctor"),
        (["protocols", "ls"], "protocols"),
        (["config", "show"], "config"),
        (["config", "init"], "config-init"),
        (["config", "path"], "config-path"),
        (["help", "1.37"], "help"),
        (["help", "units"], "help"),
        (["wallet", "ls"], "wallet-ls"),
    ],
)
def test_setting_up_satisfies_its_schemas(printed: Json, command: list[str], name: str) -> None:
    """What the commands print that set things up and look around."""
    assert f"defilev/{name}@1" == printed(*command)["schema"]


@pytest.mark.world
def test_keystores_satisfy_their_schemas(
    printed: Json, world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new key, an imported one, their addresses and the list with one that cannot be used."""
    _, password_file = world.credentials("mixed")
    folder = tmp_path / "keystores"
    where = ["--keystore-dir", folder]
    (tmp_path / "key").write_text(KEY)

    made = printed("wallet", "new", "one", *where, "--password-file", password_file)
    with (tmp_path / "key").open() as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        printed("wallet", "import", "two", *where, "--password-file", password_file)
    (folder / "three").write_text("{}")

    assert made["address"] == printed("wallet", "address", "one", *where)["address"]
    assert {"one", "two", "three"} == {entry["name"] for entry in printed("wallet", "ls", *where)["keystores"]}


@pytest.mark.world
@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["health", "0x12"], 2),
        (["nothing"], 2),
        (["health", "empty", "--block", "99999999"], 4),
        (["plan", "comfortable", "-p", "aave-v3", "--to-health-factor", "1.01"], 7),
        (["simulate", "nowhere.json"], 2),
    ],
)
def test_failures_satisfy_the_schema_of_errors(printed: Json, command: list[str], code: int) -> None:
    """A failure with --json is one document that says the exit code."""
    document = printed(*command, code=code)

    assert ("defilev/error@1", code) == (document["schema"], document["exit_code"])
