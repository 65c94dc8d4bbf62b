"""A command that fails prints one sentence on stderr and has exit code 1."""

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
    """It follows the name of the command and is printable for any name of a file."""
    assert run_reporting_failures("esper x", failing(error)) == 1
    assert tuple(capsys.readouterr()) == ("", f"esper x: {sentence}\n")


def test_an_interruption_prints_nothing(capsys):
    """The exit code is 1."""
    assert run_reporting_failures("esper x", failing(KeyboardInterrupt())) == 1
    assert tuple(capsys.readouterr()) == ("", "")


def test_a_bug_is_not_a_failure_of_the_user():
    """The exception is not caught, so that the traceback is printed."""
    with pytest.raises(ZeroDivisionError):
        run_reporting_failures("esper x", failing(ZeroDivisionError()))


def test_the_exit_code_is_that_of_the_command():
    """This holds for a command that does not fail."""
    assert run_reporting_failures("esper x", lambda: 7) == 7
