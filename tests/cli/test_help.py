"""`defilev help`: the topics say what the code does."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from defilev import errors
from defilev.cli.app import main, root_command
from defilev.cli.topics import TOPICS, health_factor_in_words
from defilev.errors import DefilevError

LIMITS = {"low": Decimal("1.5"), "danger": Decimal("1.1")}


def test_the_topics_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    """`defilev help` alone lists every topic."""
    assert 0 == main(["help"])
    out = capsys.readouterr().out

    assert [] == [topic for topic in TOPICS if topic not in out]


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_fits_an_ordinary_terminal(topic: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each topic is text of at most 110 columns that ends without blank lines."""
    assert 0 == main(["help", topic])
    lines = capsys.readouterr().out.splitlines()

    assert max(map(len, lines)) <= 110
    assert lines[-1].strip()


def test_exit_codes_are_those_of_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """`help exit-codes` has every code that an error can leave with, once."""
    main(["help", "exit-codes"])
    lines = capsys.readouterr().out.splitlines()
    listed = [int(line.split()[0]) for line in lines if line[:5].strip().isdigit()]
    codes = {
        kind.exit_code for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, DefilevError)
    }

    assert sorted({0, 130, 141} | codes) == listed


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("1.37", ["Status LOW", "fell by 27.0%", "grew by 37.0%"]),
        ("1.05", ["Status DANGER", "fell by 4.8%"]),
        ("2", ["Status OK", "fell by 50.0%", "grew by 100.0%"]),
        ("0.97", ["Status LIQUIDATABLE", "3.0% too little"]),
        ("1", ["Status DANGER", "fell by 0.0%"]),
        ("0", ["bad debt"]),
    ],
)
def test_a_health_factor_is_put_in_words(value: str, said: list[str]) -> None:
    """The words are those of the status limits, the percentages 1 - 1/x and x - 1."""
    text = health_factor_in_words(Decimal(value), **LIMITS)

    assert [] == [words for words in said if words not in text]


def test_a_number_as_topic_uses_the_limits_of_the_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """`defilev help 1.37` speaks of the status that this machine would show."""
    monkeypatch.setenv("DEFILEV_STATUS_LOW", "1.3")
    assert 0 == main(["help", "1.37"])

    assert "Status OK" in capsys.readouterr().out


def test_help_on_a_command_is_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`defilev help health` and `defilev health --help` print the same."""
    assert 0 == main(["help", "health"])
    ours = capsys.readouterr().out
    assert 0 == main(["health", "--help"])

    assert ours == capsys.readouterr().out


def test_an_unknown_topic_gets_a_suggestion(capsys: pytest.CaptureFixture[str]) -> None:
    """A misspelt topic is exit code 2 with the one that was probably meant."""
    assert 2 == main(["help", "exitcodes"])
    assert "fix: did you mean exit-codes?" in capsys.readouterr().err


def test_a_topic_in_json(capsys: pytest.CaptureFixture[str], repository: Path) -> None:
    """--json works here too, and the document is valid."""
    schema = json.loads((repository / "docs/schemas/help.schema.json").read_text())
    assert 0 == main(["help", "units", "--json"])
    document = json.loads(capsys.readouterr().out)

    assert [] == [error.message for error in Draft202012Validator(schema).iter_errors(document)]
    assert "units" == document["topic"]


def test_every_command_is_documented_and_every_documented_command_exists(repository: Path) -> None:
    """docs/cli.md has a heading for each command and group, and no other."""
    page = (repository / "docs/cli.md").read_text(encoding="utf-8")
    documented = [line.strip("#` ") for line in page.splitlines() if line.startswith("##")]

    assert sorted(_paths(root_command(), "defilev")) == sorted(documented)


def _paths(group: object, path: str) -> list[str]:
    below = getattr(group, "commands", {})
    return [path, *(found for name, command in below.items() for found in _paths(command, f"{path} {name}"))]
