"""A command: the options that it takes and the function that runs it."""

import argparse
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.dataclass_options import add_options, parsed
from esper_cli.options.standard_input import with_input_copied
from esper_cli.output.command_failure import run_reporting_failures
from esper_cli.output.echo import prepare_streams
from esper_schemas.errors import InvalidArgument

T = TypeVar("T")


@dataclass(frozen=True)
class Command(Generic[T]):
    """A command. `options` is a dataclass whose docstring is the description of the command.

    run: takes the options and returns the exit code.
    """

    options: type[T]
    run: Callable[[T], int]

    def add_to(self, parser: OneSentenceParser) -> None:
        """Give a parser the description and the options of this command."""
        parser.description = _description(self.options)
        add_options(parser, self.options)
        parser.set_defaults(chosen=(self, parser))


def add_actions(parser: OneSentenceParser, actions: Mapping[str, Command[Any]]) -> None:
    """Give a parser one subcommand for each action."""
    subparsers = parser.add_subparsers(metavar="ACTION", required=True)
    for name, action in actions.items():
        text = _description(action.options)
        first = text.split("\n\n")[0].rstrip(".")
        action.add_to(subparsers.add_parser(name, help=first[0].lower() + first[1:]))


def run_command_line(parser: OneSentenceParser, words: Sequence[str] | None) -> int:
    """Parse a command line and run what it asks for; returns the exit code."""
    prepare_streams()
    namespace = parser.parse_args(words)
    command, chosen_parser = namespace.chosen
    return run_reporting_failures(chosen_parser.prog, lambda: _run(command, chosen_parser, namespace))


def _run(command: Command[T], parser: OneSentenceParser, namespace: argparse.Namespace) -> int:
    with with_input_copied(_options(command, parser, namespace), parser.prog) as options:
        return command.run(options)


def _options(command: Command[T], parser: OneSentenceParser, namespace: argparse.Namespace) -> T:
    """The options of a command. Values that contradict each other are wrong usage, too."""
    try:
        return parsed(command.options, namespace)
    except InvalidArgument as error:
        parser.error(str(error))


def _description(options: type) -> str:
    return inspect.getdoc(options) or ""
