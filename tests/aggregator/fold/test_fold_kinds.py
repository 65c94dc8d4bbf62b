"""Every kind of event leaves what a screen needs of it, and no more than there is room for."""

import math

import pytest
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold import fold as production
from esper_aggregator.fold.run_state import (
    KEPT_EPISODES,
    KEPT_EPOCHS,
    KEPT_LOG_ENTRIES,
    KEPT_PRODUCERS,
    RunState,
)
from esper_aggregator.fold.size_limits import MAX_ITEMS, MAX_NAMES, MAX_TEXT_LENGTH
from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot
from esper_schemas.payload import PPOUpdatePayload


def update(number, **fields):
    """An update event with some measurements."""
    return e.PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**fields))


def log_line(level, message="m", **fields):
    """A line of a trainer's log."""
    return e.LogRecorded(level=level, message=message, fields=fields)


def explosion(head, number=1, ratios=(9.0,)):
    """A diagnosis of one head."""
    return e.RatioExplosionDiagnosed(
        update=number, head=head, ratios=ratios, steps=(0,), environments=(0,), actions=(1,)
    )


@pytest.fixture
def shown(record_of):
    """The snapshot after some events of one producer."""
    return lambda *events: project(fold_all(map(record_of, events)))


def test_an_escalation_is_active_until_its_last_update_was_made(shown):
    """Level 3 until and including update 6: active after update 5, over after update 6."""
    escalation = e.TelemetryEscalated(update=1, level=3, until_update=6)

    assert [(x.escalation.level, x.active) for x in shown(escalation, update(5)).telemetry] == [(3, True)]
    assert [x.active for x in shown(escalation, update(6)).telemetry] == [False]
    assert shown(update(1)).telemetry == ()


def test_the_last_explosion_of_each_head_is_kept(shown):
    """In the order of the heads, whatever the order of arrival; heads of other policies come after."""
    explosions = shown(
        explosion("zeta"), explosion("tempo"), explosion("op", 1), explosion("op", 2)
    ).ratio_explosions

    assert [(x.explosion.head, x.explosion.update) for x in explosions] == [
        ("op", 2),
        ("tempo", 1),
        ("zeta", 1),
    ]


def test_instabilities_add_up_and_the_last_are_listed(shown):
    """Two reports: 3 + 4 NaN and 1 + 0 infinite; fewer than none is none."""
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
    """Whole, and in a line of the event list the two that agree least."""
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


def test_rollbacks_and_returns_that_are_not_finite_add_up(record_of):
    """Of all ranks, late ones too: 2 + 1 + 4 and 1; what was not counted adds nothing."""

    def rollout(update, **counts):
        return e.RolloutCompleted(
            update=update, env_steps=1, env_steps_total=1, steps_per_second=1.0, duration_ms=1.0,
            mean_return=1.0, **counts,
        )  # fmt: skip

    records = [
        record_of(rollout(1, rollbacks=2)),
        record_of(rollout(2, rollbacks=1, returns_not_finite=1)),
        record_of(rollout(3)),
        record_of(rollout(1, rollbacks=4), producer="host:1"),
    ]
    snapshot = project(fold_all(records))

    assert (snapshot.run.rollbacks_total, snapshot.run.returns_not_finite_total) == (7, 1)
    assert snapshot.recent_events[1].text.endswith("1 hosts rolled back, 1 returns are not finite")


def test_chatter_does_not_drown_warnings(shown):
    """A warning stays in the log and the event list behind any number of other lines, which are counted."""
    snapshot = shown(log_line("warning", "hot", gpu=1, celsius=91), *[log_line("info")] * 200)

    assert [(entry.level, entry.message) for entry in snapshot.log] == [("warning", "hot gpu=1 celsius=91")]
    assert snapshot.log_counts == {"warning": 1, "info": 200}
    assert [entry.kind for entry in snapshot.recent_events] == ["LogRecorded"]


def test_anomalies_are_counted_by_their_kind(shown):
    """All of them, though only the last fifty are listed."""
    spike = e.AnomalyDetected(update=1, anomaly="kl_spike", severity="warning")
    other = e.AnomalyDetected(update=1, anomaly="ratio_explosion", severity="critical")
    snapshot = shown(*[spike] * 60, other)

    assert snapshot.anomaly_counts == {"kl_spike": 60, "ratio_explosion": 1}
    assert len(snapshot.anomalies) == 50


def test_the_last_episodes_are_listed_and_all_are_counted(shown):
    """Returns, lengths and accuracies of the last 64 episodes."""
    episodes = [
        e.EpisodeCompleted(environment=0, episode=n, episode_return=n / 2, length=n) for n in range(70)
    ]
    shown_episodes = shown(*episodes).episodes

    assert shown_episodes.completed == 70
    assert shown_episodes.returns == tuple(n / 2 for n in range(6, 70))
    assert shown_episodes.lengths == tuple(range(6, 70))
    assert shown_episodes.accuracies == (None,) * KEPT_EPISODES


def test_names_beyond_the_bounds_are_left_out_and_counted(record_of):
    """Anomalies, heads and producers with ever new names do not fill the memory."""
    state = RunState()
    for n in range(MAX_NAMES + 5):
        fold(state, record_of(e.AnomalyDetected(update=n, anomaly=f"a{n}", severity="warning")))
        fold(state, record_of(explosion(f"head {n}")))

    assert len(state.anomaly_counts) == len(state.ratio_explosions) == MAX_NAMES
    assert project(state).link.left_out == 10


def test_producers_beyond_the_bound_are_left_out_and_counted(record_of):
    """Those that are known go on. Validated once, as each validation looks at every producer."""
    state = production.fold_all(record_of(update(1), producer=f"p{n}") for n in range(KEPT_PRODUCERS + 3))
    fold(state, record_of(update(2), producer="p0"))

    assert (len(state.producers), state.left_out) == (KEPT_PRODUCERS, 3)
    assert state.producers["p0"].updates == 2


def test_only_the_newest_epochs_of_a_producer_are_remembered(record_of):
    """A producer that restarts for ever keeps a bounded table of positions."""
    producer = fold_all(record_of(update(1), epoch=n) for n in range(KEPT_EPOCHS + 9)).producers["host:0"]

    assert list(producer.next_seq) == list(range(9, KEPT_EPOCHS + 9))
    assert producer.epoch == KEPT_EPOCHS + 8


def test_texts_and_tables_are_cut(record_of):
    """A trainer that sends megabytes in each field costs kilobytes."""
    long, many = "x" * 100_000, {f"{'k' * 1000}{n}": "v" * 10_000 for n in range(1_000)}
    unique = {str(n): "v" * 10_000 for n in range(1_000)}
    events = [
        e.RunStarted(task=long, config=unique),
        e.AnomalyDetected(update=1, anomaly=long, severity="warning", detail=long),
        e.LogRecorded(level="error", message=long, fields=many),
        e.CheckpointSaved(update=1, path=long),
        e.NumericalInstabilityReported(update=1, nan_count=1, inf_count=1, where=(long,) * 1_000),
        e.LayerGradientsSampled(update=1, grad_norms=dict.fromkeys(unique, 1.0)),
        e.DecisionMade(update=1, environment=0, step=0, choices=dict.fromkeys(unique, 1), confidences={}),
        e.HeadGradientsCompared(update=1, heads=(long,) * 1_000, norms=(), cosines=(1.0,) * 100_000),
        explosion(long, ratios=(1.0,) * 100_000),
        e.Unknown(kind=long, raw=b""),
        e.Undecodable(reason=long, raw=b""),
        e.RunFinished(outcome="failed", updates=1, reason=long),
    ]
    snapshot = project(fold_all(map(record_of, events)))

    assert len(encode_snapshot(snapshot)) < 300_000
    assert len(snapshot.run.config) == MAX_ITEMS
    assert snapshot.log[0].message == "x" * (MAX_TEXT_LENGTH - 1) + "…"
    assert len(snapshot.instabilities[0].report.where) == MAX_ITEMS
    assert len(snapshot.log) <= KEPT_LOG_ENTRIES


def test_a_late_event_of_a_former_life_does_not_speak_for_the_present_one(record_of):
    """What a dead process's spool brings after its successor began neither ends nor escalates the run."""
    late = [
        e.RunFinished(outcome="failed", updates=1),
        e.TelemetryEscalated(update=1, level=3, until_update=99),
        e.EpisodeCompleted(environment=0, episode=1, episode_return=7.0, length=1),
        update(2, policy_loss=9.0, head_op_entropy=math.nan),
        e.RunStarted(task="old"),
    ]
    records = [record_of(update(1), epoch=1), record_of(e.RunStarted(task="new"), epoch=2)]
    records += [record_of(update(2, policy_loss=1.0), epoch=2)]
    snapshot = project(fold_all([*records, *(record_of(event, epoch=1) for event in late)]))

    assert (snapshot.run.task, snapshot.run.outcome, snapshot.telemetry) == ("new", None, ())
    assert (snapshot.tamiyo.policy_loss, snapshot.tamiyo.last_update) == (1.0, 2)
    assert snapshot.tamiyo.ppo_updates_count == 3
    assert snapshot.tamiyo.head_nan_latch["op"]
    assert (snapshot.episodes.completed, snapshot.episodes.returns) == (1, ())
