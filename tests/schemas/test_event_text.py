"""Every event is one line of text, whatever its fields hold."""

import math

import pytest

from esper_schemas import events as e
from esper_schemas.declarations import HeadSpec, MetricSpec
from esper_schemas.event_text import describe, describe_update
from esper_schemas.payload import PPOUpdatePayload

LINES = [
    (e.RunStarted(task="morph", environments=8, device="cpu"), "morph with 8 environments on cpu"),
    (e.RunStarted(task="morph"), "morph"),
    (
        e.PPOUpdateCompleted(update=3, payload=PPOUpdatePayload(policy_loss=-0.01, kl_divergence=0.0042)),
        "update 3: policy loss -0.010, value loss –, KL 0.0042",
    ),
    (
        e.RolloutCompleted(
            update=3, env_steps=1, env_steps_total=1, steps_per_second=950.4, duration_ms=1, mean_return=1.5
        ),
        "rollout 3: return 1.500, 950 steps/s",
    ),
    (
        e.RolloutCompleted(
            update=3,
            env_steps=1,
            env_steps_total=1,
            steps_per_second=1.0,
            duration_ms=1,
            mean_return=math.nan,
            rollbacks=2,
            returns_not_finite=1,
        ),
        "rollout 3: return nan, 1 steps/s, 2 hosts rolled back, 1 returns are not finite",
    ),
    (
        e.EpisodeCompleted(environment=4, episode=9, episode_return=0.25, length=64),
        "environment 4: return 0.250",
    ),
    (
        e.DecisionMade(update=1, environment=2, step=5, choices={"op": 1, "slot": 0}, confidences={}),
        "GERMINATE in R0C0 in environment 2, step 5",
    ),
    (
        e.DecisionMade(update=1, environment=2, step=5, choices={"move": 3, "aim": 0}, confidences={}),
        "move=3 aim=0 in environment 2, step 5",
    ),
    (
        e.RunStarted(task="t", environments=2, heads=(HeadSpec("move", 5), HeadSpec("steer"))),
        "t with 2 environments, heads move (5), steer (continuous)",
    ),
    (
        e.DecisionMade(update=1, environment=2, step=5, choices={"op": 77}, confidences={}),
        "#77 in environment 2, step 5",
    ),
    (
        e.SeedStageChanged(
            update=1, environment=0, step=1, slot=0, from_stage=0, to_stage=99, blueprint=None
        ),
        "R0C0: DORMANT → #99",
    ),
    (
        e.AnomalyDetected(
            update=1, anomaly="kl_spike", severity="critical", metric="kl_divergence", value=0.2
        ),
        "kl_spike: kl_divergence 0.200",
    ),
    (
        e.AnomalyDetected(update=1, anomaly="a", severity="warning", detail="as it was described"),
        "as it was described",
    ),
    (e.TelemetryEscalated(update=1, level=3, until_update=6), "level 3 until update 6"),
    (
        e.TelemetryEscalated(update=1, level=3, until_update=6, reason="kl_spike"),
        "level 3 until update 6 kl_spike",
    ),
    (
        e.NumericalInstabilityReported(update=2, nan_count=3, inf_count=0),
        "3 NaN and 0 infinite in update 2",
    ),
    (
        e.RatioExplosionDiagnosed(update=2, head="op", ratios=(), steps=(), environments=(), actions=()),
        "op in update 2",
    ),
    (e.LayerGradientsSampled(update=2, grad_norms={"a": 1.0, "b": 2.0}), "2 layers"),
    (
        e.HeadGradientsCompared(update=2, heads=("a", "b", "c"), norms=(), cosines=(0.5, -0.25, 0.1)),
        "a and c agree least, cosine -0.25, in update 2",
    ),
    (e.HeadGradientsCompared(update=2, heads=("a",), norms=(), cosines=()), "1 heads in update 2"),
    (e.VitalsSampled(cpu_share=1.5, memory_bytes=3 * 2**20), "1.50 cores, 3 MiB"),
    (e.VitalsSampled(), "– cores, – MiB"),
    (e.CheckpointSaved(update=4, path="runs/a/4.pt"), "runs/a/4.pt"),
    (e.LogRecorded(level="warning", message="slow"), "warning: slow"),
    (e.EventsDropped(count=7, first_ns=1, last_ns=2), "7 events could not be kept"),
    (e.RunFinished(outcome="completed", updates=9), "completed after 9 updates"),
    (e.RunFinished(outcome="failed", updates=9, reason="no disk"), "failed after 9 updates: no disk"),
    (e.RunFinished(outcome="completed", updates=0), "completed"),
    (e.ScalarsLogged(values={"kl_ref": 3.5, "x": None}, step=7), "2 values at step 7: kl_ref 3.500, x –"),
    (e.MetricDefined(metric=MetricSpec(name="kl_ref", unit="nats")), "kl_ref in nats"),
    (e.MetricDefined(metric=MetricSpec(name="kl_ref")), "kl_ref"),
    (e.Annotated(text="look here", who="ada", update=4), "about update 4: look here (ada)"),
    (e.Annotated(text="look here"), "look here"),
    (e.Unknown("Later", b""), "a kind of event that this version does not know"),
    (e.Undecodable("not msgpack", b""), "not msgpack"),
]


@pytest.mark.parametrize(("event", "line"), LINES, ids=lambda value: type(value).__name__)
def test_an_event_is_one_line(event, line):
    """With what its reader looks for first."""
    assert describe(event) == line


def test_every_kind_of_event_is_described_here():
    """A new kind needs a line."""
    assert {type(event) for event, _ in LINES} >= set(e.EVENT_TYPES)


def test_equal_numbers_give_equal_texts():
    """-0.0 equals 0.0, and is written like it: texts are cached by their numbers."""
    assert describe_update(1, -0.0, -0.0, None) == describe_update(1, 0.0, 0.0, None)
    assert describe_update(1, 0.0, 0.0, None) == "update 1: policy loss 0.000, value loss 0.000, KL –"
