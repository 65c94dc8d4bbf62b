"""Tests of esper_tui.panels.charts_panel."""

import pytest
from msgspec import structs
from tests.tui.list_history import ListHistory

from esper_schemas.history import SeriesQuestion
from esper_schemas.snapshot import ScalarState
from esper_tui.charts.curve import curves_of
from esper_tui.panels.charts_panel import (
    MOST_CHARTS,
    charted_metrics,
    charts_rows,
    return_note,
    return_rows,
)
from esper_tui.text.spans import plain, row_width
from esper_tui.view.view import View

METRICS = {"mean_return": [n / 100 for n in range(100)], "kl_divergence": [0.01] * 100}


@pytest.fixture
def curves():
    """The answer of a run's history."""
    history = ListHistory(METRICS)
    history.ask(SeriesQuestion(metrics=tuple(METRICS)))
    ((_, answer),) = history.answers()
    return curves_of(answer)


@pytest.fixture
def view(feeds, now, curves):
    """A healthy run, with the curves of the whole run."""
    return View(feeds["healthy"], now, curves=curves)


def test_the_return_is_charted_over_the_whole_run_with_its_baseline(view, text):
    """A panel of three rows has no room for the horizontal axis."""
    rows = text(return_rows(view, 56, 10))
    assert any("╌ WAIT" in row for row in rows)
    assert rows[-1].split() == ["0", "50", "update"]
    assert "update" not in text(return_rows(view, 56, 3))[-1]


def test_without_a_history_the_last_returns_are_charted(feeds, now, text):
    """The healthy run has made 17 updates."""
    rows = text(return_rows(View(feeds["healthy"], now), 56, 10))
    assert "update" in rows[-1]
    assert any("⠁" <= character <= "⣿" for row in rows for character in row)


def test_before_the_first_return_the_panel_says_that_it_waits(feeds, now, text):
    """The run has not begun."""
    assert any("waiting" in row for row in text(return_rows(View(feeds["waiting"], now), 56, 3)))


def test_the_border_has_the_return_and_the_lead_over_the_baseline(view, feeds, now):
    """Nothing before the first return."""
    assert plain(return_note(view)) == "0.412 +0.027"
    assert return_note(View(feeds["waiting"], now)) == ()


def test_charts_fill_their_place_beside_and_above_each_other(view):
    """Each has a name and a value; all rows are as wide as the panel."""
    rows = charts_rows(view, 196, 20)
    assert len(rows) == 20
    assert {row_width(row) for row in rows} == {196}
    assert plain(rows[0]).startswith("KL 0.0100 nats")
    assert "Expl.Var" in plain(rows[0])
    assert "Clip" in plain(rows[10])


def test_charts_show_what_is_measured(view, make_snapshot):
    """First metrics of the catalogue, then the run's own, as many as one answer may have."""
    assert charted_metrics(view.snapshot)[:3] == ("kl_divergence", "entropy", "explained_variance")
    scalars = {f"s/{number}": ScalarState(value=1.0, history=(1.0,)) for number in range(50)}
    many = charted_metrics(structs.replace(make_snapshot(), scalars=scalars))
    assert len(many) == MOST_CHARTS
    assert many[-1].startswith("s/")
