"""The command line of scripts/contracts: compile what is shipped, test it with forge in the local world's state."""

from __future__ import annotations

import argparse
import sys

import artifact
import forge
import mutants
from localworld.errors import WorldError


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(prog="scripts/contracts")
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="compile with the pinned solc and write abis/leverage_executor*.json")
    build.add_argument("--check", action="store_true", help="write nothing; fail when the files are stale")
    commands.add_parser("test", help="forge test; options that follow are forge's")
    commands.add_parser("coverage", help="fail unless every line and branch of the shipped contracts was run")
    commands.add_parser("mutate", help="take every check out of the contract, one by one; a test has to fail for each")
    arguments, options = parser.parse_known_args()
    if options and arguments.command != "test":
        parser.error(f"unknown: {' '.join(options)}")
    try:
        return _run(arguments, options)
    except WorldError as error:
        print(f"error: {error.fact}\nfix: {error.fix}", file=sys.stderr)
        return 1


def _run(arguments: argparse.Namespace, options: list[str]) -> int:
    if arguments.command == "build":
        return artifact.check() if arguments.check else artifact.write()
    if arguments.command == "test":
        return forge.test(options)
    if arguments.command == "coverage":
        return forge.coverage()
    return mutants.run()


if __name__ == "__main__":
    sys.exit(main())
