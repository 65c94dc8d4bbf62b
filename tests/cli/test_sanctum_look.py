"""Tests of what `sanctum` can be told about its looks."""

import re
import subprocess
import sys

import pytest

from esper_cli import sanctum
from esper_cli.screen import training_screen
from esper_schemas.source import Feed
from esper_trainer.request import TrainingRequest
from esper_tui.view.connection_status import judge_feed


class Nothing:
    """A source without a snapshot."""

    def poll(self):
        """Nothing was heard."""
        return Feed()

    def close(self):
        """Nothing to release."""


@pytest.fixture
def started(monkeypatch, tmp_path):
    """What the app is started with, for arguments and an environment."""

    def start(*argv, **environment):
        seen = {}

        class App:
            is_running = False

            def __init__(self, source, **options):
                seen.update(options)
                self.source = source

            def run(self, **options):
                seen.update(options, feed=self.source.poll())

        monkeypatch.setattr("esper_tui.app.SanctumApp", App)
        monkeypatch.setattr(sanctum, "open_source", lambda *_, **__: Nothing())
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if argv == ("esper ppo",):
            request = TrainingRequest(runs_dir=tmp_path)
            with subprocess.Popen([sys.executable, "-c", ""]) as trainer:
                training_screen.show_sanctum(request, trainer, tmp_path / "run")
        else:
            assert sanctum.main(list(argv)) == 0
        return seen

    return start


@pytest.fixture
def printed(monkeypatch, capsys, tmp_path):
    """What `sanctum --once` prints on a terminal, for arguments and an environment."""

    def once(*argv, **environment):
        monkeypatch.setattr(sanctum, "open_source", lambda *_, **__: Nothing())
        monkeypatch.setattr(sanctum, "first_feed", lambda source: source.poll())
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        for name in ("NO_COLOR", "COLORTERM", "FORCE_COLOR", "TTY_COMPATIBLE", "TEXTUAL_COLOR_SYSTEM"):
            monkeypatch.setenv(name, "")
            monkeypatch.delenv(name)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert sanctum.main(["--once", *argv]) == 0
        return capsys.readouterr().out

    return once


@pytest.mark.parametrize(
    ("argv", "environment", "rate"),
    [
        ((), {}, 20.0),
        ((), {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, 4.0),
        (("--rate", "10"), {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, 10.0),
        (("--rate", "1000"), {}, 20.0),
        (("--rate", "0.001"), {}, 1.0),
    ],
)
def test_over_ssh_it_draws_less_often(started, argv, environment, rate):
    """Unless it is told otherwise; never more than 20 times a second, never less than once."""
    assert started(*argv, **environment)["frames_per_second"] == rate


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "-3", "-0.5", "fast"])
def test_a_rate_that_cannot_be_drawn_at_is_refused(capsys, rate):
    """In one sentence that says what to give instead."""
    with pytest.raises(SystemExit) as stopped:
        sanctum.main(["--rate", rate])

    said = capsys.readouterr().err
    assert stopped.value.code == 2
    assert "argument --rate: must be " in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "environment", "colours"),
    [
        ((), {"TERM": "xterm-256color"}, {"256"}),
        ((), {"TERM": "dumb"}, set()),
        ((), {"TERM": "xterm"}, {"16"}),
        ((), {"TERM": "xterm-256color", "NO_COLOR": "1"}, set()),
        (("--color", "standard"), {"TERM": "xterm-256color"}, {"16"}),
        (("--color", "256"), {"TERM": "xterm"}, {"256"}),
    ],
)
def test_one_frame_has_the_colours_that_its_terminal_has(printed, argv, environment, colours):
    """By `--color`, TERM and NO_COLOR, as in the cockpit."""
    codes = re.findall(r"\x1b\[([0-9;]+)m", printed(*argv, **environment))

    assert {"256" if "38;5;" in code else "16" for code in codes if code != "0"} == colours


def test_what_is_said_goes_before_what_was_kept(started, tmp_path):
    """For this once; the rest is as it was kept."""
    kept = tmp_path / "esper" / "sanctum.toml"
    kept.parent.mkdir()
    kept.write_text('theme = "light"\nsymbols = "braille"\n')

    settings = started("--symbols", "ascii")["settings"]

    assert (settings.theme, settings.symbols) == ("light", "ascii")


def test_esper_ppo_opens_it_as_it_was_kept(started, tmp_path):
    """The screen is the same whichever command opens it, and keeps what is chosen there."""
    kept = tmp_path / "esper" / "sanctum.toml"
    kept.parent.mkdir()
    kept.write_text('theme = "light"\nhidden = ["log"]\n')

    seen = started("esper ppo", SSH_CONNECTION="10.0.0.1 1 10.0.0.2 22")

    assert (seen["settings"].theme, seen["settings"].hidden) == ("light", frozenset({"log"}))
    assert seen["settings_file"] == kept
    assert seen["frames_per_second"] == 4.0


def test_until_the_trainer_is_heard_esper_ppo_says_that_the_training_is_starting(started, tmp_path):
    """Whoever has just started one is not told to do so, but where to look if it takes long."""
    said = judge_feed(started("esper ppo")["feed"], 0).sentence

    assert said == f"The training is starting; what it prints is in {tmp_path / 'run' / 'trainer.log'}."
    assert "No aggregator yet" in judge_feed(started()["feed"], 0).sentence


def test_a_damaged_file_of_choices_is_a_word(started, tmp_path):
    """The app starts with the defaults and says so."""
    kept = tmp_path / "esper" / "sanctum.toml"
    kept.parent.mkdir()
    kept.write_text("theme = ")

    seen = started()

    assert seen["settings"].theme == "dark"
    assert str(kept) in seen["notice"]


def test_a_terminal_that_cannot_be_drawn_on_is_a_sentence(monkeypatch, capsys):
    """Such as that of an editor."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")

    assert sanctum.main([]) == 1
    assert "TERM=dumb" in capsys.readouterr().err
