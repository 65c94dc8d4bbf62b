"""A command is a dataclass of options and a function."""

import re
from dataclasses import dataclass
from typing import Annotated

import pytest

from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.command import Command, add_actions, run_command_line
from esper_cli.options.option import Option
from esper_schemas.errors import InvalidArgument, Refused


@dataclass(frozen=True, kw_only=True)
class CakeOptions:
    """Bake a cake.

    It takes a while.
    """

    eggs: Annotated[int, Option("number of eggs")] = 2
    vegan: Annotated[bool, Option("without eggs")] = False

    def __post_init__(self) -> None:
        if self.vegan and self.eggs:
            raise InvalidArgument("--vegan allows no --eggs.")


def bake(options):
    """Return the number of eggs, which is at least one."""
    if options.eggs < 1:
        raise Refused("The oven refuses.")
    return options.eggs


@pytest.fixture
def cook():
    """Runs the command `cook cake`."""
    parser = OneSentenceParser(prog="cook")
    add_actions(parser, {"cake": Command(CakeOptions, bake)})
    return lambda *words: run_command_line(parser, words)


def test_a_command_gets_its_options(cook):
    """Its result is the exit code."""
    assert cook("cake", "--eggs", "7") == 7


def test_the_docstring_of_the_options_describes_the_command(cook, capsys):
    """Its first sentence is in the list of actions, all of it in the help."""
    for words in (["--help"], ["cake", "--help"]):
        with pytest.raises(SystemExit):
            cook(*words)
    listed, described = capsys.readouterr().out.split("usage: cook cake")

    assert re.search(r"\bcake +bake a cake\n", listed)
    assert "Bake a cake." in described
    assert "It takes a while." in described


def test_conflicting_options_are_wrong_usage(cook, capsys):
    """The exit code is 2, as for a single wrong value."""
    with pytest.raises(SystemExit) as stopped:
        cook("cake", "--vegan")

    assert stopped.value.code == 2
    assert capsys.readouterr().err == "cook cake: --vegan allows no --eggs; see `cook cake --help`\n"


def test_a_failure_has_the_name_of_the_command(cook, capsys):
    """The exit code is 1."""
    assert cook("cake", "--eggs", "0") == 1
    assert capsys.readouterr().err == "cook cake: The oven refuses.\n"
