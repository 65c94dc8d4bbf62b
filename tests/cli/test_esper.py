"""`esper`: its commands, their help, and the modules that they import."""

import re
import subprocess
import sys

import pytest

from esper_cli import esper
from esper_cli.commands import keys, log

COMMANDS = [
    *([name] for name in esper.COMMANDS),
    *(["log", action] for action in log.ACTIONS),
    *(["keys", action] for action in keys.ACTIONS),
]


def test_the_help_lists_every_command_with_one_line(run_esper):
    """The line is the help of the command, without a full stop."""
    code, text, _ = run_esper("--help")

    assert code == 0
    for name, entry in esper.COMMANDS.items():
        assert re.search(rf"^ +{name} +{re.escape(entry.help)}$", text, re.MULTILINE)
        assert not entry.help.endswith(".")


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_has_a_help(run_esper, command):
    """It has a usage line, a description and no line of more than 100 characters."""
    code, text, err = run_esper(*command, "--help")
    usage, _, description, *_ = text.splitlines()

    assert (code, err) == (0, "")
    assert usage.startswith(f"usage: esper {' '.join(command)} ")
    assert description[0].isupper()
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_option_can_be_abbreviated(run_esper, command):
    """`--run real` must not be parsed as `--runs-dir real`."""
    text = run_esper(*command, "--help").out
    options = {word.strip(",[]") for word in text.split() if word.startswith("--")}
    abbreviated = {option[:-1] for option in options if len(option) > 4} - options

    assert abbreviated
    for option in abbreviated:
        code, out, err = run_esper(*command, option, "x")
        assert (code, out) == (2, "")
        expected = (f"unknown option {option}", "required", "argument ACTION: invalid choice: 'x'")
        assert any(words in err for words in expected)


def test_run_is_not_runs_dir(run_esper):
    """The error suggests the option that was probably meant."""
    code, _, err = run_esper("ppo", "--run", "real")

    assert code == 2
    assert err == "esper ppo: unknown option --run, did you mean --runs-dir?; see `esper ppo --help`\n"


def test_an_unknown_command_is_wrong_usage(run_esper):
    """The error lists the commands."""
    code, _, err = run_esper("fly")

    assert code == 2
    assert err.count("\n") == 1
    assert all(name in err for name in esper.COMMANDS)


@pytest.mark.process
def test_only_the_given_command_is_imported():
    """Listing commands and reading a log load neither torch nor the screen."""
    program = (
        "import sys; from esper_cli.esper import main\n"
        "try: main({argv})\n"
        "except SystemExit: pass\n"
        "print(sorted({{'torch', 'textual', 'zmq', 'mcap'}} & set(sys.modules)), file=sys.stderr)"
    )

    def loaded(*argv):
        program_of = program.format(argv=list(argv))
        return subprocess.run(
            [sys.executable, "-c", program_of], capture_output=True, text=True, check=True
        ).stderr

    assert loaded("--help") == "[]\n"
    assert loaded("log", "info", "--help") == "['mcap']\n"
    assert "torch" not in loaded("ppo", "--help")
