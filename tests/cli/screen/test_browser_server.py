"""Tests of `sanctum --serve`: what it refuses, and the options of a visitor's screen."""

import shlex
import socket
import sys

import pytest

from esper_cli import sanctum
from esper_cli.screen import browser_server
from esper_tui.serving import sanctum_server

TOKEN = "a token that is long enough"


@pytest.fixture
def run_sanctum(capsys, monkeypatch):
    """Runs `sanctum` without serving; returns exit code, stdout, stderr and the arguments of the server."""
    seen = []

    def instead(listening, command, token):
        seen.append((listening.getsockname(), command, token))
        listening.close()

    monkeypatch.setattr(sanctum_server, "serve", instead)
    monkeypatch.delenv(browser_server.TOKEN_VARIABLE, raising=False)

    def run(*argv):
        try:
            code = sanctum.main(list(argv))
        except SystemExit as exit_:
            code = exit_.code
        return code, *capsys.readouterr(), seen

    return run


def refused(result, code, *words):
    """Check that there is one sentence on stderr and that nothing is served."""
    assert result[0] == code
    assert result[2].startswith("sanctum: ")
    assert result[2].count("\n") == 1
    assert all(word in result[2] for word in words), result[2]
    assert result[3] == []


def test_by_default_only_this_machine_is_served(run_sanctum):
    """The address is printed."""
    code, out, err, [(where, _, token)] = run_sanctum("--serve", "0")

    assert (code, err, token) == (0, "", None)
    assert where[0] == "127.0.0.1"
    assert f"http://127.0.0.1:{where[1]}/ for up to 8 visitors" in out


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_beyond_this_machine_a_token_is_needed(run_sanctum, host):
    """Without one, nothing is served."""
    refused(run_sanctum("--serve", "0", "--serve-host", host), 1, host, "ESPER_SERVE_TOKEN")


def test_with_a_token_any_address_is_served(run_sanctum, monkeypatch):
    """The variable is not passed to the visitors' processes, and the token is not printed."""
    monkeypatch.setenv(browser_server.TOKEN_VARIABLE, TOKEN)
    code, out, _, [(where, command, token)] = run_sanctum("--serve", "0", "--serve-host", "0.0.0.0")

    assert (code, where[0], token) == (0, "0.0.0.0", TOKEN)
    assert browser_server.TOKEN_VARIABLE not in browser_server.os.environ
    assert TOKEN not in out + command
    assert "?token=" in out


@pytest.mark.parametrize("token", ["", "short", "fifteen letters"])
def test_a_short_token_is_refused(run_sanctum, token):
    """It must have at least 16 characters."""
    refused(run_sanctum("--serve", "0", "--token", token), 1, "too short", "16")


def test_a_port_in_use_is_one_sentence(run_sanctum):
    """So is an address of another machine."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(run_sanctum("--serve", port), 1, port, "in use", "--serve PORT")
    refused(
        run_sanctum("--serve", "0", "--serve-host", "192.0.2.1", "--token", TOKEN), 1, "192.0.2.1", "cannot"
    )


def test_without_the_extra_the_error_says_what_to_install(run_sanctum, monkeypatch):
    """The base installation has no web server."""
    monkeypatch.delitem(sys.modules, "esper_tui.serving.sanctum_server")
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    refused(run_sanctum("--serve", "0"), 1, "aiohttp", "pip install 'esper-lite[serve]'")


@pytest.mark.parametrize("words", [["--serve", "runs/x"], ["--serve", "70000"], ["--serve", "-1"]])
def test_an_invalid_port_is_wrong_usage(run_sanctum, words):
    """So is a target in place of the port."""
    refused(run_sanctum(*words), 2, "--serve", "port")


@pytest.mark.parametrize("flag", ["--once", "--json"])
def test_serving_and_printing_once_exclude_each_other(run_sanctum, flag):
    """`--serve` cannot be combined with `--once` or `--json`."""
    refused(run_sanctum("--serve", "0", flag), 2, "--serve", flag)


def test_a_missing_target_is_reported_before_anything_is_served(run_sanctum, tmp_path):
    """The error is printed for the user who serves, not for the visitors."""
    refused(run_sanctum(str(tmp_path / "no such run"), "--serve", "0"), 1, "no such run")


def test_a_visitors_screen_gets_the_options(run_sanctum):
    """The token is not among them."""
    options = ["--compress", "--no-mouse", "--symbols=ascii", "--theme=light", "--rate=2.0"]
    target = "tcp://127.0.0.1:1"
    _, _, _, [(_, command, _)] = run_sanctum(target, "--serve", "0", "--token", TOKEN, *options)
    words = shlex.split(command)

    assert words[:4] == ["exec", sys.executable, "-m", "esper_cli.sanctum"]
    assert words[-2:] == ["--", target]
    assert sorted(words[4:-2]) == sorted(options)


def test_a_visitors_command_is_safe_from_the_shell():
    """A target is quoted as one word."""
    assert browser_server.visitor_command(["--", "a b;$(c)"]).endswith(" -- 'a b;$(c)'")
