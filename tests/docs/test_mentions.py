"""What the pages mention exists: commands, options, files and variables; and docs/cli.md has every command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from defilev.cli.app import root_command
from tests.support.world import ROOT

PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "README.md", *ROOT.glob("docs/**/*.md")))
WRITTEN = [page for page in PAGES if page != "docs/cli.md"]
CHAOS = ("--trials", "--rows", "--each", "--mutants", "--workers", "--write-docs")
OF_SCRIPTS = {
    "--first",
    "--keep",
    "--from",
    "--kills",
    "--to",
    "--full",
    "--write",
    "--fix",
    "--fork-url",
    "--chain-id",
    "--illegal",
    "--legal",
    "--seed",
    "--plans",
    "--accounts",
    "--minutes",
    *CHAOS,
}
OF_PYTEST = {"--dist", "--hypothesis-seed"}
OF_TESTS = {"DEFILEV_FULL", "DEFILEV_READING_EXAMPLES", "DEFILEV_PLAN_EXAMPLES"}
OF_CAST = {
    *("--value", "--nonce", "--gas-limit", "--gas-price", "--priority-gas-price", "--keystore", "--ledger", "--trezor"),
    *("--chain", "--rpc-url"),
}
_SPAN = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_BLOCK = re.compile(r"^```\w+\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_FILE = re.compile(r"(?<![\w/])(?:scripts|defilev|tests|docs|abis)/[\w./-]*+(?!@)")
_COMMAND = re.compile(r"(?:^|[\s$(])defilev ([a-z-][^|;&>\n]*)", re.MULTILINE)


def _code(page: str) -> Iterator[str]:
    """Yield the code of a page, in blocks and in the text; lines that a backslash continues are joined."""
    text = (ROOT / page).read_text()
    yield from (block.replace("\\\n", " ") for block in _BLOCK.findall(text))
    yield from _SPAN.findall(_BLOCK.sub("", text))


def _options(command: Any) -> set[str]:
    options = [parameter for parameter in command.params if parameter.param_type_name == "option"]
    return {name for option in options for name in (*option.opts, *option.secondary_opts)} | {"--help"}


def _options_of_the_signer() -> set[str]:
    words = ["from defilev_signer.__main__ import main", "main(['serve', '--help'])"]
    done = subprocess.run(
        [sys.executable, "-c", "; ".join(words)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(re.findall(r"(?<![\w-])--[a-z][a-z-]*", done.stdout))


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield path, group
    for name, command in getattr(group, "commands", {}).items():
        yield from _commands(command, (*path, name))


def _problems(words: list[str]) -> Iterator[str]:
    """Yield what a mentioned command line has that the commands do not."""
    command: Any = (root := root_command())
    rest = list(words)
    while rest and rest[0] in getattr(command, "commands", {}):
        command = command.commands[rest.pop(0)]
    if hasattr(command, "commands") and rest and not rest[0].startswith("-"):
        yield f"no command {rest[0]!r}"
    known = _options(command) | _options(root)
    for word in rest:
        name = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z0-9-]*", name) and name not in known:
            yield f"no option {name}"


@pytest.mark.parametrize("page", WRITTEN)
def test_mentioned_commands_exist(page: str) -> None:
    """Every `defilev …` in a page is a command that exists, with options that it takes."""
    found = [line for code in _code(page) for line in _COMMAND.findall(code)]

    problems = {line: list(_problems(shlex.split(line.replace("…", "")))) for line in found}

    assert {} == {line: wrong for line, wrong in problems.items() if wrong}


@pytest.mark.parametrize("page", WRITTEN)
def test_mentioned_options_exist(page: str) -> None:
    """An option that the text mentions by itself belongs to some command, or to a script."""
    known = OF_SCRIPTS.union(
        OF_CAST, OF_PYTEST, _options_of_the_signer(), *(_options(command) for _, command in _commands(root_command()))
    )
    mentioned = {name for code in _code(page) for name in re.findall(r"(?<![\w-])(--[a-z][a-z0-9-]*)", code)}

    assert set() == mentioned - known


def test_every_command_and_option_is_documented() -> None:
    """docs/cli.md has a section for every command, and each of its options in it."""
    page = (ROOT / "docs" / "cli.md").read_text()
    sections = dict(re.findall(r"(?ms)^#+ `defilev ?([a-z -]*)`\n(.*?)(?=^#+ `|\Z)", page))

    commands = dict(_commands(root_command()))
    assert {" ".join(path) for path in commands} == set(sections)
    for path, command in commands.items():
        missing = {name for name in _options(command) if name not in sections[" ".join(path)]}
        assert set() == missing, path


@pytest.mark.parametrize("page", WRITTEN)
def test_mentioned_files_exist(page: str) -> None:
    """A script, a folder of the package or a test that the text names is there."""
    named = {name.rstrip("./-") for code in _code(page) for name in _FILE.findall(code)}

    assert set() == {name for name in named if not (ROOT / name).exists()}


@pytest.mark.parametrize("page", WRITTEN)
def test_mentioned_settings_exist(page: str) -> None:
    """A `DEFILEV_…` variable that the text names is one."""
    from defilev.config.loading import setting_keys

    variables = {f"DEFILEV_{key.replace('.', '_').upper()}" for key in setting_keys()}
    variables |= {"DEFILEV_CONFIG", "DEFILEV_PROFILE"} | OF_TESTS
    named = {name for code in _code(page) for name in re.findall(r"DEFILEV_[A-Z_]+", code)}

    assert set() == named - variables
