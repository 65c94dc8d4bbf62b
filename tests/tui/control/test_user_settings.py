"""Tests of esper_tui.control.user_settings."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from esper_tui.control.user_settings import Settings, load, parsed, save, serialized, settings_path
from esper_tui.grid.grid_plans import NEEDS
from esper_tui.text.symbols import SYMBOL_SETS
from esper_tui.text.theme import THEMES


@given(
    st.builds(
        Settings,
        theme=st.sampled_from(tuple(THEMES)),
        symbols=st.sampled_from(SYMBOL_SETS),
        hidden=st.frozensets(st.sampled_from(tuple(NEEDS))),
    )
)
def test_settings_survive_a_round_trip(settings):
    """Serialized settings are parsed back unchanged."""
    assert parsed(serialized(settings)) == settings


@pytest.mark.parametrize(
    "text",
    [
        "theme = 'neon'",
        "symbols = 3",
        "hidden = 'log'",
        "hidden = [1]",
        "theme = ",
        "\x00",
        "symbols = ['a']",
    ],
)
def test_a_damaged_file_gives_the_defaults_and_a_message(tmp_path, text):
    """The message names the file and says what to do."""
    file = tmp_path / "sanctum.toml"
    file.write_text(text)
    settings, message = load(file)

    assert settings == Settings()
    assert str(file) in message
    assert "delete it" in message


def test_bytes_that_are_not_text_are_a_damaged_file(tmp_path):
    """A directory in place of the file is reported in the same way."""
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")

    assert load(tmp_path / "a")[1]
    assert load(tmp_path)[1]


def test_a_missing_file_is_not_a_problem(tmp_path):
    """The defaults apply, without a message."""
    assert load(tmp_path / "none") == (Settings(), "")


def test_unknown_panels_are_ignored():
    """The file of a newer version may name panels that do not exist here."""
    assert parsed('hidden = ["log", "unheard of"]').hidden == {"log"}


def test_saving_creates_the_directory_and_leaves_no_other_file(tmp_path):
    """Parent directories are created, and no temporary file is left beside the file."""
    file = tmp_path / "a" / "b" / "sanctum.toml"

    assert save(Settings(theme="light"), file) == ""
    assert load(file)[0].theme == "light"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_reported(tmp_path):
    """`save` returns a message and raises nothing."""
    (tmp_path / "file").write_text("")

    assert "cannot be saved" in save(Settings(), tmp_path / "file" / "x.toml")


def test_the_file_is_where_xdg_says(monkeypatch, tmp_path):
    """It is below $XDG_CONFIG_HOME, or below ~/.config if that is not set."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "esper" / "sanctum.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_path() == tmp_path / ".config" / "esper" / "sanctum.toml"
