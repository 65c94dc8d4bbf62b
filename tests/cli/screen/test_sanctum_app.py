"""The app has the saved settings and a frame rate that its connection can carry."""

import pytest

from esper_cli.screen.sanctum_app import effective_settings, is_served, sanctum_app


def no_history(run):
    """A history that is never opened."""
    raise AssertionError(run)


@pytest.fixture
def saved(monkeypatch, tmp_path):
    """Writes a text to the settings file."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    path = tmp_path / "esper" / "sanctum.toml"
    path.parent.mkdir()

    def save(text):
        path.write_text(text)
        return path

    return save


def test_the_app_has_the_saved_settings_and_saves_changes(saved, app_options, nothing):
    """It saves them in the same file."""
    path = saved('theme = "light"\nhidden = ["log"]\n')
    sanctum_app(nothing, no_history)

    assert (app_options["settings"].theme, app_options["settings"].hidden) == ("light", frozenset({"log"}))
    assert app_options["settings_file"] == path


def test_given_settings_override_saved_ones(saved):
    """Other settings keep their saved values."""
    saved('theme = "light"\nsymbols = "braille"\n')
    settings, problem = effective_settings(None, "ascii")

    assert (settings.theme, settings.symbols, problem) == ("light", "ascii", "")


def test_a_damaged_settings_file_is_a_problem(saved):
    """The defaults apply."""
    path = saved("theme = ")
    settings, problem = effective_settings(None, None)

    assert settings.theme == "dark"
    assert str(path) in problem


@pytest.mark.parametrize(("driver", "served"), [("", False), ("textual.drivers.web_driver:WebDriver", True)])
def test_a_visitor_in_a_browser_is_detected_by_the_driver(monkeypatch, driver, served):
    """The server sets this driver."""
    monkeypatch.setenv("TEXTUAL_DRIVER", driver)

    assert is_served() == served


def test_a_visitor_in_a_browser_saves_nothing(monkeypatch, nothing):
    """The settings are those of the user who serves."""
    seen = {}
    monkeypatch.setenv("TEXTUAL_DRIVER", "textual.drivers.web_driver:WebDriver")
    monkeypatch.setattr(
        "esper_tui.serving.served_app.ServedApp", lambda source, **options: seen.update(options)
    )
    sanctum_app(nothing, no_history)

    assert seen["settings_file"] is None
