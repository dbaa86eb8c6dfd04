"""The command line of scripts/world."""

import argparse
import json
import signal
import sys
from pathlib import Path

from localworld import serve
from localworld.build import ensure
from localworld.errors import WorldError
from localworld.fetch import anvil_binary, cast_binary, safe_artifacts
from localworld.layout import DEFAULT_DIRECTORY, RunDirectory

ABOUT = "A local chain with real protocol contracts at their real addresses."


def main() -> int:
    """Run one command; a failure is one sentence and one `fix:` line on stderr."""
    arguments = _parser().parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that a build stops its anvil
    try:
        return _run(arguments)
    except WorldError as error:
        return _fail(error.fact, error.fix)
    except ModuleNotFoundError as error:
        return _fail(f"the Python package {error.name} is not installed in {sys.prefix}", "run scripts/setup")
    except KeyboardInterrupt:
        return 130


def _run(arguments: argparse.Namespace) -> int:
    run = RunDirectory(arguments.dir.absolute())
    if arguments.command == "up":
        flags = {"chain_id": arguments.chain_id, "port": arguments.port, "fresh": arguments.fresh}
        _show(serve.up(run, progress=_progress, **flags))
    elif arguments.command == "down":
        _progress("stopped" if serve.down(run) else "no world runs here")
    elif arguments.command == "status":
        _show(serve.status(run, arguments.chain_id))
    elif arguments.command == "anvil":
        print(anvil_binary())
    elif arguments.command == "cast":
        print(cast_binary())
    elif arguments.command == "safe":
        print(safe_artifacts())
    else:
        built = ensure(arguments.chain_id, _progress)
        _show({"state_key": built.key, "chain_id": built.chain_id, "state": str(built.state)})
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/world", description=ABOUT)
    commands = parser.add_subparsers(dest="command", required=True)
    abouts = {
        "up": "build when needed, serve in the background, print and write world.json",
        "down": "stop the world and remove what it left",
        "build": "fetch, compile, deploy and save; serve nothing",
        "status": "running or not, URL, head, cached states",
        "anvil": "fetch anvil when needed and print the path of its binary",
        "cast": "fetch cast, an independent signer, when needed and print the path of its binary",
        "safe": "fetch the contracts of a Safe, which tests deploy, and print their folder",
    }
    for name, about in abouts.items():
        command = commands.add_parser(name, help=about, description=about)
        command.add_argument("--dir", type=Path, default=DEFAULT_DIRECTORY, help="folder of the running world")
        if name in ("up", "build", "status"):
            command.add_argument("--chain-id", type=int, default=31337, help="31337 unless given")
        if name == "up":
            command.add_argument("--port", type=int, default=0, help="a free one unless given")
            command.add_argument("--fresh", action="store_true", help="start anew even when it runs")
    return parser


def _fail(fact: str, fix: str) -> int:
    print(f"error: {fact}\nfix: {fix}", file=sys.stderr)
    return 1


def _show(answer: dict[str, object]) -> None:
    print(json.dumps(answer, indent=1))


def _progress(text: str) -> None:
    print(f"world: {text}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
