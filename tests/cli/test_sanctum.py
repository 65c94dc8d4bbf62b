"""`sanctum`: its options, and their effect on the screen."""

import json
import re
import sys
from pathlib import Path

import pytest

from esper_bus.addresses import runtime_dir
from esper_cli import sanctum
from esper_schemas.events import PPOUpdateCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.settings import setting_fields
from esper_tui.control.user_settings import SYMBOL_SETS, THEMES
from esper_tui.view.connection_status import judge_feed


@pytest.fixture
def started(monkeypatch, app_options, nothing, capsys):
    """The options that the app is started with, for given arguments and environment."""

    def start(*argv, **environment):
        monkeypatch.setattr(sanctum, "open_source", lambda *_, **__: nothing)
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        assert sanctum.main(list(argv)) == 0, capsys.readouterr().err
        return app_options

    return start


@pytest.fixture
def printed(monkeypatch, capsys, tmp_path, nothing):
    """The output of `sanctum --once` on a terminal, for given arguments and environment."""

    def once(*argv, **environment):
        monkeypatch.setattr(sanctum, "open_source", lambda *_, **__: nothing)
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
def test_over_ssh_the_app_draws_less_often(started, argv, environment, rate):
    """`--rate` overrides this; the rate is between 1 and 20 frames per second."""
    assert started(*argv, **environment)["frames_per_second"] == rate


@pytest.mark.parametrize("rate", ["nan", "inf", "0", "-3", "-0.5", "fast"])
def test_an_invalid_rate_is_refused(capsys, rate):
    """The error is one sentence that says what to give instead."""
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
    """They depend on `--color`, TERM and NO_COLOR."""
    codes = re.findall(r"\x1b\[([0-9;]+)m", printed(*argv, **environment))

    assert {"256" if "38;5;" in code else "16" for code in codes if code != "0"} == colours


def test_options_override_saved_settings(started, tmp_path):
    """The options apply to this start only."""
    saved = tmp_path / "esper" / "sanctum.toml"
    saved.parent.mkdir()
    saved.write_text('theme = "light"\nsymbols = "braille"\n')

    settings = started("--symbols", "ascii")["settings"]

    assert (settings.theme, settings.symbols) == ("light", "ascii")


def test_without_an_aggregator_the_screen_says_so(started):
    """The screen is shown all the same."""
    assert "No aggregator yet" in judge_feed(started()["feed"], 0).sentence


def test_the_choices_are_those_of_the_screen():
    """The options repeat the names, because importing the themes would load the drawing code."""
    described = setting_fields(sanctum.SanctumOptions)

    assert described["theme"].setting.choices == tuple(THEMES)
    assert described["symbols"].setting.choices == tuple(SYMBOL_SETS)


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], (None, None, None, None)),
        (["runs/x"], ("runs/x", None, None, None)),
        (["tcp://h:1", "--keys", "k", "--compress"], ("tcp://h:1", Path("k"), True, None)),
        (["--thin"], (None, None, True, None)),
        (["--run", "x"], (None, None, None, "x")),
        (["--runs-dir", "/no/x"], (f"ipc://{runtime_dir(Path('/no/x'))}", None, None, None)),
    ],
)
def test_the_target_is_opened_with_its_key(monkeypatch, app_options, nothing, capsys, words, arguments):
    """It is compressed if requested, also by the deprecated name of the option."""
    opened = []

    def open_source(target, keys, *, run, compress, thresholds):
        opened.append((target, keys, compress, run))
        return nothing

    monkeypatch.setattr(sanctum, "open_source", open_source)
    monkeypatch.setattr(sanctum, "history_opener", lambda target, keys, thresholds: None)
    monkeypatch.setattr(sanctum, "note_writer", lambda target, keys: None)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)

    assert sanctum.main(words) == 0
    assert opened == [arguments]
    assert capsys.readouterr().err.count("--thin is deprecated") == words.count("--thin")


def test_a_damaged_settings_file_is_reported_on_the_screen(started, tmp_path):
    """The app starts with the defaults."""
    saved = tmp_path / "esper" / "sanctum.toml"
    saved.parent.mkdir()
    saved.write_text("theme = ")

    seen = started()

    assert seen["settings"].theme == "dark"
    assert str(saved) in seen["notice"]


def test_a_terminal_that_cannot_be_drawn_on_is_refused(monkeypatch, capsys):
    """One example is the terminal of an editor."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")

    assert sanctum.main([]) == 1
    assert "TERM=dumb" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("thresholds", "verdict"),
    [
        ("", "CRITICAL"),
        (
            "[rules.large_updates]\nenabled = false\n[kl_divergence]\nwarning_above = inf\n"
            "critical_above = inf\n",
            "HEALTHY",
        ),
    ],
)
def test_a_recorded_run_is_shown_by_other_thresholds(recorded, tmp_path, capsys, thresholds, verdict):
    """Its findings and its colours follow them."""
    file = tmp_path / "t.toml"
    file.write_text(thresholds)
    payload = PPOUpdatePayload(kl_divergence=0.5)
    run = recorded(
        RunStarted(task="t"), *[PPOUpdateCompleted(update=n, payload=payload) for n in range(1, 7)]
    )
    assert sanctum.main(["--json", str(run), "--thresholds", str(file)]) == 0
    snapshot = json.loads(capsys.readouterr().out)

    assert snapshot["verdict"]["word"] == verdict


def test_thresholds_with_a_mistake_show_nothing(recorded, tmp_path, capsys):
    """One sentence has the line."""
    file = tmp_path / "t.toml"
    file.write_text("mood = 1\n")
    code = sanctum.main(["--once", str(recorded(RunStarted(task="t"))), "--thresholds", str(file)])

    assert code == 1
    assert f"{file}:1: there is no metric 'mood'" in capsys.readouterr().err


def test_one_frame_sets_no_title(printed):
    """The window is not Sanctum's, even if it could have a title."""
    assert "\x1b]" not in printed(TERM="xterm-256color")


def test_a_directory_of_runs_beside_a_target_is_refused(capsys):
    """Both name what is to be shown."""
    with pytest.raises(SystemExit):
        sanctum.main(["runs/x", "--runs-dir", "runs", "--once"])

    assert "give one of them" in capsys.readouterr().err
