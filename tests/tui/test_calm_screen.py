"""The screens of recorded trainings: nothing is in alarm but what a finding is about."""

import re

import pytest
from benchmarks.verdicts.export import export
from benchmarks.verdicts.record import CORPUS
from msgspec import structs

from esper_aggregator.log_source import LogSource
from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import head_field
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.finding_metrics import measured_by
from esper_schemas.verdict import verdict_of
from esper_tui.frame import frame_rows
from esper_tui.metrics.metric_value import value_in_snapshot
from esper_tui.pages.help_page import LOSSES_METRICS
from esper_tui.pages.metric_pages import metric_entry
from esper_tui.pages.page_registry import PAGES
from esper_tui.panels import head_columns
from esper_tui.panels.metric_panels import METRIC_PANELS
from esper_tui.text.spans import Tone, plain
from esper_tui.view.view import View, ViewOptions

SIZES = [(40, 12), (80, 24), (120, 40), (160, 50), (200, 60)]
HEALTHY = {
    "esper-Morph-*": "HEALTHY",
    "sb3-CartPole-*": "HEALTHY",
    "single_file-Pendulum-*": "HEALTHY",
    "single_file-Acrobot-4": "CONVERGED",
}
"""Trainings of several trainers, and the verdict on each."""
FAULTS = (
    "esper-*-NaN_reward",
    "esper-*-learning_rate_times_100",
    "sb3-CartPole-*-rewards_times_1000",
    "single_file-CartPole-4-learning_rate_times_100",
)
MARKS = {"!", "✗"}
METRICS = tuple(
    dict.fromkeys((*LOSSES_METRICS, *(name for p in METRIC_PANELS.values() for name in p.metrics)))
)
SPACE = head_columns.Space(7)


def recorded(pattern, directory):
    """The feed of the first recording whose name matches, as a run."""
    name = min(
        path.stem for path in CORPUS.glob(f"{pattern}.run") if pattern[-1] != "*" or path.stem[-1].isdigit()
    )
    return LogSource(export(name, directory)).poll()


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    """The feeds of healthy trainings of several trainers."""
    return {pattern: recorded(pattern, tmp_path_factory.mktemp("healthy")) for pattern in HEALTHY}


@pytest.fixture(scope="module")
def faulty(tmp_path_factory):
    """The feeds of trainings with a fault."""
    return {fault: recorded(fault, tmp_path_factory.mktemp("faulty")) for fault in FAULTS}


def alarms_in(rows):
    """The texts with a mark of an alarm or in its tone."""
    return [span.text for row in rows for span in row if span.tone is Tone.CRITICAL or MARKS & set(span.text)]


@pytest.mark.parametrize("training", HEALTHY)
def test_a_healthy_training_shows_no_alarm(healthy, now, training):
    """At no size, on no page; the header says so in one word."""
    view = View(healthy[training], now)
    pages = [ViewOptions(opened=panel) for panel in PAGES if panel != "runs"]
    frames = [frame_rows(view, *size) for size in SIZES]

    firsts = [plain(frame[0]) for frame in frames]
    assert [re.findall(r"REPLAY(?: [\d-]+ [\d:]+)? +(\w+)", first) for first in firsts] == [
        [HEALTHY[training]]
    ] * len(SIZES)
    assert [alarms_in(frame) for frame in frames] == [[]] * len(SIZES)
    assert [alarms_in(frame_rows(view, 120, 60, page)) for page in pages] == [[]] * len(pages)


def test_healthy_trainings_have_values_beyond_their_bands(healthy):
    """Otherwise the screens above would be calm anyway."""
    shown = [value_in_snapshot(feed.snapshot, name) for feed in healthy.values() for name in METRICS]

    assert {Tone.WARNING, Tone.BEYOND} <= {value.tone() for value in shown}


def marked_metrics(snapshot):
    """The metrics whose rows or columns have a mark."""
    rows = {name: metric_entry(snapshot, name).row for name in METRICS}
    rows |= {
        head_field(head, family): head_columns.measured(snapshot, head, family, SPACE)
        for head in HEADS
        for family in ("entropy", "entropy_legal", "ratio_max", "ratio_min", "grad_norm")
    }
    return {name for name, row in rows.items() if any(span.text in MARKS for span in row)}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_training_marks_what_its_findings_are_about_and_nothing_else(faulty, fault):
    """Each of its metrics that was measured is marked, except that of a finding whose sign is over."""
    snapshot = faulty[fault].snapshot
    about = {name for f in snapshot.findings if f.severity != "notice" for name in f.metrics}
    active = {name for s in snapshot.symptoms if s.active for name in measured_by(s)}
    rows = about & active & set(METRICS)
    shown = {name for name in rows if value_in_snapshot(snapshot, name).value is not None}

    assert shown
    assert shown <= marked_metrics(snapshot) <= about


@pytest.mark.parametrize("size", SIZES)
def test_without_a_finding_no_word_claims_a_fault(make_feed, make_snapshot, unhealthy_state, now, size):
    """Nearly every value is beyond its bands or not finite, and the risk of a collapse is 1."""
    low = {"entropy_normalized": 0.05, "entropy_velocity": -0.02, "collapse_risk_score": 1.0}
    view = View(make_feed(make_snapshot(structs.replace(unhealthy_state, **low))), now)
    frame = frame_rows(view, *size)

    assert alarms_in(frame) == []
    assert not re.search(r"collapse(d| in)|dead\b(?! layers)|confused|explodes", text_of(frame), re.I)
    assert "no finding" in text_of(frame)


def text_of(rows):
    """The words of a frame."""
    return "\n".join(map(plain, rows))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("fault", FAULTS)
def test_the_first_row_of_a_faulty_training_says_what_is_wrong(faulty, now, fault, size):
    """The reason is never left out."""
    verdict = verdict_of(faulty[fault].snapshot)
    first = plain(frame_rows(View(faulty[fault], now), *size)[0])

    assert f"{verdict.word} {verdict.reason}" in first


@pytest.mark.parametrize("fault", FAULTS)
def test_the_metrics_of_a_finding_can_be_opened(faulty, fault):
    """They are fields of an update, of the run, or own scalars."""
    snapshot = faulty[fault].snapshot
    known = {*PPOUpdatePayload.__struct_fields__, "mean_return", "gradient_drift", *snapshot.scalars}

    assert all(f.metrics and set(f.metrics) <= known for f in snapshot.findings)
    assert PPOUpdateCompleted.__name__ in {entry.kind for entry in snapshot.recent_events}
