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
    """What a panel of the cockpit says."""
    return "\n".join(plain(row) for row in app.screen_stack[0].query_one(f"#{panel}", PanelWidget).rows)


async def test_themes_and_symbols_go_around(start_app, tmp_path):
    """Each is kept; ascii needs no other character."""
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
async def test_a_theme_colours_the_cockpit_from_the_start(start_app, theme, background):
    """Its background is behind every cell; the terminal's own colours have none."""
    app = start_app(settings=Settings(theme=theme))
    async with app.run_test(size=(120, 40)):
        segments = list(app.screen.query_one("#losses", PanelWidget).render_line(0))
        numbers = {s.style.bgcolor.number if s.style.bgcolor else None for s in segments}
        assert numbers == {background}


async def test_a_file_that_cannot_be_written_does_not_end_the_app(start_app, tmp_path):
    """The choice holds for this time."""
    (tmp_path / "file").write_text("")
    app = start_app(settings_file=tmp_path / "file" / "sanctum.toml")
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("b")
        assert app.options.symbols == "braille"


async def test_the_rate_is_doubled_and_halved(start_app):
    """Between once a second and twenty times."""
    app = start_app(frames_per_second=4.0)
    async with app.run_test(size=(80, 24)) as pilot:
        rates = []
        for key in ("plus", "plus", "plus", "plus", "minus"):
            await pilot.press(key)
            rates.append(app.rate)
        assert rates == [8.0, 16.0, 20.0, 20.0, 10.0]


async def test_copy_takes_the_marked_panel(start_app):
    """All of it, and nothing else."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("tab", "y")
        assert "PPO LOSSES" in app.clipboard
        assert "ACTION HEADS" not in app.clipboard
        assert "▸" not in app.clipboard


async def test_a_picture_is_saved(start_app, tmp_path, monkeypatch):
    """As SVG, in the working directory."""
    monkeypatch.chdir(tmp_path)
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("s")
    (picture,) = tmp_path.glob("sanctum-*.svg")
    assert "ACTION" in picture.read_text()


async def test_two_pictures_of_one_second_are_two_files(start_app, tmp_path, monkeypatch):
    """Each is named as it was said."""
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
    """There is a word, and the app goes on."""
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
    """By name, with its keys and its help; choosing one runs it."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        offered = {command.title for command in app.get_system_commands(app.screen)}
        assert offered == {c.title for c in COMMANDS if c.name != "command_palette"}
        await pilot.press("ctrl+p")
        await pilot.press(*"help")
        await pilot.pause(0.5)
        await pilot.press("down", "enter")
        await pilot.pause(0.5)
        assert isinstance(app.screen, HelpScreen)


async def test_the_keys_of_the_cockpit_do_no_harm_on_the_help_page(start_app):
    """Arrows scroll it; nothing is opened behind it."""
    app = start_app()
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("?", "tab", "down", "enter", "x")
        assert isinstance(app.screen, HelpScreen)
        assert app.options.opened is None
        assert app.options.selected is None


def notices(app):
    """What was said in passing."""
    return [notice.message for notice in app._notifications]


def screen_lines(app):
    """Every character of the screen, whoever drew it."""
    return ["".join(s.text for s in strip) for strip in app.screen._compositor.render_strips()]


ON_TOP = {
    "cockpit": (),
    "opened": ("tab", "tab", "tab", "enter"),
    "help": ("?", "pagedown", "j", "j", "j"),
    "palette": (":",),
    "help, changed there": ("?", "b", "b"),
}


@pytest.mark.parametrize("what", ON_TOP)
async def test_with_ascii_every_character_of_the_screen_is_ascii(start_app, feeds, what):
    """What Textual draws by itself too: a notice, the palette and a scrollbar."""
    symbols = "block" if "b" in ON_TOP[what] else "ascii"
    app = start_app(feeds["critical"], settings=Settings(symbols=symbols))
    async with app.run_test(size=(80, 24), notifications=True) as pilot:
        app.notify("Something is “said” …")
        await pilot.press(*ON_TOP[what])
        await pilot.pause(0.8)
        lines = screen_lines(app)
        assert [line for line in lines if not line.isascii()] == []
        assert any("Something is ?said?" in line for line in lines) or what == "palette"
