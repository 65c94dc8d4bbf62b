"""Tests of esper_tui.pages.anomalies_page."""

import pytest

from esper_tui.pages.opened_panel import opened_rows
from esper_tui.view.view import View


@pytest.fixture
def with_anomalies(make_snapshot, with_reports):
    """A snapshot with one report of each kind."""
    return with_reports(make_snapshot())


@pytest.mark.parametrize(
    ("cursor", "said"),
    [
        (0, ["Meaning", "How much the trainer measures", "the requested level"]),
        (
            1,
            [
                "22:13:04  update 12, host0:0",
                "kl_divergence 0.231 is above 0.1",
                "TELE-110",
                "Advice",
                "History",
            ],
        ),
        (2, ["More is measured for a while"]),
        (4, ["head_op_entropy_legal", "do the masks leave it no choice"]),
        (
            5,
            [
                "ratio 8.880 in environment 26, step 49: sigmoid_add",
                "ratio 6.100 in environment 1, step 3: linear_add",
                "TELE-151",
            ],
        ),
        (6, ["Found in: policy_loss, lstm.", "The gradient norm before clipping was 12.500."]),
    ],
)
def test_opened_reports_show_all_their_details(with_anomalies, make_feed, now, text, cursor, said):
    """The help and the history of its metric are included."""
    page = "\n".join(text(opened_rows(View(make_feed(with_anomalies), now), "anomalies", cursor, 118, 37)))

    assert [words for words in said if words not in page] == []
