"""The last reports of each kind are kept, and all of them are counted."""

from tests.aggregator.fold.examples import explosion, log_line, update
from tests.aggregator.fold.validated import fold, project

from esper_aggregator.fold.run_state import (
    RunState,
)
from esper_aggregator.fold.size_limits import MAX_NAMES
from esper_schemas import events as e


def test_an_escalation_is_active_until_its_last_update_was_made(shown):
    """Level 3 until and including update 6: active after update 5, over after update 6."""
    escalation = e.TelemetryEscalated(update=1, level=3, until_update=6)

    assert [(x.escalation.level, x.active) for x in shown(escalation, update(5)).telemetry] == [(3, True)]
    assert [x.active for x in shown(escalation, update(6)).telemetry] == [False]
    assert shown(update(1)).telemetry == ()


def test_the_last_explosion_of_each_head_is_kept(shown):
    """They are in the order of the heads, not of arrival; heads of other policies come after."""
    explosions = shown(
        explosion("zeta"), explosion("tempo"), explosion("op", 1), explosion("op", 2)
    ).ratio_explosions

    assert [(x.explosion.head, x.explosion.update) for x in explosions] == [
        ("op", 2),
        ("tempo", 1),
        ("zeta", 1),
    ]


def test_instabilities_add_up_and_the_last_are_listed(shown):
    """Two reports: 3 + 4 NaN and 1 + 0 infinite, as a negative count is 0."""
    reports = [
        e.NumericalInstabilityReported(update=n, nan_count=nan, inf_count=inf)
        for n, (nan, inf) in enumerate([(3, 1), (4, -9)])
    ]
    snapshot = shown(*reports)

    assert [entry.report for entry in snapshot.instabilities] == reports
    totals = snapshot.instability_totals
    assert (totals.reports, totals.nan_count, totals.inf_count) == (2, 7, 1)


def test_the_last_gradients_of_layers_and_checkpoints_are_kept(shown):
    """One sample of the gradients; five checkpoints, oldest first."""
    samples = [e.LayerGradientsSampled(update=n, grad_norms={"lstm": float(n)}) for n in (1, 2)]
    saved = [e.CheckpointSaved(update=n, path=f"{n}.pt") for n in range(7)]
    snapshot = shown(*samples, *saved)

    assert snapshot.layer_gradients.sample == samples[1]
    assert [entry.checkpoint.path for entry in snapshot.checkpoints] == [f"{n}.pt" for n in range(2, 7)]


def test_the_last_comparison_of_heads_is_kept(shown):
    """It is kept completely; its line of the event list names the two heads that agree least."""
    first, last = (
        e.HeadGradientsCompared(
            update=n,
            heads=("op", "slot", "value"),
            norms=(1.0, 2.0, 3.0),
            cosines=(0.5, 0.9, -0.25),
        )
        for n in (1, 2)
    )
    snapshot = shown(first, last)

    assert snapshot.head_gradients.comparison == last
    assert snapshot.recent_events[-1].text == "slot and value agree least, cosine -0.25, in update 2"


def test_frequent_log_lines_do_not_displace_warnings(shown):
    """A warning stays in the log and the event list after 200 other lines, which are only counted."""
    snapshot = shown(log_line("warning", "hot", gpu=1, celsius=91), *[log_line("info")] * 200)

    assert [(entry.level, entry.message) for entry in snapshot.log] == [("warning", "hot gpu=1 celsius=91")]
    assert snapshot.log_counts == {"warning": 1, "info": 200}
    assert [entry.kind for entry in snapshot.recent_events] == ["LogRecorded"]


def test_anomalies_are_counted_by_their_kind(shown):
    """All of them are counted, although only the last fifty are listed."""
    spike = e.AnomalyDetected(update=1, anomaly="kl_spike", severity="warning")
    other = e.AnomalyDetected(update=1, anomaly="ratio_explosion", severity="critical")
    snapshot = shown(*[spike] * 60, other)

    assert snapshot.anomaly_counts == {"kl_spike": 60, "ratio_explosion": 1}
    assert len(snapshot.anomalies) == 50


def test_names_beyond_the_limit_are_left_out_and_counted(record_of):
    """Anomalies and heads with new names are limited in number."""
    state = RunState()
    for n in range(MAX_NAMES + 5):
        fold(state, record_of(e.AnomalyDetected(update=n, anomaly=f"a{n}", severity="warning")))
        fold(state, record_of(explosion(f"head {n}")))

    assert len(state.anomaly_counts) == len(state.ratio_explosions) == MAX_NAMES
    assert project(state).link.left_out == 10
