"""Options are generated from the described fields of a dataclass, and the dataclass is filled from
options.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import pytest

from esper_cli.options.argument_parser import OneSentenceParser
from esper_cli.options.dataclass_options import add_options, command_line, parsed
from esper_cli.options.option import Option, SettingsOf
from esper_schemas.settings import Setting


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Settings of a library."""

    eggs: Annotated[int, Setting("number of eggs", "recipe", minimum=1)] = 2
    sugar: Annotated[float, Setting("100 % pure sugar", "recipe")] = 0.5
    bake: Annotated[bool, Setting("do not bake", "recipe")] = True


@dataclass(frozen=True, kw_only=True)
class Base:
    """Options that others inherit."""

    recipe: Annotated[Mapping[str, object], SettingsOf(Recipe)] = field(default_factory=dict)
    oven: Annotated[str, Option("the oven", choices=("gas", "wood"))] = "gas"


@dataclass(frozen=True, kw_only=True)
class Options(Base):
    """Options of every kind."""

    path: Annotated[Path, Option("a path", positional=True, metavar="PATH")]
    out: Annotated[Path | None, Option("another path", positional=True, metavar="OUT")] = None
    guests: Annotated[int, Option("number of guests", option="--people", minimum=0)]
    tags: Annotated[
        tuple[str, ...], Option("tags", metavar="LIST", parse=lambda text: tuple(text.split(",")))
    ] = ()
    show: Annotated[int | None, Option("show it", metavar="PORT", const=8000, deprecated="--display")] = None
    quick: Annotated[bool | None, Option("be quick", deprecated="--fast")] = None
    where: Annotated[Path, Option("a place", metavar="DIR")] = field(default_factory=lambda: Path("here"))
    private: str = "no option"


@pytest.fixture
def parse():
    """Parses a command line into options."""
    parser = OneSentenceParser(prog="cook")
    add_options(parser, Options)
    return lambda *words: parsed(Options, parser.parse_args(words))


REQUIRED = ["--people=3", "a.txt"]


def test_omitted_options_keep_their_default(parse):
    """Settings that are given are collected, even with their default value."""
    options = parse(*REQUIRED)

    assert options == Options(path=Path("a.txt"), guests=3)
    assert options.where == Path("here")
    assert parse(*REQUIRED, "--eggs", "2").recipe == {"eggs": 2}


def test_given_options_are_converted(parse):
    """A value is converted to the type of its field or by its parser; a flag turns its default off."""
    options = parse(*REQUIRED, "b.txt", "--sugar", "1e-3", "--no-bake", "--tags", "a,b", "--show", "--quick")

    assert options.recipe == {"sugar": 1e-3, "bake": False}
    assert (options.out, options.tags, options.show, options.quick) == (Path("b.txt"), ("a", "b"), 8000, True)


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["out", "--no-bake", "--eggs=2", "--tags=x,y", "--show=0", "--quick", "--oven=wood", "--where=/a b"],
        ["--", "--odd name"],
    ],
    ids=["required", "everything", "odd names"],
)
def test_a_command_line_is_parsed_back_to_the_same_options(parse, words):
    """Odd texts are included."""
    options = parse("--people=3", *(["a.txt"] if words[:1] != ["--"] else []), *words)

    assert parse(*command_line(options)) == options


def test_a_command_line_can_have_the_inherited_options_only(parse):
    """This is used for a process that has fewer options."""
    options = parse(*REQUIRED, "--oven=wood", "--eggs=3")

    assert command_line(options, Base) == ["--eggs=3", "--oven=wood"]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["a.txt"], "the following arguments are required: --people"),
        ([*REQUIRED, "--eggs", "0"], "argument --eggs: must be at least 1, not 0"),
        ([*REQUIRED, "--oven", "coal"], "argument --oven: must be one of gas, wood, not 'coal'"),
        ([*REQUIRED, "--people", "many"], "argument --people: must be an integer, not 'many'"),
    ],
)
def test_invalid_options_are_wrong_usage(parse, capsys, words, problem):
    """The error uses the phrase of the setting."""
    with pytest.raises(SystemExit) as stopped:
        parse(*words)

    assert stopped.value.code == 2
    assert capsys.readouterr().err == f"cook: {problem}; see `cook --help`\n"


@pytest.mark.parametrize(
    ("old", "new", "values"), [(["--fast"], "--quick", (None, True)), (["--display=7"], "--show", (7, None))]
)
def test_a_deprecated_name_works_with_a_notice(parse, capsys, old, new, values):
    """The help does not list it."""
    options = parse(*REQUIRED, *old)

    assert (options.show, options.quick) == values
    assert capsys.readouterr().err == f"cook: {old[0].split('=')[0]} is deprecated; use {new} instead\n"
    with pytest.raises(SystemExit):
        parse("--help")
    assert old[0].split("=")[0] not in capsys.readouterr().out


def test_the_help_has_groups_placeholders_and_defaults(parse, capsys):
    """The usage line does not list every option."""
    with pytest.raises(SystemExit):
        parse("--help")
    text = capsys.readouterr().out

    assert text.startswith("usage: cook [OPTIONS] PATH [OUT]\n")
    assert "recipe:\n  --eggs N" in text
    assert "100 % pure sugar (default: 0.5)" in text
    assert "--oven {gas,wood}" in text
    assert "--no-bake" in text
    assert "no option" not in text
