"""`esper`: train, record, and examine what was recorded."""

import importlib
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NamedTuple

from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.command import add_actions, run_command_line


class Subcommand(NamedTuple):
    """A subcommand in the list of all: one line of help, and the module with its `COMMAND` or `ACTIONS`."""

    help: str
    module: str


COMMANDS: dict[str, Subcommand] = {
    "ppo": Subcommand(
        "train a policy with PPO, record every update and open Sanctum", "esper_cli.commands.ppo"
    ),
    "baseline": Subcommand("measure the return of scripted policies", "esper_cli.commands.baseline"),
    "aggregate": Subcommand("run the aggregator in the foreground", "esper_cli.commands.aggregate"),
    "state": Subcommand("print the state of a recorded run as JSON", "esper_cli.commands.state"),
    "diagnose": Subcommand(
        "report what is wrong with a recorded run, and why", "esper_cli.commands.diagnose"
    ),
    "replay": Subcommand("publish a recorded run to viewers, as if live", "esper_cli.commands.replay"),
    "note": Subcommand("write a note about a run, for everyone who views it", "esper_cli.commands.note"),
    "log": Subcommand("inspect, verify, print, repair or cut a recorded run", "esper_cli.commands.log"),
    "import": Subcommand("make runs from the logs of other libraries", "esper_cli.commands.import_"),
    "follow": Subcommand("record what another program logs, while it does", "esper_cli.commands.follow"),
    "keys": Subcommand(
        "manage the keys of trainers and viewers on other machines", "esper_cli.commands.keys"
    ),
    "ship": Subcommand("send a recorded run to an aggregator", "esper_cli.commands.ship"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run `esper` with the given arguments, the process's own by default; returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    return run_command_line(_parser(argv), argv)


def _parser(argv: Sequence[str]) -> OneSentenceParser:
    """The parser with the options of the given command only, so that no other command is imported."""
    parser = OneSentenceParser(prog="esper", description="The flight recorder of PPO training.")
    parser.add_argument("-V", "--version", action="version", version=f"esper {version('esper-lite')}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    given = next((word for word in argv if not word.startswith("-")), None)
    for name, entry in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=entry.help)
        if name == given:
            _add_command(subparser, entry)
    return parser


def _add_command(parser: OneSentenceParser, entry: Subcommand) -> None:
    module = importlib.import_module(entry.module)
    if hasattr(module, "COMMAND"):
        module.COMMAND.add_to(parser)
    else:
        parser.description = f"{entry.help[0].upper()}{entry.help[1:]}."
        add_actions(parser, module.ACTIONS)


if __name__ == "__main__":
    sys.exit(main())
