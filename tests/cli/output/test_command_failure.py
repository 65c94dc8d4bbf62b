"""A command that fails says so in one sentence on stderr, with exit code 1."""

import pytest

from esper_cli.output.command_failure import CommandError, run_reporting_failures
from esper_schemas.errors import Unreachable


def failing(error):
    """A command that fails with an error."""

    def command():
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (CommandError("there is nothing to do"), "there is nothing to do"),
        (Unreachable("No aggregator answers."), "No aggregator answers."),
        (
            PermissionError(13, "Permission denied", "/root/secret"),
            "cannot use /root/secret (Permission denied); choose another path or change its permissions",
        ),
        (
            FileNotFoundError(2, "No such file or directory", b"\xff\n"),
            r"cannot use \udcff\n (No such file or directory); choose another path or change its permissions",
        ),
        (OSError(5, "Broken"), "cannot read or write (Broken); free space or redirect the output"),
        (OSError("odd"), "cannot read or write (odd); free space or redirect the output"),
    ],
)  # fmt: skip
def test_a_failure_is_one_sentence(capsys, error, sentence):
    """After the name of the command, whatever the file is called."""
    assert run_reporting_failures("esper x", failing(error)) == 1
    assert tuple(capsys.readouterr()) == ("", f"esper x: {sentence}\n")


def test_an_interruption_prints_nothing(capsys):
    """The user knows."""
    assert run_reporting_failures("esper x", failing(KeyboardInterrupt())) == 1
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_bug_is_not_a_failure_of_the_user():
    """It keeps its traceback."""
    with pytest.raises(ZeroDivisionError):
        run_reporting_failures("esper x", failing(ZeroDivisionError()))


def test_the_exit_code_is_that_of_the_command():
    """If it does not fail."""
    assert run_reporting_failures("esper x", lambda: 7) == 7
