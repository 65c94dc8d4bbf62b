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
def test_what_is_written_is_read_again(settings):
    """Whatever the choices are."""
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
def test_a_damaged_file_means_the_defaults_and_a_word(tmp_path, text):
    """It names the file and says what to do."""
    file = tmp_path / "sanctum.toml"
    file.write_text(text)
    settings, word = load(file)

    assert settings == Settings()
    assert str(file) in word
    assert "delete it" in word


def test_bytes_that_are_not_text_are_a_damaged_file(tmp_path):
    """As is a directory."""
    (tmp_path / "a").write_bytes(b"\xff\xfe\x00")

    assert load(tmp_path / "a")[1]
    assert load(tmp_path)[1]


def test_a_missing_file_is_not_a_problem(tmp_path):
    """There are no choices yet."""
    assert load(tmp_path / "none") == (Settings(), "")


def test_panels_that_are_not_known_are_left_out():
    """A newer version may have had more."""
    assert parsed('hidden = ["log", "unheard of"]').hidden == {"log"}


def test_saving_makes_the_directory_and_leaves_no_other_file(tmp_path):
    """A reader never sees half a file."""
    file = tmp_path / "a" / "b" / "sanctum.toml"

    assert save(Settings(theme="light"), file) == ""
    assert load(file)[0].theme == "light"
    assert list(file.parent.iterdir()) == [file]


def test_a_file_that_cannot_be_written_is_a_word(tmp_path):
    """Not an exception."""
    (tmp_path / "file").write_text("")

    assert "cannot be saved" in save(Settings(), tmp_path / "file" / "x.toml")


def test_the_file_is_where_xdg_says(monkeypatch, tmp_path):
    """Or below ~/.config."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settings_path() == tmp_path / "esper" / "sanctum.toml"
    monkeypatch.delenv("XDG_CONFIG_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert settings_path() == tmp_path / ".config" / "esper" / "sanctum.toml"
