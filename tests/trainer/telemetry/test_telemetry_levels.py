"""Every level writes exactly the fields that the catalogue assigns to it."""

import math

import pytest
from tests.trainer.sink import Sink

from esper_schemas.errors import InvalidArgument
from esper_schemas.events import (
    HeadGradientsCompared,
    LayerGradientsSampled,
    NumericalInstabilityReported,
    PPOUpdateCompleted,
    RatioExplosionDiagnosed,
)
from esper_schemas.heads import HEAD_SIZES, HEADS
from esper_schemas.metrics.catalogue import CATALOGUE
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TELEMETRY, TrainingConfig
from esper_trainer.environments.morph.presets import HORIZON
from esper_trainer.measure.packed_metrics import FINAL_FIELDS
from esper_trainer.model.policy import Tamiyo
from esper_trainer.runner import train

DEFAULTS = PPOUpdatePayload()


@pytest.fixture(scope="module")
def events_of():
    """The events of a short real run at a level; every level is run once."""
    cache = {}

    def run(level):
        if level not in cache:
            sink = Sink()
            config = TrainingConfig(
                episodes=2, environments=3, threads=1, hidden_size=16, learning_rate=3e-2, telemetry=level
            )
            train(config, sink.connect)
            cache[level] = sink.events
        return cache[level]

    return run


@pytest.fixture(scope="module")
def payloads_of(events_of):
    """The payloads of such a run."""
    return lambda level: [
        event.payload for event in events_of(level) if isinstance(event, PPOUpdateCompleted)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("level", TELEMETRY)
def test_a_level_writes_the_fields_of_the_catalogue_and_no_others(level, payloads_of):
    """A field counts as written if any update gives it another value than its default."""
    written = {
        name
        for name in CATALOGUE
        for payload in payloads_of(level)
        if getattr(payload, name) != getattr(DEFAULTS, name)
    }
    promised = {
        name for name, field in CATALOGUE.items() if field.metric.level <= TelemetryLevel[level.upper()]
    }

    assert written == promised


def test_values_do_not_depend_on_the_level(payloads_of):
    """A higher level changes neither the training nor a value that a lower one measures, except times."""
    by_level = [payloads_of(level) for level in TELEMETRY]
    for name, field in CATALOGUE.items():
        if field.metric.unit == "ms":
            continue
        levels = by_level[field.metric.level :]
        values = {tuple(getattr(payload, name) for payload in payloads) for payloads in levels}
        assert len(values) == 1, name


def test_counts_of_faults_are_measured_at_every_level(payloads_of):
    """They are 0 here, and not None."""
    for level in TELEMETRY:
        for payload in payloads_of(level):
            assert (payload.nan_grad_count, payload.inf_grad_count, payload.skipped_steps) == (0, 0, 0)


@pytest.mark.parametrize("level", ["off", "minimal", "normal"])
def test_only_debug_reports_layers_and_transitions(level, events_of):
    """Other levels have no event of that kind."""
    kinds = (
        LayerGradientsSampled,
        HeadGradientsCompared,
        RatioExplosionDiagnosed,
        NumericalInstabilityReported,
    )

    assert not [event for event in events_of(level) if isinstance(event, kinds)]


@pytest.mark.slow
def test_m3_gradients_that_are_not_finite_are_reported_even_when_telemetry_is_off():
    """The loss overflows after one step with this learning rate; report and payload have the same counts."""
    sink = Sink()
    train(
        TrainingConfig(
            episodes=1, environments=2, threads=1, hidden_size=8, learning_rate=3e38, telemetry="off"
        ),
        sink.connect,
    )
    (payload,) = [event.payload for event in sink.events if isinstance(event, PPOUpdateCompleted)]
    (report,) = [event for event in sink.events if isinstance(event, NumericalInstabilityReported)]

    assert payload.skipped_steps == 3  # every one after the first of four
    assert (report.nan_count, report.inf_count) == (payload.nan_grad_count, payload.inf_grad_count)
    assert report.nan_count + report.inf_count > 0
    assert not math.isfinite(report.grad_norm_pre_clip)


def test_debug_reports_the_gradient_of_every_layer(events_of):
    """There is one event per update, with torch's names of the parameters."""
    sampled = [event for event in events_of("debug") if isinstance(event, LayerGradientsSampled)]
    names = [name for name, _ in Tamiyo(116, 16, seed=0).named_parameters()]

    assert [event.update for event in sampled] == [1, 2]
    assert list(sampled[0].grad_norms) == names
    assert all(norm > 0 for norm in sampled[0].grad_norms.values())


def test_debug_compares_the_gradients_of_the_heads(events_of):
    """There is one event per update, with all heads and the critic."""
    compared = [event for event in events_of("debug") if isinstance(event, HeadGradientsCompared)]

    assert [event.update for event in compared] == [1, 2]
    assert all(event.heads == (*HEADS, "value") for event in compared)
    assert all(-1.0 <= cosine <= 1.0 for event in compared for cosine in event.cosines)
    assert all(min(event.cosines) < 0 < max(event.cosines) for event in compared)


def test_l2_debug_reports_which_transitions_exploded(events_of):
    """Ratios are beyond the critical band, worst first, with valid steps, environments and actions."""
    diagnosed = [event for event in events_of("debug") if isinstance(event, RatioExplosionDiagnosed)]

    assert diagnosed
    for event in diagnosed:
        distances = [abs(math.log(ratio)) for ratio in event.ratios]
        assert all(ratio < 0.5 or ratio > 1.5 for ratio in event.ratios)
        assert distances == sorted(distances, reverse=True)
        assert 1 <= len(event.ratios) <= 5
        assert all(0 <= step < HORIZON for step in event.steps)
        assert all(0 <= environment < 3 for environment in event.environments)
        assert all(0 <= action < HEAD_SIZES[event.head] for action in event.actions)


def test_an_unknown_level_is_refused():
    """The message names all levels."""
    with pytest.raises(InvalidArgument, match="off, minimal, normal, debug"):
        TrainingConfig(telemetry="loud")


@pytest.mark.parametrize(("level", "measured"), [("minimal", []), ("normal", [4])])
def test_the_policy_after_an_update_is_measured_in_every_fourth(level, measured):
    """It costs one more forward pass; at DEBUG that is made in every update."""
    sink = Sink()
    train(
        TrainingConfig(
            episodes=5, environments=2, threads=1, hidden_size=8, telemetry=level, escalation="all=0"
        ),
        sink.connect,
    )
    completed = [event for event in sink.events if isinstance(event, PPOUpdateCompleted)]

    for name in FINAL_FIELDS:
        assert [e.update for e in completed if getattr(e.payload, name) is not None] == measured


def test_the_identities_hold_in_a_real_training(payloads_of):
    """The first ratios are 1, the advantages and rewards are those of the environment, up to rounding."""
    for payload in payloads_of("normal"):
        assert payload.initial_ratio_max < 1e-5
        assert abs(payload.initial_kl) < 1e-7
        assert payload.gae_residual < 1e-4
        assert payload.reward_checksum_error == 0.0
        assert payload.advantage_correlation > 0.0
        assert 0.0 < payload.value_gradient_share < 1.0
