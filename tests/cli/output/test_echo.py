"""All output of commands passes through one module, cannot control the terminal and fits any encoding."""

import json
import subprocess
import sys

import pytest

from esper_cli.output.echo import echo, echo_json, escaped, warn


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain → ×", "plain → ×"),
        ("\x1b[31mred", r"\u001b[31mred"),
        ("\x1b]0;title\x07", r"\u001b]0;title\u0007"),
        ("two\r\nlines\ttabbed", r"two\r\nlines\ttabbed"),
        ("\x9b31m", r"\u009b31m"),
        ("\u202edesrever", r"\u202edesrever"),
        ("a\u2028b\x7f", r"a\u2028b\u007f"),
        ("a path \udcff", r"a path \udcff"),
        ("\U000e0001", r"\udb40\udc01"),
    ],
)
def test_control_characters_are_escaped(text, shown):
    """This covers escape sequences, line breaks, C1 controls and direction marks, but no letters and
    symbols.
    """
    assert escaped(text) == shown


def test_each_text_is_one_line(capsys):
    """Line breaks in it are escaped."""
    echo("one", "two\nforged")
    warn("esper x", "three\nforged")

    assert tuple(capsys.readouterr()) == ("one\ntwo\\nforged\n", "esper x: three\\nforged\n")


@pytest.mark.parametrize("indent", [None, 2])
def test_json_stays_json(capsys, indent):
    """The escapes are those of JSON, so that it is parsed to the same value."""
    value = {"text": "\x1b[0m\x9b\u202e \u2028 \n", "numbers": [1, 2]}
    echo_json(value, indent=indent)
    out = capsys.readouterr().out

    assert json.loads(out) == value
    assert out.replace("\n", "").isprintable()


def run(program, **options):
    """Run a program that prints like a command."""
    prepare = "from esper_cli.output.echo import echo, prepare_streams\nprepare_streams()\n"
    return subprocess.run([sys.executable, "-c", prepare + program], text=True, check=False, **options)


@pytest.mark.process
def test_what_an_encoding_cannot_hold_is_escaped(monkeypatch):
    """An arrow is not part of latin-1."""
    monkeypatch.setenv("PYTHONIOENCODING", "latin-1")
    result = run("echo('± →')", capture_output=True, encoding="latin-1")

    assert (result.returncode, result.stdout, result.stderr) == (0, "± \\u2192\n", "")


@pytest.mark.process
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_not_a_failure(tmp_path, closed):
    """Output to it is dropped; the exit code is that of the command."""
    program = (
        "from esper_cli.output.echo import echo, prepare_streams, warn\n"
        "import sys; prepare_streams(); sys.stdin.isatty()\n"
        "echo('out'); warn('x', 'err'); sys.stdout.flush()\n"
        f"open({str(tmp_path / 'done')!r}, 'w').write('done'); sys.exit(3)"
    )
    result = subprocess.run(
        ["bash", "-c", f"exec {sys.executable} -c \"$1\" {closed}", "bash", program],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert result.returncode == 3, result.stderr
    assert (tmp_path / "done").read_text() == "done"
    assert "Traceback" not in result.stderr
