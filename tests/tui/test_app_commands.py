"""Tests of the commands of esper_tui.app: settings, redraw rate, copying, saving, palette and help."""

import pytest

from esper_tui.control.commands import COMMANDS
from esper_tui.control.user_settings import Settings, load
from esper_tui.grid.arrangement import OPENED
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.help_screen import HelpScreen
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.text.spans import plain

ORDER = list(PANELS)


def shown(app, panel=OPENED):
    """The text of a panel of the main screen."""
    return "\n".join(plain(row) for row in app.screen_stack[0].query_one(f"#{panel}", PanelWidget).rows)


async def test_themes_and_symbols_cycle_through_their_choices(start_app, tmp_path):
    """Each choice is saved; with ascii, the heads have no other characters."""
    file = tmp_path / "sanctum.toml"
    app = start_app(settings_file=file)
    async with app.run_test(size=(120, 40)) as pilot:
        seen = []
        for _ in range(3):
            await pilot.press("t", "b")
            kept, _ = load(file)
            seen.append((kept.theme, kept.symbols))
            if kept.symbols == "ascii":
                assert shown(app, "heads").isascii()
        assert seen == [("light", "braille"), ("ansi", "ascii"), ("dark", "block")]


@pytest.mark.parametrize(("theme", "background"), [("dark", 233), ("light", 255), ("ansi", None)])
async def test_a_theme_colours_the_main_screen_from_the_start(start_app, theme, background):
    """Its background is behind every cell; the ansi theme has none."""
    app = start_app(settings=Settings(theme=theme))
    async with app.run_test(size=(120, 40)):
        segments = list(app.screen.query_one("#losses", PanelWidget).render_line(0))
        numbers = {s.style.bgcolor.number if s.style.bgcolor else None for s in segments}
        assert numbers == {background}


async def test_a_file_that_cannot_be_written_does_not_end_the_app(start_app, tmp_path):
    """The choice holds until the app exits."""
    (tmp_path / "file").write_text("")
    app = start_app(settings_file=tmp_path / "file" / "sanctum.toml")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("b")
        assert app.options.symbols == "braille"


async def test_the_rate_is_doubled_and_halved(start_app):
    """It is at most 20 frames per second."""
    app = start_app(frames_per_second=4.0)
    async with app.run_test(size=(80, 24)) as pilot:
        rates = []
        for key in ("plus", "plus", "plus", "plus", "minus"):
            await pilot.press(key)
            rates.append(app.rate)
        assert rates == [8.0, 16.0, 20.0, 20.0, 10.0]


async def test_copy_takes_the_selected_panel(start_app):
    """The text has no other panel and no selection mark."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("tab", "y")
        assert "PPO LOSSES" in app.clipboard
        assert "ACTION HEADS" not in app.clipboard
        assert "▸" not in app.clipboard


async def test_a_screen_is_saved(start_app, tmp_path, monkeypatch):
    """It is an SVG file in the working directory."""
    monkeypatch.chdir(tmp_path)
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("s")
    (picture,) = tmp_path.glob("sanctum-*.svg")
    assert "ACTION" in picture.read_text()


async def test_screens_saved_within_a_second_are_separate_files(start_app, tmp_path, monkeypatch):
    """Each notification names its file."""
    monkeypatch.chdir(tmp_path)
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("s", "t", "s", "s")
        said = [notice for notice in notices(app) if notice.startswith("Saved")]
    pictures = sorted(path.name for path in tmp_path.glob("*.svg"))
    assert sorted(said) == sorted(f"Saved {name}." for name in pictures)
    assert len(pictures) == 3
    assert len({(tmp_path / name).read_text() for name in pictures}) > 1


async def test_a_directory_that_cannot_be_written_does_not_end_the_app(start_app, tmp_path, monkeypatch):
    """Saving a screen in a deleted directory leaves the app running."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("s")
        assert app.is_running


@pytest.mark.slow
async def test_the_palette_offers_every_command(start_app):
    """Commands of the time bar are left out until it is shown; choosing an entry runs its command."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        offered = {command.title for command in app.get_system_commands(app.screen)}
        here = [c for c in COMMANDS if c.name != "command_palette" and not c.on_time_bar]
        assert offered == {c.title for c in here}
        await pilot.press("ctrl+p")
        await pilot.press(*"help")
        await pilot.pause(0.5)
        await pilot.press("down", "enter")
        await pilot.pause(0.5)
        assert isinstance(app.screen, HelpScreen)


async def test_keys_of_the_main_screen_do_nothing_on_the_help_page(start_app):
    """No panel is opened or selected behind it."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("?", "tab", "down", "enter", "x")
        assert isinstance(app.screen, HelpScreen)
        assert app.options.opened is None
        assert app.options.selected is None


def notices(app):
    """The messages of the notifications."""
    return [notice.message for notice in app._notifications]


def screen_lines(app):
    """Every character of the screen, including those that Textual draws."""
    return ["".join(s.text for s in strip) for strip in app.screen._compositor.render_strips()]


ON_TOP = {
    "cockpit": (),
    "opened": ("tab", "tab", "tab", "enter"),
    "help": ("?", "pagedown", "j", "j", "j"),
    "palette": (":",),
    "help, changed there": ("?", "b", "b"),
}


@pytest.mark.slow
@pytest.mark.parametrize("what", ON_TOP)
async def test_with_ascii_every_character_of_the_screen_is_ascii(start_app, feeds, what):
    """This includes what Textual draws itself: a notification, the palette and a scrollbar."""
    symbols = "block" if "b" in ON_TOP[what] else "ascii"
    app = start_app(feeds["critical"], settings=Settings(symbols=symbols))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.notify("Something is “said” …")
        await pilot.press(*ON_TOP[what])
        await pilot.pause(0.8)
        lines = screen_lines(app)
        assert [line for line in lines if not line.isascii()] == []
        assert any("Something is ?said?" in line for line in lines) or what == "palette"
