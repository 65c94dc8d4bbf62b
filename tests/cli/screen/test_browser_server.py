"""Tests of `sanctum --serve`: what it refuses, in one sentence, and what a visitor's screen is told."""

import shlex
import socket
import sys

import pytest

from esper_cli import sanctum
from esper_cli.screen import browser_server
from esper_tui.serving import sanctum_server

TOKEN = "a token that is long enough"


@pytest.fixture
def sanctum_says(capsys, monkeypatch):
    """Runs `sanctum` up to where it would serve; gives exit code, stdout, stderr, and what it would."""
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
    """One sentence on stderr, nothing served."""
    assert result[0] == code
    assert result[2].startswith("sanctum: ")
    assert result[2].count("\n") == 1
    assert all(word in result[2] for word in words), result[2]
    assert result[3] == []


def test_it_serves_this_machine_only_and_says_where(sanctum_says):
    """Unless told otherwise."""
    code, out, err, [(where, _, token)] = sanctum_says("--serve", "0")

    assert (code, err, token) == (0, "", None)
    assert where[0] == "127.0.0.1"
    assert f"http://127.0.0.1:{where[1]}/ for up to 8 visitors" in out


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "example.org"])
def test_beyond_this_machine_a_token_is_needed(sanctum_says, host):
    """Before anything is bound or looked up."""
    refused(sanctum_says("--serve", "0", "--serve-host", host), 1, host, "ESPER_SERVE_TOKEN")


def test_with_a_token_any_address_is_served(sanctum_says, monkeypatch):
    """The variable is not handed on to the visitors' processes, and the token is not printed."""
    monkeypatch.setenv(browser_server.TOKEN_VARIABLE, TOKEN)
    code, out, _, [(where, command, token)] = sanctum_says("--serve", "0", "--serve-host", "0.0.0.0")

    assert (code, where[0], token) == (0, "0.0.0.0", TOKEN)
    assert browser_server.TOKEN_VARIABLE not in browser_server.os.environ
    assert TOKEN not in out + command
    assert "?token=" in out


@pytest.mark.parametrize("token", ["", "short", "fifteen letters"])
def test_a_token_that_could_be_guessed_is_refused(sanctum_says, token):
    """An empty one above all."""
    refused(sanctum_says("--serve", "0", "--token", token), 1, "too short", "16")


def test_a_port_in_use_is_a_sentence(sanctum_says):
    """And so is an address that is not this machine's."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused(sanctum_says("--serve", port), 1, port, "in use", "--serve PORT")
    refused(
        sanctum_says("--serve", "0", "--serve-host", "192.0.2.1", "--token", TOKEN), 1, "192.0.2.1", "cannot"
    )


def test_without_the_extra_it_says_what_to_install(sanctum_says, monkeypatch):
    """The base installation has no web server."""
    monkeypatch.delitem(sys.modules, "esper_tui.serving.sanctum_server")
    monkeypatch.setitem(sys.modules, "aiohttp", None)

    refused(sanctum_says("--serve", "0"), 1, "aiohttp", "pip install 'esper-lite[serve]'")


@pytest.mark.parametrize("words", [["--serve", "runs/x"], ["--serve", "70000"], ["--serve", "-1"]])
def test_a_port_that_is_none_is_wrong_usage(sanctum_says, words):
    """Also a target that stands where the port should."""
    refused(sanctum_says(*words), 2, "--serve", "port")


@pytest.mark.parametrize("flag", ["--once", "--json"])
def test_it_goes_on_or_prints_once(sanctum_says, flag):
    """Not both."""
    refused(sanctum_says("--serve", "0", flag), 2, "--serve", flag)


def test_a_target_that_is_not_there_is_a_sentence_before_anybody_looks(sanctum_says, tmp_path):
    """Whoever serves it reads it, not the visitors."""
    refused(sanctum_says(str(tmp_path / "no such run"), "--serve", "0"), 1, "no such run")


def test_a_visitors_screen_gets_the_options(sanctum_says):
    """Whatever the shell thinks of their letters; the token is not among them."""
    options = ["--compress", "--no-mouse", "--symbols=ascii", "--theme=light", "--rate=2.0"]
    target = "tcp://127.0.0.1:1"
    _, _, _, [(_, command, _)] = sanctum_says(target, "--serve", "0", "--token", TOKEN, *options)
    words = shlex.split(command)

    assert words[:4] == ["exec", sys.executable, "-m", "esper_cli.sanctum"]
    assert words[-2:] == ["--", target]
    assert sorted(words[4:-2]) == sorted(options)


def test_a_visitors_command_is_safe_from_the_shell():
    """A target is one word, whatever it is called."""
    assert browser_server.visitor_command(["--", "a b;$(c)"]).endswith(" -- 'a b;$(c)'")
