"""`esper`: train, record, and look at what was recorded."""

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from typing import NamedTuple

from esper_cli.output.command_failure import OneSentenceParser, run_command


class Command(NamedTuple):
    """A subcommand: its help, and the module that has its `add_arguments` and `run`."""

    help: str
    module: str


COMMANDS: dict[str, Command] = {
    "ppo": Command("train a policy, record every update and watch it", "esper_cli.commands.ppo"),
    "baseline": Command(
        "play the scripted policies that a trained one should beat", "esper_cli.commands.baseline"
    ),
    "aggregate": Command("run the aggregator in the foreground", "esper_aggregator.options"),
    "state": Command("print the snapshot that a recorded run folds to, as JSON", "esper_cli.commands.state"),
    "diagnose": Command("say what is wrong with a recorded run, and why", "esper_cli.commands.diagnose"),
    "keys": Command("make and list the keys for watching and sending over tcp", "esper_cli.commands.keys"),
    "ship": Command("send a run to an aggregator that does not have it", "esper_cli.commands.ship"),
    "log": Command("look into a recorded run: info, verify, cat, repair", "esper_cli.commands.log"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `esper` with the given arguments, the process's own by default; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    arguments = _parser(argv).parse_args(argv)
    run: Callable[[argparse.Namespace], int] = arguments.run
    return run_command(f"esper {arguments.command}", run, arguments)


def _parser(argv: Sequence[str]) -> OneSentenceParser:
    """The parser with the options of the asked command only, so that no other command is imported."""
    parser = OneSentenceParser(prog="esper", description=__doc__)
    parser.add_argument("--version", action="version", version=f"esper {version('esper-lite')}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    asked = next((word for word in argv if not word.startswith("-")), None)
    for name, command in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=command.help, description=command.help)
        if name == asked:
            module = importlib.import_module(command.module)
            module.add_arguments(subparser)
            subparser.set_defaults(run=module.run)
    return parser


if __name__ == "__main__":
    sys.exit(main())
