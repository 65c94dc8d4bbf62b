"""Tests of esper_tui.charts.line_chart."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from esper_schemas.metrics.metric import Bands
from esper_tui.charts.chart import Chart, ChartMark, DrawnCurve, Reference
from esper_tui.charts.curve import Curve, curve_of_values
from esper_tui.charts.line_chart import chart_rows
from esper_tui.charts.place_axis import PlaceAxis
from esper_tui.text.spans import Tone, row_width

RISING = tuple(float(value) for value in range(41))


def chart(*values, **options):
    """A chart of one curve for each sequence of values, at places 0, 1, 2..."""
    last = max(map(len, values)) - 1
    tones = (Tone.VALUE, Tone.CURVE_2, Tone.CURVE_3)
    curves = [DrawnCurve(curve_of_values("a", v, last), t) for v, t in zip(values, tones, strict=False)]
    return Chart(**{"curves": curves, "axis": PlaceAxis(0, last)} | options)


@pytest.fixture
def drawn(text):
    """Draws a chart as lines of text."""
    return lambda chart, width=40, height=10: text(chart_rows(chart, width, height))


def tones(rows, character):
    """The tones in which a character is drawn."""
    return {span.tone for row in rows for span in row if character in span.text}


def test_a_curve_is_drawn_from_its_smallest_to_its_largest_value(drawn):
    """Both axes have round numbers, and the horizontal one has its name."""
    assert drawn(chart(RISING)) == [
        "40┤                                 ⡠⠤⠔⠉",
        "  │                            ⢀⠤⠒⠊⠉",
        "30┤                       ⢀⠤⠔⠒⠉⠁",
        "  │                   ⡠⠤⠊⠉⠁",
        "20┤             ⢀⣀⠤⠔⠉⠉",
        "10┤         ⡠⠤⠤⠊⠁",
        "  │    ⢀⠤⠤⠔⠉",
        " 0┤⡠⠤⠒⠉⠁",
        "  └┬─────────────────┬─────────────────┬",
        "   0                20            update",
    ]


def test_a_constant_is_a_flat_line_within_a_range(drawn):
    """The line is in the middle, and the scale tells its value."""
    lines = drawn(chart((0.2,) * 30))
    (flat,) = [line for line in lines if any("⠁" <= c <= "⣿" for c in line)]
    assert flat.startswith("0.20┤")
    assert len(set(flat.split("┤")[1])) == 1


def test_a_run_of_one_update_is_one_dot(drawn):
    """It is in the middle, with its update below."""
    lines = drawn(chart((0.7,)))
    dots = [c for line in lines for c in line if "⠁" <= c <= "⣿"]
    assert len(dots) == 1
    assert "0" in lines[-1]


def test_values_that_are_not_finite_are_crosses(drawn):
    """Infinity is at the top, NaN and minus infinity at the bottom; the curve has a gap."""
    values = [*RISING]
    values[10], values[20], values[30] = math.nan, math.inf, -math.inf
    lines = drawn(chart(values))
    assert lines[0].count("×") == 1
    assert lines[7].count("×") == 2
    assert tones(chart_rows(chart(values), 40, 10), "×") == {Tone.BEYOND}


def test_a_curve_of_nan_has_crosses_and_says_that_no_value_is_finite(drawn):
    """The horizontal axis remains."""
    lines = drawn(chart((math.nan,) * 40))
    assert lines[7].count("×") > 30
    assert any("no finite value" in line for line in lines)
    assert "update" in lines[-1]


def test_a_chart_without_any_curve_shows_its_message(drawn):
    """The answer may still be awaited."""
    assert any("waiting" in line for line in drawn(chart((None,), message="waiting")))


def test_bands_are_shaded_where_they_are_crossed(drawn):
    """Warning and critical areas differ by their characters as well as by colour."""
    bands = Bands(warning_above=20.0, critical_above=30.0)
    lines = drawn(chart(RISING, bands=bands))
    assert ["▒" in line for line in lines[:8]] == [True] * 2 + [False] * 6
    assert ["░" in line for line in lines[:8]] == [False] * 2 + [True] * 2 + [False] * 4
    rows = chart_rows(chart(RISING, bands=bands), 40, 10)
    assert tones(rows, "▒") == {Tone.CRITICAL_AREA}


def test_the_range_of_each_bucket_is_behind_its_mean():
    """The range has every second dot, the mean all of them."""
    means = [5.0] * 20
    curve = Curve("a", range(20), [0.0] * 20, means, [10.0] * 20, means, [9] * 20, [0] * 20)
    rows = chart_rows(Chart(curves=[DrawnCurve(curve)], axis=PlaceAxis(0, 19)), 40, 10)
    assert tones(rows, "⢕") == {Tone.FADED}
    assert any(span.tone is Tone.VALUE for row in rows for span in row)


def test_marks_are_on_the_axis(drawn):
    """Those beyond the axis are left out."""
    marks = [ChartMark(20, "▲", Tone.CRITICAL), ChartMark(99, "◆", Tone.DIM)]
    rows = chart_rows(chart(RISING, marks=marks), 40, 10)
    assert drawn(chart(RISING, marks=marks))[8].index("▲") == 21
    assert tones(rows, "▲") == {Tone.CRITICAL}
    assert not tones(rows, "◆")


def test_the_cursor_is_a_line_behind_the_curve(drawn):
    """It is in every row where the curve is not."""
    lines = drawn(chart(RISING, cursor=20))
    assert [line[21:22] == "┊" for line in lines[:8]].count(True) == 7


def test_a_reference_is_a_line_with_its_label_within_the_scale(drawn):
    """The scale includes it, however far it is from the curve."""
    lines = drawn(chart(RISING, references=[Reference("WAIT", 80.0)]))
    assert lines[0].startswith("80┤╌ WAIT ╌╌")
    assert drawn(chart(RISING, references=[Reference("WAIT", math.nan)])) == drawn(chart(RISING))


def test_on_a_logarithmic_scale_growth_by_a_factor_is_a_straight_line(drawn):
    """Powers of ten are at equal distances."""
    lines = drawn(chart([10.0**n for n in range(5)], logarithmic=True), height=14)
    ticks = [y for y, line in enumerate(lines[:12]) if "┤" in line]
    assert len(ticks) == 5
    assert {b - a for a, b in pairwise(ticks)} <= {2, 3}
    assert lines[0].strip().startswith("10000┤")


def test_values_that_are_not_positive_have_no_place_on_a_logarithmic_scale(drawn):
    """The smallest positive one is at the bottom, and the curve has a gap."""
    lines = drawn(chart((1.0, 0.0, 10.0, -5.0, 100.0), logarithmic=True))
    assert lines[0].startswith("100┤")
    assert lines[7].startswith("  1┤")


def test_over_their_own_ranges_curves_of_any_size_fill_the_chart(drawn):
    """The scale is in per cent of the range."""
    small, large = tuple(v * 1e-6 for v in RISING), tuple(-v * 1e6 for v in RISING)
    lines = drawn(chart(small, large, own_ranges=True))
    assert lines[0].startswith("100%┤")
    assert lines[7].startswith("  0%┤")
    rows = chart_rows(chart(small, large, own_ranges=True), 40, 10)
    assert {Tone.VALUE, Tone.CURVE_2} <= {span.tone for span in rows[0]}


def test_a_smoothed_curve_has_a_smaller_range_if_the_ranges_are_not_drawn():
    """The scale is that of what is seen: here the first averages are the farthest apart."""
    values = (0.0, 100.0) * 20
    curves = [DrawnCurve(curve_of_values("a", values, 39), with_range=False)]
    raw = chart_rows(Chart(curves=curves, axis=PlaceAxis(0, 39)), 40, 10)
    smooth = chart_rows(Chart(curves=curves, axis=PlaceAxis(0, 39), smoothing=0.9), 40, 10)
    assert "100" in {row[0].text for row in raw}
    assert [row[0].text.strip() for row in smooth[:8] if row[0].text.strip()] == ["40", "20", "0"]


ANY_VALUES = st.lists(st.none() | st.floats(), min_size=1, max_size=30)
BOUND = st.none() | st.floats(allow_nan=False)


@settings(max_examples=200, deadline=None)
@given(
    values=st.lists(ANY_VALUES, min_size=1, max_size=3),
    size=st.tuples(st.integers(0, 60), st.integers(0, 12)),
    flags=st.tuples(st.booleans(), st.booleans()),
    smoothing=st.sampled_from([0.0, 0.9]),
    bound=BOUND,
    cursor=st.none() | st.floats(),
)
def test_every_chart_has_exactly_its_size(values, size, flags, smoothing, bound, cursor):
    """Whatever its values, and however small the window."""
    (width, height), (logarithmic, own_ranges) = size, flags
    made = chart(
        *values,
        bands=Bands(warning_above=bound),
        references=[Reference("WAIT", math.nan if bound is None else bound)],
        marks=[ChartMark(cursor or 0.0, "▲", Tone.CRITICAL)],
        cursor=cursor,
        logarithmic=logarithmic,
        own_ranges=own_ranges,
        smoothing=smoothing,
    )
    rows = chart_rows(made, width, height)
    assert [row_width(row) for row in rows] == [width] * height
