"""Feeds for the screens: snapshots as an aggregator publishes them, at a fixed time."""

import math
import os
import time

import pytest
from msgspec import structs
from tests.tui.foreign import FOREIGN
from tests.tui.list_history import ListHistory
from tests.tui.pseudo_terminal import Terminal

from esper_schemas import CATALOGUE, HEAD_MAX_ENTROPIES, HEADS, TamiyoState, trend
from esper_schemas.declarations import HeadSpec
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
from esper_schemas.history import Mark, Place
from esper_schemas.payload import HeadMeasures
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
from esper_tui.app import SanctumApp
from esper_tui.text.spans import plain

NOW = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
FIRST_AND_STEP = {
    "policy_loss": (0.062, -0.0041),
    "value_loss": (0.191, -0.0123),
    "entropy": (9.2, -0.1),
    "kl_divergence": (0.006, 0.0007),
    "clip_fraction": (0.21, -0.008),
    "explained_variance": (0.21, 0.05),
    "grad_norm": (0.5, 0.01),
}
OTHER_FIELDS = {
    "advantage_mean": -0.031,
    "advantage_std": 0.653,
    "advantage_positive_share": 0.48,
    "advantage_min": -2.1,
    "advantage_max": 2.4,
    "advantage_skewness": 0.21,
    "advantage_kurtosis": 0.9,
    "grad_norm_pre_clip": 1.615,
    "log_prob_min": -3.755,
    "log_prob_max": -0.002,
    "entropy_normalized": 0.649,
    "entropy_velocity": -0.0004,
    "collapse_risk_score": 0.11,
    "entropy_clip_correlation": 0.12,
    "value_return_correlation": 0.83,
    "td_error_mean": 0.012,
    "td_error_std": 0.31,
    "bellman_error": 0.22,
    "return_p10": -0.4,
    "return_p50": 0.41,
    "return_p90": 1.3,
    "value_mean": 0.489,
    "value_std": 0.845,
    "value_min": -0.9,
    "value_max": 2.1,
    "gradient_cv": 0.31,
    "dead_layers": 0.0,
    "exploding_layers": 0.0,
    "value_grad_norm": 0.44,
    "lstm_grad_norm": 0.62,
    "lstm_hidden_rms": 0.21,
    "lstm_cell_rms": 0.43,
    "lstm_cell_mean": 0.01,
    "update_time_ms": 34.4,
    "rollout_time_ms": 312.0,
}
EVENTS = (
    ("RunStarted", "digits with 64 environments on cpu"),
    ("RolloutCompleted", "rollout 17: return 0.412, 12345 steps/s"),
    ("PPOUpdateCompleted", "update 17: policy loss 0.025, value loss 0.080, KL 0.0123"),
    ("SeedStageChanged", "R0C1 CONV_LIGHT: GERMINATED → TRAINING"),
    ("AnomalyDetected", "ratio_explosion: head_op_ratio_max 5.123"),
)


@pytest.fixture(autouse=True)
def fixed_environment(monkeypatch):
    """Times of day and colours do not depend on the machine that runs the tests."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def open_terminal():
    """Opens pseudo-terminals that run a command, and closes them after the test."""
    opened = []

    def make(*command, **environment):
        opened.append(Terminal(*command, **environment))
        return opened[-1]

    yield make
    for terminal in opened:
        terminal.process.kill()
        terminal.process.wait()
        if terminal.ours is not None:
            os.close(terminal.ours)


@pytest.fixture(scope="session")
def now():
    """The time at which the screens are drawn, in nanoseconds since 1970."""
    return NOW


@pytest.fixture(scope="session")
def make_state():
    """A state after 17 healthy updates; any field can be overridden."""

    def make(**fields):
        return TamiyoState(**(_healthy_losses() | _healthy_heads() | fields))

    return make


def _healthy_losses():
    histories = {
        name: tuple(first + step * i * (1.1 if i % 3 else 0.9) for i in range(10))
        for name, (first, step) in FIRST_AND_STEP.items()
    }
    return {
        **{name: history[-1] for name, history in histories.items()},
        **{f"{name}_history": history for name, history in histories.items()},
        "trends": {n: trend(h, CATALOGUE[n].metric.trend_threshold) for n, h in histories.items()},
        "clip_fraction_positive": 0.072,
        "clip_fraction_negative": 0.051,
        **OTHER_FIELDS,
        "joint_ratio_max": 1.834,
        "joint_ratio_min": 0.612,
        "nan_grad_count": 0,
        "inf_grad_count": 0,
        "skipped_steps": 0,
        "ppo_data_received": True,
        "ppo_updates_count": 17,
        "last_update": 17,
    }


def _healthy_heads():
    fields = {}
    for i, head in enumerate(HEADS):
        fields[f"head_{head}_entropy"] = HEAD_MAX_ENTROPIES[head] * (0.52 + 0.02 * i)
        fields[f"head_{head}_entropy_legal"] = 0.6
        fields[f"head_{head}_relevance"] = 0.4
        fields[f"head_{head}_ratio_max"] = 1.04 + 0.02 * i
        fields[f"head_{head}_ratio_min"] = 0.97 - 0.02 * i
        fields[f"head_{head}_grad_norm"] = 0.15 + 0.11 * i
        fields[f"head_{head}_grad_norm_prev"] = (0.15 + 0.11 * i) * (1.0, 0.6, 1.6)[i % 3]
    return fields


@pytest.fixture(scope="session")
def own_state(make_state):
    """A state with a number of own heads; the measurements of some can be given by name."""

    def make(number, sizes=(2,), **given):
        names = ("move", "aim", "fire", *(f"head{place}" for place in range(3, number)))[:number]
        specs = tuple(HeadSpec(name, sizes[place % len(sizes)]) for place, name in enumerate(names))
        healthy = HeadMeasures(entropy=0.5, ratio_max=1.1, ratio_min=0.9, grad_norm=0.5)
        heads = {name: given.get(name, healthy) for name in names}
        unmeasured = dict.fromkeys(name for name, field in CATALOGUE.items() if field.head)
        return make_state(**unmeasured, heads=heads, heads_previous=heads, head_specs=specs)

    return make


@pytest.fixture(scope="session")
def unhealthy_state(make_state):
    """A state in which nearly every metric is critical or not finite."""
    return make_state(
        policy_loss=math.nan,
        policy_loss_history=(0.1, 0.2, 0.1, 0.3, math.nan, 0.2, None, 0.1, 0.2, math.nan),
        value_loss=25.3,
        kl_divergence=0.0712,
        explained_variance=-0.4,
        joint_ratio_max=48.2,
        joint_ratio_min=0.01,
        nan_grad_count=7,
        skipped_steps=2,
        head_op_entropy=0.05,
        head_op_grad_norm=0.001,
        head_slot_entropy=math.nan,
        head_blueprint_ratio_max=485165195.4,
        head_style_grad_norm=12.3,
        head_tempo_entropy=1.09,
        head_alpha_target_entropy=0.02,
        head_alpha_speed_entropy=None,
        head_alpha_speed_grad_norm=None,
        head_alpha_curve_entropy=0.01,
        head_alpha_curve_entropy_legal=None,
        head_alpha_curve_ratio_max=math.inf,
        head_nan_latch={"slot": True},
        head_inf_latch={"slot": True, "alpha_curve": True},
    )


def _machinery():
    """Ranks, slots, decisions, vitals and checkpoints."""
    ranks = tuple(
        RankState(
            producer=f"host{rank}:{rank}",
            rank=rank,
            updates=17 - (rank == 2),
            last_update=17 - (rank == 2),
            last_event_ns=NOW - (1 + 3 * (rank == 2)) * SECOND,
            steps_per_second=12345.0 - 100 * rank - 3000 * (rank == 2),
            update_time_ms=34.4 + rank,
            median_rollout_ms=312.0 + 100 * (rank == 2),
        )
        for rank in range(4)
    )
    change = SeedStageChanged(
        update=17, environment=0, step=4, slot=1, from_stage=1, to_stage=2, blueprint=1, alpha=0.0
    )
    chosen = {"op": 1, "slot": 1, "blueprint": 1, "style": 0, "tempo": 2, "alpha_target": 2}
    sure = {head: 0.93 - 0.1 * place for place, head in enumerate(chosen)}
    decision = DecisionMade(update=17, environment=0, step=4, choices=chosen, confidences=sure)
    wait = DecisionMade(update=17, environment=0, step=5, choices={"op": 0}, confidences={"op": 0.52})
    return {
        "ranks": ranks,
        "slots": SlotsState(
            stage_counts=(40, 20, 50, 30, 10, 40, 2),
            changes=(StageChangeEntry(at_ns=NOW - SECOND, producer="host0:0", change=change),),
        ),
        "decisions": tuple(
            DecisionEntry(at_ns=NOW - SECOND, producer="host0:0", decision=made) for made in (decision, wait)
        ),
        "vitals": VitalsSampled(cpu_share=0.93, memory_bytes=429 * 2**20),
        "checkpoints": (
            CheckpointEntry(
                at_ns=NOW - 65 * SECOND,
                producer="host0:0",
                checkpoint=CheckpointSaved(update=10, path="checkpoints/00000010-rank0.pt", duration_ms=48.2),
            ),
        ),
    }


def _histories():
    """Ten values for every metric, a different wave for each; one metric was never measured."""
    return {
        name: tuple(0.5 + 0.1 * math.sin(place + n) for n in range(10))
        for place, name in enumerate(CATALOGUE)
        if name != "td_error_std"
    }


@pytest.fixture(scope="session")
def make_snapshot(make_state):
    """A snapshot of a run in progress with a given state; fields of the run can be overridden."""

    def make(state=None, **run):
        facts = {
            "run": "digits-lite-7f3a",
            "task": "digits",
            "episodes": 100,
            "environments": 64,
            "baseline_return": 0.385,
            "world_size": 4,
            "mean_return": 0.412,
            "steps_per_second": 12345.0,
            "started_ns": NOW - 724 * SECOND,
            "last_event_ns": NOW - SECOND,
            "mean_return_history": tuple(0.3 + 0.01 * n - 0.02 * (n % 3) for n in range(17)),
            "config": {"telemetry": "normal", "seed": 3, "learning_rate": 0.0015},
            "env_steps_total": 69632,
            "rollbacks_total": 0,
        }
        events = tuple(
            EventEntry(at_ns=NOW - (10 - i) * SECOND, producer="host0:0", kind=kind, text=text)
            for i, (kind, text) in enumerate(EVENTS * 2)
        )
        return SanctumSnapshot(
            events_folded=1234,
            run=RunInfo(**(facts | run)),
            tamiyo=state or make_state(),
            histories=_histories(),
            recent_events=events,
            link=LinkHealth(events=1234, lag_ms=12.3),
            **_machinery(),
        )

    return make


FINDINGS = (
    Finding(
        rule="policy_runs_away",
        severity="critical",
        title="The policy moves too far in each update",
        since_update=12,
        evidence=(Evidence(11, "KL divergence 0.0502"), Evidence(12, "clip fraction 0.412")),
        advice=("Lower the learning rate by 3 to 10 times, or anneal it to 0 over the run.",),
        metrics=("kl_divergence", "clip_fraction"),
    ),
    Finding(
        rule="head_collapse",
        severity="warning",
        title="Head op hardly explores",
        head="op",
        since_update=15,
        evidence=(Evidence(15, "op entropy 0.052 of its maximum"),),
        advice=("Raise the entropy coefficient.",),
        metrics=("head_op_entropy_legal", "head_op_entropy"),
    ),
)


def _entry(kind, seconds, **what):
    """A list entry from the given number of seconds ago."""
    return kind(at_ns=NOW - seconds * SECOND, producer="host0:0", **what)


ANOMALY = AnomalyDetected(
    update=12,
    anomaly="kl_spike",
    severity="critical",
    metric="kl_divergence",
    value=0.231,
    threshold=0.1,
    detail="kl_spike: kl_divergence 0.231 is above 0.1",
)
COLLAPSE = AnomalyDetected(
    update=14,
    anomaly="head_entropy_collapse",
    severity="critical",
    metric="head_op_entropy_legal",
    value=3.44e-06,
    threshold=0.08,
    head="op",
)
DRIFT = AnomalyDetected(
    update=13,
    anomaly="gradient_drift",
    severity="warning",
    metric="gradient_drift",
    value=5.1,
    threshold=4.0,
)
EXPLOSION = RatioExplosionDiagnosed(
    update=15, head="style", ratios=(8.88, 6.1), steps=(49, 3), environments=(26, 1), actions=(2, 0)
)
REPORT = NumericalInstabilityReported(
    update=16, nan_count=3, inf_count=1, where=("policy_loss", "lstm"), grad_norm_pre_clip=12.5
)
LAYERS = LayerGradientsSampled(
    update=16,
    grad_norms={"lstm.weight": 0.25, "heads.bias": 0.0},
    magnitude_bounds=(1e-8, 1e-4),
    magnitudes={"lstm.weight": (10, 60, 30, 0)},
)
COMPARED = HeadGradientsCompared(
    update=16, heads=("op", "slot", "value"), norms=(0.1, 0.2, 0.3), cosines=(0.5, -0.25, 0.0)
)


@pytest.fixture(scope="session")
def with_finding():
    """Adds a finding about some metrics to a snapshot."""

    def add(snapshot, *metrics, severity="critical", since=12, rule="a_rule", **fields):
        finding = Finding(
            rule=rule, severity=severity, title="A title", since_update=since, metrics=metrics, **fields
        )
        return structs.replace(snapshot, findings=(*snapshot.findings, finding))

    return add


@pytest.fixture(scope="session")
def with_reports():
    """Adds the anomalies and diagnoses of a run with many problems to a snapshot."""

    def add(snapshot, active=True):
        raised = TelemetryEscalated(update=12, level=3, until_update=18, reason="kl_spike")
        anomalies = tuple(
            _entry(AnomalyEntry, 16 - n, anomaly=a) for n, a in enumerate((ANOMALY, DRIFT, COLLAPSE))
        )
        return structs.replace(
            snapshot,
            anomalies=anomalies,
            anomaly_counts={"kl_spike": 1, "gradient_drift": 1, "head_entropy_collapse": 1},
            telemetry=(_entry(EscalationEntry, 16, escalation=raised, active=active),),
            ratio_explosions=(_entry(RatioExplosionEntry, 12, explosion=EXPLOSION),),
            instabilities=(_entry(InstabilityEntry, 11, report=REPORT),),
            instability_totals=InstabilityTotals(reports=1, nan_count=3, inf_count=1),
            layer_gradients=_entry(LayerGradientsEntry, 11, sample=LAYERS),
            head_gradients=_entry(HeadGradientsEntry, 11, comparison=COMPARED),
        )

    return add


@pytest.fixture(scope="session")
def make_feed(make_snapshot):
    """A feed of a healthy connection; any field can be overridden."""

    def make(snapshot=None, **fields):
        facts = {
            "snapshot": snapshot or make_snapshot(),
            "origin": "ipc:///run/user/1000/esper/main.sock",
            "received_ns": NOW - SECOND // 10,
            "sent_ns": NOW - SECOND // 10,
            "trainer_message_ns": NOW - SECOND // 2,
        }
        return Feed(**(facts | fields))

    return make


@pytest.fixture(scope="session")
def feeds(make_feed, make_snapshot, make_state, unhealthy_state, with_reports):
    """One feed for each state that a screen can show."""
    unhealthy = structs.replace(
        make_snapshot(unhealthy_state),
        link=LinkHealth(events=1234, lag_ms=812.0, gaps=3, dropped=12),
        findings=FINDINGS,
        log=(
            LogEntry(at_ns=NOW - 3 * SECOND, producer="host0:0", level="warning", message="value loss grows"),
        ),
        log_counts={"warning": 1},
    )
    warned = structs.replace(
        make_snapshot(make_state(kl_divergence=0.0171, head_op_ratio_max=1.31)), findings=FINDINGS[1:]
    )
    nan = make_snapshot(make_state(**dict.fromkeys(CATALOGUE, math.nan)))
    origin = "ipc:///run/user/1000/esper/main.sock"
    return {
        "waiting": Feed(origin=origin),
        "healthy": make_feed(),
        "warning": make_feed(warned),
        "critical": make_feed(with_reports(unhealthy)),
        "nan": make_feed(nan),
        "stale": make_feed(trainer_message_ns=NOW - 75 * SECOND),
        "disconnected": make_feed(received_ns=NOW - 75 * SECOND),
        "finished": make_feed(make_snapshot(outcome="completed")),
        "replay": make_feed(make_snapshot(outcome="completed"), live=False, origin="runs/digits"),
    }


@pytest.fixture(scope="session")
def foreign_feeds(make_feed):
    """One feed for each kind of run that is not of Esper's own trainer."""
    return {name: make_feed(make()) for name, make in FOREIGN.items()}


class FixedSource:
    """A source that returns the feed it was last given."""

    def __init__(self, feed):
        self.feed = feed
        self.polls = 0

    def poll(self):
        """Count the call and return the feed."""
        self.polls += 1
        return self.feed

    def close(self):
        """Nothing to release."""


@pytest.fixture(scope="session")
def make_source():
    """Makes a source that returns a feed until it is given another one."""
    return FixedSource


class Runs:
    """A source of several runs, like that of a socket."""

    def __init__(self, make_feed, make_snapshot):
        self.runs = self.known = ("first", "second", "third")
        self.selected = "first"
        self._make = lambda run, **fields: make_feed(make_snapshot(run=run), **fields)

    def begin(self, run):
        """Add a run, as the newest one."""
        self.runs = (run, *self.runs)

    def select(self, run):
        """Select the run to show."""
        self.selected, self.known = run, self.runs

    def poll(self):
        """The selected run's feed."""
        new = tuple(run for run in self.runs if run not in self.known)
        return self._make(self.selected, runs=self.runs, selected=self.selected, new_runs=new)

    def close(self):
        """Nothing to release."""


@pytest.fixture
def recorded_past(make_snapshot, make_state):
    """Opens the history of a run of 17 updates, of which two have marks."""

    def open_history(run):
        kept = {
            update: make_snapshot(
                make_state(last_update=update, ppo_updates_count=update, policy_loss=update / 1000), run=run
            )
            for update in range(1, 18)
        }
        marks = (
            Mark(place=Place(5, 5, NOW - 12 * SECOND), kind="checkpoint", title="checkpoint of update 5"),
            Mark(
                place=Place(12, 12, NOW - 5 * SECOND),
                kind="finding",
                title="The policy runs away",
                severity="critical",
            ),
        )
        return ListHistory({}, marks, started_s=NOW / SECOND - 17, snapshots=kept)

    return open_history


@pytest.fixture
def several_runs(make_feed, make_snapshot):
    """A source of three runs, of which the first is shown."""
    return Runs(make_feed, make_snapshot)


@pytest.fixture(scope="session")
def text():
    """Converts rows to lines of plain text."""

    def lines(rows):
        return [plain(row).rstrip() for row in rows]

    return lines


@pytest.fixture(scope="session")
def find():
    """Finds the one row that starts with a label."""

    def row_of(rows, label):
        found = [row for row in rows if plain(row).strip().startswith(label)]
        assert len(found) == 1, f"{label!r} in {[plain(row) for row in rows]}"
        return found[0]

    return row_of


@pytest.fixture(scope="session")
def tone_of():
    """The tone of the one span with a given text."""

    def tone(row, said):
        found = [span.tone for span in row if span.text.strip() == said]
        assert len(found) == 1, f"{said!r} in {row}"
        return found[0]

    return tone


@pytest.fixture
def start_app(make_source, now, make_feed):
    """An app that saves its settings only if it is given a file."""

    def make(feed=None, **options):
        return SanctumApp(make_source(feed or make_feed()), clock=lambda: now, **options)

    return make


@pytest.fixture
def start_both(make_source, now):
    """An app that has not been started, and its source."""

    def make(feed):
        source = make_source(feed)
        return SanctumApp(source, clock=lambda: now), source

    return make
