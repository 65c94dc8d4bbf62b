"""Real feeds for the screens: struct values as an aggregator publishes them, at a frozen moment."""

import math
import time

import pytest
from msgspec import structs

from esper_schemas import CATALOGUE, HEAD_MAX_ENTROPIES, HEADS, TamiyoState, trend
from esper_schemas.snapshot import EventEntry, LinkHealth, RunInfo, SanctumSnapshot
from esper_schemas.source import Feed
from esper_tui.rows import plain

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
EVENTS = (
    ("RunStarted", "digits with 64 environments on cpu"),
    ("RolloutCompleted", "rollout 17: return 0.412, 12345 steps/s"),
    ("PPOUpdateCompleted", "update 17: policy loss 0.025, value loss 0.080, KL 0.0123"),
    ("SeedStageChanged", "R0C1 CONV_LIGHT: GERMINATED → TRAINING"),
    ("AnomalyDetected", "ratio_explosion: head_op_ratio_max 5.123"),
)


@pytest.fixture(autouse=True)
def same_everywhere(monkeypatch):
    """Neither times of day nor colours depend on where the tests run."""
    monkeypatch.setenv("TZ", "UTC")
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLORTERM", "truecolor")
    monkeypatch.delenv("NO_COLOR", raising=False)
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture(scope="session")
def now():
    """The moment at which the screens are looked at, in nanoseconds since 1970."""
    return NOW


@pytest.fixture(scope="session")
def make_state():
    """A state after 17 healthy updates; any field can be given another value."""

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
def hurt_state(make_state):
    """A state in which nearly everything that can be wrong is wrong."""
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


@pytest.fixture(scope="session")
def make_snapshot(make_state):
    """A snapshot of a run on its way, of a given state; fields of the run can be given."""

    def make(state=None, **run):
        facts = {
            "run": "digits-lite-7f3a",
            "task": "digits",
            "episodes": 100,
            "environments": 64,
            "baseline_return": 0.385,
            "mean_return": 0.412,
            "steps_per_second": 12345.0,
            "last_event_ns": NOW - SECOND,
        }
        events = tuple(
            EventEntry(at_ns=NOW - (10 - i) * SECOND, producer="rank0", kind=kind, text=text)
            for i, (kind, text) in enumerate(EVENTS * 2)
        )
        return SanctumSnapshot(
            events_folded=1234,
            run=RunInfo(**(facts | run)),
            tamiyo=state or make_state(),
            recent_events=events,
            link=LinkHealth(events=1234, lag_ms=12.3),
        )

    return make


@pytest.fixture(scope="session")
def make_feed(make_snapshot):
    """What a source knows while all is well; any field can be given another value."""

    def make(snapshot=None, **fields):
        facts = {
            "snapshot": snapshot or make_snapshot(),
            "origin": "ipc:///run/user/1000/esper/main.sock",
            "heard_ns": NOW - SECOND // 10,
            "sent_ns": NOW - SECOND // 10,
            "trainer_heard_ns": NOW - SECOND // 2,
        }
        return Feed(**(facts | fields))

    return make


@pytest.fixture(scope="session")
def feeds(make_feed, make_snapshot, hurt_state):
    """One feed for each way in which a screen can look."""
    hurt = structs.replace(
        make_snapshot(hurt_state), link=LinkHealth(events=1234, lag_ms=812.0, gaps=3, dropped=12)
    )
    origin = "ipc:///run/user/1000/esper/main.sock"
    return {
        "waiting": Feed(origin=origin),
        "healthy": make_feed(),
        "critical": make_feed(hurt),
        "stale": make_feed(trainer_heard_ns=NOW - 75 * SECOND),
        "disconnected": make_feed(heard_ns=NOW - 75 * SECOND),
        "finished": make_feed(make_snapshot(outcome="completed")),
        "replay": make_feed(make_snapshot(outcome="completed"), live=False, origin="runs/digits"),
    }


class Given:
    """A source that delivers the feed it was given last."""

    def __init__(self, feed):
        self.feed = feed
        self.polls = 0

    def poll(self):
        """The feed."""
        self.polls += 1
        return self.feed

    def close(self):
        """Nothing to release."""


@pytest.fixture(scope="session")
def given():
    """Makes a source that delivers a feed, until it is given another one."""
    return Given


@pytest.fixture(scope="session")
def text():
    """Rows as lines of plain text."""

    def lines(rows):
        return [plain(row).rstrip() for row in rows]

    return lines


@pytest.fixture(scope="session")
def find():
    """The one row that starts with a label."""

    def row_of(rows, label):
        found = [row for row in rows if plain(row).strip().startswith(label)]
        assert len(found) == 1, f"{label!r} in {[plain(row) for row in rows]}"
        return found[0]

    return row_of


@pytest.fixture(scope="session")
def tone_of():
    """The tone of the one span of a row that says something."""

    def tone(row, said):
        found = [span.tone for span in row if span.text.strip() == said]
        assert len(found) == 1, f"{said!r} in {row}"
        return found[0]

    return tone
