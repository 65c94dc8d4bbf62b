"""Tests of the opened panels: what they list, and what is said of each entry."""

import pytest
from msgspec import structs

from esper_schemas import QUANTITIES
from esper_schemas.findings import Evidence, Finding
from esper_schemas.heads import HEADS, Stage
from esper_schemas.snapshot import LinkHealth, LogEntry
from esper_tui.frame import draw
from esper_tui.grid.arrangement import OPENED
from esper_tui.metrics.metric_help import advice_for
from esper_tui.metrics.metric_value import history_of
from esper_tui.pages.help_page import CONDITION_WORDS
from esper_tui.pages.machinery_pages import STAGES
from esper_tui.pages.opened_panel import PAGES, opened_rows
from esper_tui.panels.gradient_flow import flow_row
from esper_tui.panels.head_columns import Space, coefficient, condition, gradient, latch
from esper_tui.panels.link_panel import COUNTS
from esper_tui.panels.panel_registry import PANELS
from esper_tui.text.spans import Tone, plain, row_width
from esper_tui.text.theme import MARKS
from esper_tui.view.view import View, ViewOptions

NOT_COUNTED = {"events", "lag_ms"}
WITHOUT_WORDS = {"slots", "runs"}
"""Pages with rows that say all there is: changes of stages; other runs."""
TITLES = {"ranks": 1, "gradients": 1, "heads": 2}
"""Rows that are no entries of their own: titles of tables, and the two decisions."""


@pytest.fixture
def view(make_feed, make_snapshot, with_reports, now):
    """A run of which everything is known."""
    entry = LogEntry(at_ns=now, producer="rank0", level="error", message="the disk is full")
    return View(make_feed(structs.replace(with_reports(make_snapshot()), log=(entry,))), now)


@pytest.fixture
def page(view, text):
    """An opened panel with the cursor on the entry whose row begins with a label."""

    def opened(panel, label, width=118, height=60):
        rows = [plain(entry.row).strip() for entry in PAGES[panel].entries(view, width - 2)]
        cursor = next(number for number, row in enumerate(rows) if row.startswith(label))
        return "\n".join(text(opened_rows(view, panel, cursor, width, height)))

    return opened


def test_every_panel_can_be_opened_and_so_can_the_runs():
    """Nothing on the screen is without a page."""
    assert set(PAGES) == {*PANELS, "runs"}


@pytest.mark.parametrize("name", QUANTITIES)
def test_every_metric_says_what_to_do(name):
    """What it is and what it asks are never empty; advice is the catalogue's or that of the rules."""
    metric = QUANTITIES[name].metric

    assert metric.meaning
    assert metric.question
    assert advice_for(name)


@pytest.mark.parametrize("panel", sorted(set(PAGES) - WITHOUT_WORDS - {"findings"}))
def test_every_row_is_explained(view, panel):
    """Whatever the cursor stands on; blank rows and titles apart."""
    entries = [entry for entry in PAGES[panel].entries(view, 116) if entry.row]
    unexplained = [plain(entry.row) for entry in entries if not entry.about(118)]

    assert len(unexplained) == TITLES.get(panel, 0)


@pytest.mark.parametrize("panel", ["losses", "health", "value", "gradients", "heads"])
def test_every_metric_of_an_opened_panel_has_its_history(view, make_snapshot, panel, page):
    """Ten values of whatever was measured, as a line in the row and as a chart below."""
    missing = [
        name
        for name in QUANTITIES
        if QUANTITIES[name].default is None and not history_of(view.snapshot, name)
    ]

    assert set(missing) <= {
        "td_error_std",
        "entropy_velocity",
        "entropy_clip_correlation",
        "collapse_risk_score",
        "gradient_drift",
    }
    label = {
        "losses": "KL",
        "health": "Adv mean",
        "value": "TD mean",
        "gradients": "Grad CV",
        "heads": "Ratio",
    }
    assert any(char in page(panel, label[panel]) for char in "▂▃▄▅▆▇")


def test_every_count_of_the_link_has_a_row():
    """A new field of the link's health needs an entry in the table."""
    counted = [name for name in LinkHealth.__struct_fields__ if name not in NOT_COUNTED]

    assert {count.field for count in COUNTS} == set(counted)


def test_every_stage_is_explained(page):
    """Also what it means for the slot."""
    assert set(STAGES) == set(Stage)
    assert "the slot stays closed" in page("slots", "embargoed")


def test_opened_vitals_list_the_checkpoints(page):
    """After which update, when, how long it took, where and by whom."""
    said = page("vitals", "Saved after")

    assert "10  22:12:15  in 48 ms  checkpoints/00000010-rank0.pt  by rank0" in said
    assert "Steps of all environments" in page("vitals", "Env steps")
    assert "Wall time of the PPO update" in page("vitals", "Update")


def test_opened_gradients_show_heads_against_each_other(page):
    """Norms, cosines of each two, and what they mean."""
    said = page("gradients", "slot")

    assert [line.split() for line in said.splitlines() if line.strip().startswith(("op ", "▸   slot"))] == [
        ["op", "0.1000", "·", "0.50", "-0.25"],
        ["▸", "slot", "0.2000", "0.50", "·", "0.00"],
    ]
    assert "undo what the other learns" in said


def test_opened_gradients_show_how_large_a_layers_entries_are(page):
    """Counted between the bounds that the trainer names."""
    lines = [" ".join(line.split()) for line in page("gradients", "lstm.weight").splitlines()]

    assert any(line.startswith("below 1e-08 10 ━") for line in lines)
    assert any(line.startswith("1e-08 to 1e-04 60 ━") for line in lines)
    assert any(line.startswith("not finite 0 ─") for line in lines)


def test_opened_value_shows_how_the_return_went(page):
    """Against always waiting, with its own chart."""
    said = page("value", "Mean return")

    assert "WAIT 0.385" in said
    assert "of 17" in said


def test_opened_runs_say_what_the_watched_one_was_started_with(page, view):
    """In a recorded log it is the only one."""
    assert "telemetry normal · seed 3 · learning_rate 0.0015" in page("runs", view.snapshot.run.run)


def test_opened_ranks_say_where_each_runs(page):
    """And why the slowest is marked."""
    assert "on an unknown host" in page("ranks", "!")
    assert "the others wait for it" in page("ranks", "!")


def test_opened_heads_list_the_decisions(page):
    """With the names in full and the probability of each choice."""
    assert "germinate 93%" in page("heads", "Entr")


def test_help_stands_right_below_the_list(page):
    """One blank row apart, so that the eye need not search for it."""
    lines = page("link", "Gaps").splitlines()
    last = next(number for number, line in enumerate(lines) if line.strip().startswith("Repeated"))

    assert lines[last + 1] == ""
    assert lines[last + 2].strip() == "Gaps"


@pytest.mark.parametrize("panel", ["losses", "health", "value", "gradients"])
def test_no_row_of_a_metric_is_judged_by_colour_alone(feeds, now, panel):
    """What is not finite has its mark, whether the metric has bounds or not."""
    for entry in PAGES[panel].entries(View(feeds["nan"], now), 76):
        bad = [span.tone for span in entry.row if span.tone in (Tone.WARNING, Tone.CRITICAL)]
        assert not bad or set(plain(entry.row)) & set(MARKS.values())


LONG = Finding(
    rule="x",
    severity="critical",
    title="A finding whose title alone is too long for a row " * 2 + "TITLE-END",
    since_update=12,
    evidence=tuple(Evidence(n, "what was seen is told at some length " * 3 + f"SEEN-{n}") for n in (1, 2)),
    advice=("do this first, and then something else " * 3 + "ADVICE-END",),
)


@pytest.mark.parametrize("panel", PAGES)
@pytest.mark.parametrize("feed", ["critical", "healthy", "nan"])
def test_at_80_by_24_nothing_that_is_known_of_an_entry_is_cut(feeds, now, panel, feed):
    """Every word of every entry's help is on the screen, and its row with it."""
    known = feeds[feed].snapshot
    snapshot = structs.replace(known, findings=(*known.findings, LONG) if feed == "critical" else ())
    view = View(structs.replace(feeds[feed], snapshot=snapshot), now)
    for cursor, entry in enumerate(PAGES[panel].entries(view, 77)):
        options = ViewOptions(opened=panel, cursor=cursor)
        (rows,) = [rows for place, rows in draw(view, 80, 24, options) if place.panel == OPENED]
        said = " ".join(plain(row) for row in rows).split()
        words = " ".join(plain(row) for row in entry.about(1000)).split()
        assert {word for word in words if any(map(str.isalpha, word))} <= set(said)
        lines = [plain(row)[1:].rstrip() for row in rows]
        about = [plain(row).rstrip() for row in entry.about(79)]
        assert any(lines[first:][: len(about)] == about for first in range(len(lines)))
        assert any("▸" in plain(row) for row in rows)


@pytest.mark.parametrize("height", range(2, 12))
def test_help_that_is_cut_says_so(view, height):
    """Down to one row of it."""
    rows = opened_rows(view, "losses", 0, 78, height)
    about = PAGES["losses"].entries(view, 76)[0].about(78)

    assert len(about) >= 11
    assert plain(rows[-1]).endswith(" …")
    assert row_width(rows[-1]) <= 78


@pytest.mark.parametrize("panel", PAGES)
def test_an_opened_panel_stays_within_a_small_window(view, panel):
    """Down to a few rows it still has its cursor."""
    for height in (1, 2, 5, 21):
        rows = opened_rows(view, panel, 0, 78, height)
        assert len(rows) <= height
        assert any(plain(row).startswith("▸") for row in rows) or not PAGES[panel].entries(view, 76)
        assert row_width(rows[0]) > 0


@pytest.mark.parametrize("width", [78, 118])
def test_opened_heads_have_all_that_the_panel_has(feeds, now, width):
    """State, latch, coefficient, the gradient's direction and its flow, in a table or head by head."""
    view = View(feeds["critical"], now)
    state = view.snapshot.tamiyo
    rows = [plain(entry.row) for entry in PAGES["heads"].entries(view, width)]
    said = {label: " ".join(row for row in rows if row.startswith(label)) for label in LABELS}
    assert all(said.values())
    for head in HEADS:
        for label, cell in (("State", condition), ("Latch", latch), ("Grad", gradient)):
            assert plain(cell(state, head, Space(7))).strip() in said[label]
        assert plain(coefficient(head)) in said["Entr"]
    assert plain(flow_row(state, width - 16)) in said["Flow"]


LABELS = ("State", "Latch", "Entr", "Grad", "Flow")


@pytest.mark.parametrize("width", [80, 120])
def test_opened_heads_say_what_their_state_and_latch_mean(page, width):
    """In words, for the head at the cursor or for all; and what stands beside a number."""
    state = " ".join(page("heads", "State", width).split())
    assert "State" in state
    assert any(words in state for words in CONDITION_WORDS.values())
    assert "ever NaN or infinite" in page("heads", "Latch", width)
    assert "never" in page("heads", "Latch", width)
    assert "reaches every layer" in page("heads", "Flow", width)
    assert "Coefficient" in page("heads", "Entr", width)
    assert "since the last update" in page("heads", "Grad", width)
