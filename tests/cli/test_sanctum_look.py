"""Tests of what `sanctum` can be told about its looks."""

import argparse
import subprocess
import sys

import pytest

from esper_cli import ppo, sanctum
from esper_schemas.source import Feed
from esper_tui.status import judge_feed


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
        monkeypatch.setattr(sanctum, "source_for", lambda *_, **__: Nothing())
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.delenv("SSH_CONNECTION", raising=False)
        monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        if argv == ("esper ppo",):
            arguments = argparse.Namespace(runs_dir=tmp_path, aggregator=None, keys=None)
            with subprocess.Popen([sys.executable, "-c", ""]) as trainer:
                ppo._show_sanctum(arguments, trainer, tmp_path / "run")
        else:
            assert sanctum.main(list(argv)) == 0
        return seen

    return start


@pytest.mark.parametrize(
    ("argv", "environment", "rate"),
    [
        ((), {}, 20.0),
        ((), {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, 4.0),
        (("--rate", "10"), {"SSH_CONNECTION": "10.0.0.1 1 10.0.0.2 22"}, 10.0),
        (("--rate", "1000"), {}, 20.0),
        (("--rate", "0.001"), {}, 1.0),
        (("--rate", "nan"), {}, 20.0),
    ],
)
def test_over_ssh_it_draws_less_often(started, argv, environment, rate):
    """Unless it is told otherwise; never more than 20 times a second, never less than once."""
    assert started(*argv, **environment)["frames_per_second"] == rate


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
