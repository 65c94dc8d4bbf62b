"""Tests of esper_tui.picture: every panel, with every value, at every size."""

import time
from types import UnionType
from typing import get_args, get_type_hints

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs

from esper_schemas import HEADS, TamiyoState, decode_snapshot, encode_snapshot
from esper_schemas.events import (
    AnomalyDetected,
    CheckpointSaved,
    DecisionMade,
    HeadGradientsCompared,
    LayerGradientsSampled,
    NumericalInstabilityReported,
    RatioExplosionDiagnosed,
    SeedStageChanged,
    TelemetryEscalated,
    VitalsSampled,
)
from esper_schemas.findings import Evidence, Finding
from esper_schemas.snapshot import (
    AnomalyEntry,
    CheckpointEntry,
    DecisionEntry,
    EscalationEntry,
    EventEntry,
    HeadGradientsEntry,
    InstabilityEntry,
    InstabilityTotals,
    LayerGradientsEntry,
    LinkHealth,
    LogEntry,
    RankState,
    RatioExplosionEntry,
    RunInfo,
    SanctumSnapshot,
    SlotsState,
    StageChangeEntry,
)
from esper_schemas.source import Feed
from esper_schemas.state import HISTORY_LENGTH, Trend
from esper_tui import picture
from esper_tui.layout import arrange
from esper_tui.look import Look
from esper_tui.once import frame_rows
from esper_tui.opened import PAGES, opened_rows
from esper_tui.picture import PANELS, PanelKind, draw, draw_place
from esper_tui.rows import Tone, plain, row_width
from esper_tui.symbols import SYMBOL_SETS
from esper_tui.view import View

OF_NOW = {"link"}
numbers = st.floats() | st.sampled_from([0.0, -0.0, 1.0, 1e-300, 1e300, -1e300, 1e15, 999.9996])
maybe = st.none() | numbers
texts = st.text(max_size=60)
counts = st.integers(0, 2**64 - 1) | st.integers(-(2**63), 100)
moments = st.none() | st.integers(-(2**63), 2**64 - 1)
histories = st.lists(maybe, max_size=HISTORY_LENGTH).map(tuple)
latches = st.dictionaries(st.sampled_from((*HEADS, "unheard of")), st.booleans())


def _is(hint, kind):
    """Whether a field's type is a kind of value, or that or None."""
    args = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    return kind in args


HINTS = get_type_hints(TamiyoState)
NUMBERS = [name for name, hint in HINTS.items() if _is(hint, float)]
WHOLE = [name for name, hint in HINTS.items() if _is(hint, int)]
OPTIONAL = {name for name, hint in HINTS.items() if _is(hint, type(None))}
HISTORIES = [name for name in HINTS if name.endswith("_history")]


@st.composite
def states(draw):
    """A state with any values in any fields, as a decoder could deliver it."""
    pool, shift = draw(st.lists(maybe, min_size=1, max_size=12)), draw(st.integers(1, 11))
    fields = {name: pool[i * shift % len(pool)] for i, name in enumerate(NUMBERS)}
    fields |= {name: draw(counts) for name in WHOLE}
    fields = {n: v for n, v in fields.items() if v is not None or n in OPTIONAL}
    fields |= {name: draw(histories) for name in HISTORIES}
    trends = draw(st.dictionaries(st.sampled_from(HISTORIES), st.sampled_from(Trend)))
    return TamiyoState(
        **fields,
        ppo_data_received=draw(st.booleans()),
        trends={name.removesuffix("_history"): trend for name, trend in trends.items()},
        head_nan_latch=draw(latches),
        head_inf_latch=draw(latches),
    )


runs = st.builds(
    RunInfo,
    run=texts,
    last_event_ns=moments,
    outcome=st.none() | texts,
    reason=texts,
    episodes=st.none() | counts,
    steps_per_second=maybe,
    mean_return=maybe,
    baseline_return=maybe,
    mean_return_history=histories,
    rollbacks_total=counts,
    returns_not_finite_total=counts,
    config=st.dictionaries(
        texts | st.just("telemetry"), texts | counts | numbers | st.booleans(), max_size=3
    ),
)
links = st.builds(LinkHealth, lag_ms=maybe, gaps=counts, dropped=counts, rejected=counts)
times = st.integers(-(2**63), 2**64 - 1)
kinds = texts | st.sampled_from(["LogRecorded", "PPOUpdateCompleted"])
entries = st.builds(EventEntry, at_ns=times, producer=texts, kind=kinds, text=texts)
ranks = st.builds(
    RankState,
    producer=texts,
    rank=counts,
    updates=counts,
    last_event_ns=moments,
    steps_per_second=maybe,
    update_time_ms=maybe,
    outcome=st.none() | texts,
)
changes = st.builds(
    SeedStageChanged,
    update=counts,
    environment=counts,
    step=counts,
    slot=counts,
    from_stage=counts,
    to_stage=counts,
    blueprint=st.none() | counts,
    alpha=maybe,
)
choices = st.dictionaries(st.sampled_from((*HEADS, "unheard of")), counts)
confidences = st.dictionaries(st.sampled_from(HEADS), numbers)
decisions = st.builds(
    DecisionMade,
    update=counts,
    environment=counts,
    step=counts,
    choices=choices,
    confidences=confidences,
)
findings = st.builds(
    Finding,
    rule=texts,
    severity=st.sampled_from(["warning", "critical"]),
    title=texts,
    since_update=counts,
    evidence=st.lists(st.builds(Evidence, update=counts, text=texts), max_size=3).map(tuple),
    advice=st.lists(texts, max_size=2).map(tuple),
)
heads = texts | st.sampled_from((*HEADS, "value"))
anomalies = st.builds(
    AnomalyDetected,
    update=counts,
    anomaly=texts,
    severity=st.sampled_from(["warning", "critical"]),
    metric=texts | st.sampled_from(["kl_divergence", "head_op_entropy_legal"]),
    value=maybe,
    threshold=maybe,
    head=st.none() | heads,
    detail=texts,
)
escalations = st.builds(TelemetryEscalated, update=counts, level=counts, until_update=counts, reason=texts)
checkpoints = st.builds(CheckpointSaved, update=counts, path=texts, duration_ms=maybe)
vitals = st.builds(VitalsSampled, cpu_share=maybe, memory_bytes=st.none() | counts)


def few(strategy, most=4):
    """A tuple of up to so many."""
    return st.lists(strategy, max_size=most).map(tuple)


def entered(entry, **what):
    """Entries of a list, at any time."""
    return few(st.builds(entry, at_ns=times, producer=texts, **what))


explosions = st.builds(
    RatioExplosionDiagnosed,
    update=counts,
    head=heads,
    ratios=few(numbers),
    steps=few(counts),
    environments=few(counts),
    actions=few(counts),
)
reports = st.builds(
    NumericalInstabilityReported,
    update=counts,
    nan_count=counts,
    inf_count=counts,
    where=few(texts),
    grad_norm_pre_clip=maybe,
)
compared = st.builds(
    HeadGradientsCompared, update=counts, heads=few(heads), norms=few(numbers), cosines=few(numbers)
)

snapshots = st.builds(
    SanctumSnapshot,
    findings=few(findings),
    events_folded=counts,
    run=runs,
    tamiyo=states(),
    ranks=few(ranks),
    slots=st.builds(
        SlotsState, stage_counts=few(counts, 9), changes=entered(StageChangeEntry, change=changes)
    ),
    decisions=entered(DecisionEntry, decision=decisions),
    vitals=st.none() | vitals,
    recent_events=few(entries, 6),
    link=links,
    log=few(st.builds(LogEntry, at_ns=times, producer=texts, level=texts, message=texts)),
    log_counts=st.dictionaries(st.sampled_from(["warning", "error", "unheard of"]), counts),
    layer_gradients=st.none()
    | st.builds(
        LayerGradientsEntry,
        at_ns=times,
        producer=texts,
        sample=st.builds(
            LayerGradientsSampled,
            update=counts,
            grad_norms=st.dictionaries(texts, numbers, max_size=4),
            magnitude_bounds=few(numbers),
            magnitudes=st.dictionaries(texts, few(counts), max_size=4),
        ),
    ),
    histories=st.dictionaries(texts | st.sampled_from(NUMBERS), histories, max_size=4),
    anomalies=entered(AnomalyEntry, anomaly=anomalies),
    anomaly_counts=st.dictionaries(texts, counts, max_size=3),
    checkpoints=entered(CheckpointEntry, checkpoint=checkpoints),
    telemetry=entered(EscalationEntry, escalation=escalations, active=st.booleans()),
    ratio_explosions=entered(RatioExplosionEntry, explosion=explosions),
    instabilities=entered(InstabilityEntry, report=reports),
    instability_totals=st.builds(InstabilityTotals, nan_count=counts, inf_count=counts),
    head_gradients=st.none()
    | st.builds(HeadGradientsEntry, at_ns=times, producer=texts, comparison=compared),
)
feeds_of_any_kind = st.builds(
    Feed,
    snapshot=snapshots,
    live=st.booleans(),
    origin=texts,
    heard_ns=moments,
    sent_ns=moments,
    trainer_heard_ns=moments,
    problem=texts,
    runs=few(texts),
)
looks = st.builds(
    Look,
    symbols=st.sampled_from(SYMBOL_SETS),
    hidden=st.frozensets(st.sampled_from(tuple(PANELS))),
    focus=st.none() | st.sampled_from(tuple(PANELS)),
    opened=st.none() | st.sampled_from(tuple(PAGES)),
    cursor=st.integers(0, 200),
)
sizes = st.tuples(st.integers(1, 260), st.integers(1, 80))


def test_the_fields_of_the_property_are_those_of_the_state():
    """Every number of the learner's state gets hostile values below."""
    assert {"policy_loss", "head_op_entropy", "head_alpha_curve_grad_norm_prev"} <= set(NUMBERS)
    assert {"nan_grad_count", "last_update"} <= set(WHOLE)
    assert "head_op_entropy" in OPTIONAL
    assert "policy_loss" not in OPTIONAL
    assert len(HISTORIES) == 7


@settings(max_examples=200, deadline=None)
@given(feeds_of_any_kind, st.none() | feeds_of_any_kind, sizes, looks, st.integers(0, 2**63))
def test_any_snapshot_is_drawn_at_any_size_in_any_look(feed, newest, size, look, now_ns):
    """Nothing raises, every panel fills its place, and nothing but text reaches the terminal."""
    assert decode_snapshot(encode_snapshot(feed.snapshot)).events_folded == feed.snapshot.events_folded
    for place, rows in draw(View(feed, now_ns, newest), *size, look):
        assert len(rows) == place.height
        assert {row_width(row) for row in rows} == {place.width}
        assert all(plain(row).isprintable() for row in rows)
        assert not any("cannot be drawn" in plain(row) for row in rows)
        assert look.symbols != "ascii" or all(plain(row).isascii() for row in rows)


@settings(max_examples=60, deadline=None)
@given(feeds_of_any_kind, sizes, st.integers(0, 200))
def test_every_panel_can_be_opened_on_any_snapshot(feed, size, cursor):
    """Each panel in turn, whatever the others are."""
    for panel in PAGES:
        for place, rows in draw(View(feed, 0), *size, Look(opened=panel, cursor=cursor)):
            assert {row_width(row) for row in rows} == {place.width}
            assert not any("cannot be drawn" in plain(row) for row in rows)


@settings(max_examples=60, deadline=None)
@given(feeds_of_any_kind, st.integers(1, 130), st.integers(1, 40))
def test_every_panel_stays_within_its_height(feed, width, height):
    """Whatever its content is, before the frame cuts it."""
    for panel in PANELS.values():
        assert len(panel.rows(View(feed, 0), width, height)) <= height


@settings(max_examples=40, deadline=None)
@given(feeds_of_any_kind, feeds_of_any_kind, st.integers(0, 2**63), st.integers(1, 130), st.integers(1, 40))
def test_a_panel_reads_nothing_but_its_snapshot(feed, other, now_ns, width, height):
    """Neither the connection nor the moment changes it, so that any past snapshot can be drawn."""
    here, elsewhere = View(feed, 0), View(structs.replace(other, snapshot=feed.snapshot), now_ns, other)
    for name, panel in PANELS.items():
        if name in OF_NOW:
            continue
        assert panel.rows(here, width, height) == panel.rows(elsewhere, width, height)
        assert panel.note(here) == panel.note(elsewhere)
        said = (opened_rows(view, name, height, width, height) for view in (here, elsewhere))
        assert next(said) == next(said)


def test_only_the_link_is_about_now():
    """It says how the connection is, whichever snapshot is looked at."""
    assert {name for name, panel in PANELS.items() if panel.of_now} == OF_NOW


@pytest.mark.parametrize("name", ["waiting", "healthy", "critical", "stale", "disconnected"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (160, 50), (200, 60)])
def test_the_usual_sizes_are_filled_to_the_edge(feeds, now, name, width, height):
    """No row is too long, so that nothing wraps, and the panels are complete."""
    rows = frame_rows(View(feeds[name], now), width, height)

    assert max(map(row_width, rows)) <= width
    assert sum("PPO LOSSES" in plain(row) for row in rows) == 1
    assert sum("ACTION HEADS" in plain(row) for row in rows) == 1
    assert any("Lv/Lp" in plain(row) for row in rows)


def test_an_old_picture_is_faded_and_a_silent_trainers_is_not(feeds, now):
    """Only when the aggregator is gone does nobody know whether the picture is still true."""

    def tones(name):
        view = View(feeds[name], now)
        panels = [rows for place, rows in draw(view, 120, 40) if place.panel in PANELS]
        return {span.tone for rows in panels for row in rows for span in row}

    assert tones("disconnected") == {Tone.FADED}
    assert Tone.FADED not in tones("stale") | tones("finished") | tones("replay")


def test_a_panel_that_fails_says_so_and_leaves_the_others(feeds, now, monkeypatch):
    """An error in one panel is words in that panel."""

    def broken(view, width, height):
        raise ValueError("no such head\x1b[2J")

    monkeypatch.setitem(picture.PANELS, "heads", PanelKind("ACTION HEADS", broken))
    view = View(feeds["healthy"], now)
    place = next(place for place in arrange(120, 40) if place.panel == "heads")
    lines = [plain(row) for row in draw_place(view, place, False, Look())]

    assert "✗ This panel cannot be drawn: ValueError('no such head\\x1b[2J')" in lines[1]
    assert len(lines) == place.height


def test_a_frame_is_laid_out_in_milliseconds(feeds, now):
    """Twenty frames a second leave room for everything else; the bound is wide."""
    view = View(feeds["critical"], now)
    started = time.perf_counter()
    for _ in range(20):
        draw(view, 200, 60)

    assert (time.perf_counter() - started) / 20 < 0.05
