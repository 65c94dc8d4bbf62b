"""The screen follows what a run measures: in frames, and while the app runs."""

from cProfile import Profile
from pstats import Stats

import pytest
from msgspec import structs
from tests.tui.foreign import FOREIGN, many_scalars, sb3, sb3_run, sb3_state

from esper_schemas import TamiyoState
from esper_schemas.snapshot import SlotsState
from esper_tui.frame import draw, frame_rows, opened_keys
from esper_tui.grid.arrangement import OPENED
from esper_tui.pages.page import GroupKey
from esper_tui.panels.panel_registry import PANELS
from esper_tui.screens.panel_widget import PanelWidget
from esper_tui.terminal.export import print_frame
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View, ViewOptions

SIZES = [(40, 12), (80, 24), (120, 40), (160, 50), (200, 60)]
GRADIENT = {"lstm_grad_norm": 0.5}


def placed(view, width, height, **options):
    """The panels that have a place."""
    return {place.panel for place, _ in draw(view, width, height, ViewOptions(**options))} & PANELS.keys()


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_another_trainer_sees_no_panel_and_no_row_of_what_it_does_not_measure(
    foreign_feeds, now, width, height
):
    """There are no dashes but those of a rank whose updates nobody times."""
    view = View(foreign_feeds["foreign"], now)
    lines = [plain(row) for row in frame_rows(view, width, height)]
    text = "\n".join(lines)

    assert not placed(view, width, height) & {
        "heads",
        "slots",
        "gradients",
        "health",
        "value",
        "anomalies",
        "log",
    }
    assert all(" – " not in line for line in lines if "trainer:0" not in line)
    assert "195.300" in text
    assert "0.000300" in text
    assert "waiting" not in text


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("name", FOREIGN)
def test_every_frame_fills_its_window(foreign_feeds, now, name, width, height):
    """Names and numbers of any kind stay in their panels."""
    for place, rows in draw(View(foreign_feeds[name], now), width, height):
        assert len(rows) == place.height
        assert {row_width(row) for row in rows} == {place.width}
        assert all(plain(row).isprintable() for row in rows)
        assert not any("cannot be drawn" in plain(row) for row in rows)


def test_a_panel_that_gets_something_to_show_appears(make_feed, now):
    """Others make room for it."""
    before, after = (
        View(make_feed(snapshot), now) for snapshot in (sb3(), sb3(slots=SlotsState(stage_counts=(4, 2))))
    )

    assert "slots" not in placed(before, 160, 50)
    assert "slots" in placed(after, 160, 50)


def test_a_panel_keeps_its_place_in_updates_that_lack_its_metrics(make_feed, now):
    """The options remember what the run has measured."""
    view = View(make_feed(sb3()), now)

    assert "gradients" not in placed(view, 160, 50)
    assert "gradients" in placed(view, 160, 50, measured=frozenset(GRADIENT))


def test_a_hidden_panel_stays_hidden_whatever_is_measured(make_feed, now):
    """Hiding everything else leaves a message, not the panels without content."""
    view = View(make_feed(sb3(sb3_state(**GRADIENT))), now)
    rest = placed(view, 200, 60) - {"gradients"}

    assert "gradients" not in placed(view, 200, 60, hidden=frozenset({"gradients"}))
    assert placed(view, 200, 60, hidden=frozenset(rest)) == {"gradients"}
    lines = [
        plain(row) for row in frame_rows(view, 80, 24, ViewOptions(hidden=frozenset({*rest, "gradients"})))
    ]
    assert any("All panels are hidden" in line for line in lines)


@pytest.mark.parametrize(("panel", "said"), [("slots", True), ("gradients", True), ("losses", False)])
def test_an_opened_panel_says_why_it_has_no_place(make_feed, now, panel, said):
    """Every panel can be opened, with the help of what a trainer could measure."""
    rows = frame_rows(View(make_feed(sb3()), now), 120, 40, ViewOptions(opened=panel))

    assert ("nothing measured, so it has no place" in "\n".join(map(plain, rows))) is said


def test_the_title_of_the_kl_divergence_names_its_estimator(make_feed, now):
    """The values of two libraries cannot be compared without it."""
    rows = frame_rows(View(make_feed(sb3()), now), 120, 40, ViewOptions(opened="losses", cursor=1))

    assert "Convention  estimator k3, as the trainer's library logs it" in "\n".join(map(plain, rows))


def test_a_printed_frame_is_as_high_as_what_it_shows(make_feed, now, tmp_path):
    """Panels without content take no rows."""
    heights = {}
    for name, snapshot in (("few", sb3()), ("more", sb3(sb3_state(**GRADIENT)))):
        with (tmp_path / name).open("w") as file:
            print_frame(make_feed(snapshot), file, now_ns=now, width=80)
        heights[name] = len((tmp_path / name).read_text().splitlines())

    assert heights["few"] < heights["more"]
    assert "GRADIENTS" not in (tmp_path / "few").read_text()


@pytest.mark.parametrize(("width", "height", "most"), [(80, 24, 20_000), (200, 60, 50_000)])
def test_the_frame_of_two_thousand_scalars_takes_a_bounded_number_of_function_calls(
    foreign_feeds, now, width, height, most
):
    """Unlike time, calls do not depend on the load of the machine."""
    view = View(foreign_feeds["many-scalars"], now)
    draw(view, width, height)  # fills the caches
    with Profile() as profile:
        draw(view, width, height)

    assert Stats(profile).total_calls < most


def shown(app, panel=OPENED):
    """The text of a panel of the main screen."""
    return "\n".join(plain(row) for row in app.screen_stack[0].query_one(f"#{panel}", PanelWidget).rows)


def drawn(app):
    """The panels that have a place on the screen of an app."""
    return {name for name in PANELS if app.screen_stack[0].query_one(f"#{name}", PanelWidget).size.height}


async def show_next(pilot, source, snapshot):
    """Show another snapshot."""
    source.feed = structs.replace(source.feed, snapshot=snapshot)
    pilot.app.redraw()
    await pilot.pause()


async def test_a_panel_appears_once_and_stays_while_the_run_is_shown(start_both, make_feed):
    """It is forgotten for another run."""
    app, source = start_both(make_feed(sb3()))
    async with app.run_test(size=(160, 50)) as pilot:
        assert "gradients" not in drawn(app)
        await show_next(pilot, source, sb3(sb3_state(**GRADIENT)))
        assert "gradients" in drawn(app)
        await show_next(pilot, source, sb3())
        assert "gradients" in drawn(app)
        await show_next(pilot, source, sb3(run=sb3_run(run="another")))
        assert "gradients" not in drawn(app)


async def test_the_first_update_of_esper_s_own_trainer_moves_no_panel(start_both, make_feed, make_snapshot):
    """Its panels are there from the start of the run."""
    app, source = start_both(make_feed(make_snapshot(TamiyoState())))
    async with app.run_test(size=(160, 50)) as pilot:
        before = drawn(app)
        await show_next(pilot, source, make_snapshot())
        assert drawn(app) == before == PANELS.keys() - {"scalars", "charts"}


async def test_enter_expands_and_collapses_a_group_of_scalars(start_both, make_feed):
    """The cursor stays at its heading; at a scalar it collapses the group of that."""
    app, _ = start_both(make_feed(many_scalars()))
    async with app.run_test(size=(120, 40)) as pilot:
        app.main_screen._open("scalars")
        await pilot.press("down", "down", "down", "down", "enter")
        assert app.options.toggled == {GroupKey("group", "layers/")}
        assert "▸ - layers/  1992" in shown(app)
        assert "layers/policy.0.bias" in shown(app)
        await pilot.press("down", "down", "enter")
        assert app.options.toggled == frozenset()
        assert "▸ + layers/  1992" in shown(app)
        assert len(opened_keys(app.view(), "scalars", 120, 40)) == 7


async def test_enter_changes_nothing_in_a_panel_without_groups(start_both, make_feed):
    """It stays open."""
    app, _ = start_both(make_feed(sb3()))
    async with app.run_test(size=(120, 40)) as pilot:
        await pilot.press("enter", "enter")
        assert app.options.opened == "losses"
        assert app.options.toggled == frozenset()


async def test_an_opened_panel_without_a_place_is_reached_but_not_selected(start_both, make_feed):
    """Only panels in sight are selected."""
    app, _ = start_both(make_feed(sb3()))
    async with app.run_test(size=(160, 50)) as pilot:
        await pilot.press("tab", "tab", "tab", "tab")
        assert app.options.selected == "scalars"
        await pilot.press("enter", "left_square_bracket")
        assert app.options.opened == "heads"
        await pilot.press("escape")
        assert app.options.selected is None
