"""The command `defilev` itself: how it starts, takes options, fails and ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup, TyperOption

from defilev import errors
from defilev.cli.app import main, root_command
from defilev.cli.arguments import ROOT_FLAGS, ROOT_VALUES, hoisted
from defilev.cli.context import output
from defilev.cli.failure import describe, failure_document
from defilev.errors import ConditionBreached, DefilevError, RpcRejected

HEAVY = ("web3", "eth_account", "numpy", "scipy", "pydantic", "httpx", "sqlalchemy")
CLASSES = [found for found in vars(errors).values() if isinstance(found, type) and issubclass(found, DefilevError)]


def _process(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "defilev", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        check=False,
    )


def _commands(group: Any, path: str = "defilev") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        yield f"{path} {name}", command
        if isinstance(command, TyperGroup):
            yield from _commands(command, f"{path} {name}")


@pytest.fixture
def failing() -> Callable[[BaseException], TyperGroup]:
    """Return a `defilev` whose only command ends in the error that is given; it prints a document when told to."""

    def group(error: BaseException) -> TyperGroup:
        root = root_command()

        def fail(ctx: typer.Context, answer: str = "") -> None:
            if answer:
                output(ctx).document({"schema": "defilev/fail@1", "answer": answer})
            raise error

        app = typer.Typer()
        app.callback()(lambda: None)
        app.command("health")(fail)
        command = typer.main.get_command(app)
        assert isinstance(command, TyperGroup)
        root.commands = command.commands
        return root

    return group


def test_help_is_quick_and_imports_nothing_heavy() -> None:
    """`defilev --help` takes less than 0.30 s of processor time, whatever else runs, and none of the big libraries."""
    script = (
        "import sys, time; from defilev.cli.app import main; code = main(['--help']);"
        f"heavy = ' '.join(sorted(set(sys.modules) & {set(HEAVY)!r}));"
        "sys.stderr.write(f'{time.process_time()} {heavy}'); sys.exit(code)"
    )
    seconds = []
    for _ in range(3):
        ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
        spent, _, heavy = ended.stderr.partition(" ")
        seconds.append(float(spent))

        assert (0, "") == (ended.returncode, heavy)
    assert min(seconds) < 0.30


def test_help_groups_commands_in_the_order_of_use(capsys: pytest.CaptureFixture[str]) -> None:
    """The groups are Look, Act and Set up, and a command stands in one of them."""
    assert 0 == main(["--help"])
    text = capsys.readouterr().out.partition("─ Look ─")[2]
    words = [
        "health",
        "Act",
        "plan",
        "simulate",
        "rebalance",
        "Set up",
        "doctor",
        "wallet",
        "config",
        "protocols",
        "help",
    ]

    assert sorted(words, key=lambda word: text.index(f" {word} ")) == words


def test_without_a_command_it_shows_its_help(capsys: pytest.CaptureFixture[str]) -> None:
    """`defilev` alone is not an error."""
    assert 0 == main([])
    assert "Usage: defilev" in capsys.readouterr().out


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    """`--version` prints name and version."""
    assert 0 == main(["--version"])
    assert capsys.readouterr().out.startswith("defilev 0.")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("health 0xA --json", "--json health 0xA"),
        ("health --rpc-url URL 0xA -v --chain=base", "--rpc-url URL -v --chain=base health 0xA"),
        ("--quiet health 0xA --block 5", "--quiet --block 5 health 0xA"),
        ("health --stress -10%,-20% --no-input", "--no-input health --stress -10%,-20%"),
        ("health -- --json", "health -- --json"),
        ("config show --origin", "config show --origin"),
    ],
)
def test_root_options_are_taken_after_the_command_too(given: str, expected: str) -> None:
    """Root options move to the front in their order, nothing else moves, and nothing after `--`."""
    assert expected.split() == hoisted(given.split())


@pytest.mark.parametrize("given", [["health", "--block"], ["health", "--rpc-url", "--json"]])
def test_a_root_option_without_a_value_is_refused(given: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """The option that lacks its value is named, rather than what follows it swallowed."""
    assert 2 == main(given)
    assert "needs a value" in capsys.readouterr().err


def test_what_moves_to_the_front_is_what_the_root_has() -> None:
    """The list of root options is that of the command itself."""
    options = [option for option in root_command().params if isinstance(option, TyperOption)]
    usual = [option for option in options if "completion" not in str(option.name) and option.name != "version"]

    assert ROOT_FLAGS == {name for option in usual if option.is_flag for name in option.opts}
    assert ROOT_VALUES == {name for option in usual if not option.is_flag for name in option.opts}


def test_no_command_has_an_option_of_the_root() -> None:
    """A root option would never reach a command that has one of the same name."""
    taken = [
        (path, name)
        for path, command in _commands(root_command())
        for option in command.params
        for name in option.opts
        if name in ROOT_FLAGS | ROOT_VALUES
    ]

    assert [] == taken


def test_every_command_says_what_it_does() -> None:
    """Every command and every option has a help text."""
    silent = [path for path, command in _commands(root_command()) if not command.help]
    silent += [
        f"{path} {option.opts[0]}"
        for path, command in _commands(root_command())
        for option in command.params
        if isinstance(option, TyperOption) and not option.help
    ]

    assert [] == silent


@pytest.mark.parametrize(
    ("arguments", "fact", "fix"),
    [
        (["helth"], "error: No such command 'helth'. Did you mean 'health'", "fix: see `defilev --help`"),
        (["health"], "error: Missing argument 'WHO…'", "fix: see `defilev health --help`"),
        (["config", "show", "--orgin"], "error: No such option: --orgin", "fix: see `defilev config show --help`"),
        (["--color", "pink", "doctor"], "error: Invalid value for '--color'", "fix: see `defilev --help`"),
        (["--quiet", "-v", "doctor"], "error: --quiet and -v contradict each other", "fix: give one of them"),
    ],
)
def test_a_wrong_command_line_ends_with_one_fix(
    arguments: list[str], fact: str, fix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A usage error is one sentence and one fix on stderr, nothing on stdout, and exit code 2."""
    assert 2 == main(arguments)
    printed = capsys.readouterr()
    lines = printed.err.splitlines()

    assert "" == printed.out
    assert lines[0].startswith(fact)
    assert fix == lines[-1]
    assert 1 == printed.err.count("fix:")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: str(kind.__name__))
def test_every_error_ends_with_its_code_and_one_fix(
    kind: type[DefilevError], failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """Each class of error leaves with its exit code, its fact first, its fix last, and no traceback."""
    code = main(["health"], command=failing(kind("it is so", asked="0xA", got=5)))
    printed = capsys.readouterr()
    lines = printed.err.splitlines()

    assert kind.exit_code == code
    assert lines[0].endswith(": it is so")
    assert ["  asked  0xA", "  got    5"] == lines[1:3]
    assert f"fix: {kind.default_fix}" == lines[-1]
    assert ("", 1) == (printed.out, printed.err.count("fix:"))


def test_every_error_is_described_where_it_points(repository: Path) -> None:
    """docs/errors.md has the heading that each class of error names."""
    lines = (repository / "docs/errors.md").read_text(encoding="utf-8").splitlines()
    headings = [line.removeprefix("## ").lower().replace(" ", "-") for line in lines if line.startswith("## ")]
    named = [failure_document(kind("it is so"))["docs"].partition("#")[2] for kind in CLASSES]

    assert sorted(named) == sorted(heading for heading in headings if heading in named)


def test_a_breached_condition_is_not_called_an_error() -> None:
    """What was asked for and does not hold is said in its own words, without a page of errors."""
    prefix, lines = describe(ConditionBreached("health factor 1.3 is below 1.4", fix="defilev plan …"))

    assert "condition breached" == prefix
    assert ["health factor 1.3 is below 1.4", "fix: defilev plan …"] == lines


def test_a_failure_in_json_is_a_document(
    failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """With --json a failure is one document on stdout, its numbers strings, beside the lines on stderr."""
    code = main(["health", "--json"], command=failing(RpcRejected("the node said no", code=-32000, blocks=(1, 2))))
    printed = capsys.readouterr()
    expected = {
        "schema": "defilev/error@1",
        "error": "RpcRejected",
        "exit_code": 4,
        "fact": "the node said no",
        "facts": {"code": "-32000", "blocks": "1, 2"},
        "fix": RpcRejected.default_fix,
        "docs": "docs/errors.md#rpc-rejected",
    }

    assert 4 == code
    assert expected == json.loads(printed.out)
    assert printed.err.startswith("error: the node said no")


def test_a_failure_after_the_result_adds_no_second_document(
    failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """stdout holds one document even when a condition is breached after it."""
    code = main(["health", "--answer", "1", "--json"], command=failing(ConditionBreached("it is below")))

    assert 5 == code
    assert "1" == json.loads(capsys.readouterr().out)["answer"]


def test_a_failure_shows_no_secret_and_no_control_character(
    failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """URLs are masked and what a node says cannot move the cursor or add lines."""
    error = RpcRejected(
        "https://node.example/key-1 said \x1b[2Jno\nfix: send money", message="see http://a.b/key-2?x=1"
    )
    main(["health"], command=failing(error))
    said = capsys.readouterr().err

    assert "https://node.example/••••" in said
    assert "key-" not in said
    assert "\x1b" not in said
    assert 1 == sum(line.startswith("fix:") for line in said.splitlines())


def test_a_defect_is_one_line_and_with_v_a_traceback_without_values(
    failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """An unexpected exception leaves with 1; only -v shows where, and never what variables held."""
    assert 1 == main(["health"], command=failing(ValueError("it broke at http://a.b/key-3")))
    plain = capsys.readouterr().err
    assert 1 == main(["health", "-v"], command=failing(ValueError("it broke at http://a.b/key-3")))
    verbose = capsys.readouterr().err

    assert plain.startswith("error: unexpected ValueError: it broke at http://a.b/••••\n")
    assert "Traceback" not in plain
    assert "Traceback" in verbose
    assert "key-3" not in plain + verbose


@pytest.mark.parametrize("error", [KeyboardInterrupt(), typer.Abort()])
def test_an_interrupt_leaves_with_130(
    error: BaseException, failing: Callable[[BaseException], TyperGroup], capsys: pytest.CaptureFixture[str]
) -> None:
    """Ctrl-C ends with one word and 130."""
    assert 130 == main(["health"], command=failing(error))
    assert "interrupted\n" == capsys.readouterr().err


def test_a_reader_that_goes_away_is_no_error() -> None:
    """`defilev … | head -1` prints nothing on stderr."""
    reading, writing = os.pipe()
    os.close(reading)
    with subprocess.Popen(
        [sys.executable, "-m", "defilev", "help", "glossary"], stdout=writing, stderr=subprocess.PIPE
    ) as process:
        os.close(writing)
        _, said = process.communicate()

    assert (141, b"") == (process.returncode, said)


def test_colour_is_only_where_it_is_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """There is none in a pipe; --color always insists; the words are the same."""
    main(["helth"])
    plain = capsys.readouterr().err
    main(["--color", "always", "helth"])
    coloured = capsys.readouterr().err

    assert plain.startswith("error: No such command")
    assert coloured == plain.replace("error:", "\x1b[31merror:\x1b[0m", 1)


def test_a_shell_gets_completions_without_heavy_imports() -> None:
    """Completion of a command's name answers with that name."""
    ended = _process(_DEFILEV_COMPLETE="complete_bash", COMP_WORDS="defilev proto", COMP_CWORD="1")

    assert "protocols" == ended.stdout.strip()


def test_every_class_of_error_is_in_the_tree() -> None:
    """The tree at the top of errors.py names every class."""
    tree = errors.__doc__ or ""

    assert [] == [found.__name__ for found in CLASSES if found.__name__ not in tree]
