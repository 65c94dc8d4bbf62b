"""The validation of a state reports each way in which the fold could break it."""

import math
from collections import deque
from pathlib import Path

import pytest
from msgspec import structs

from esper_aggregator.fold.fold import fold_all
from esper_aggregator.fold.invariants import InvariantError, validate
from esper_aggregator.fold.run_state import RunState
from esper_aggregator.fold.state_codec import encode_state
from esper_schemas import events as e
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.rules.watch import GAP


@pytest.fixture
def state(record_of):
    """A state in which no part is empty."""
    payloads = [PPOUpdatePayload(kl_divergence=1.0, head_op_entropy=math.nan)] * 2 + [PPOUpdatePayload()] * 9
    events = [
        e.RunStarted(task="t"),
        *(e.PPOUpdateCompleted(update=n, payload=payload) for n, payload in enumerate(payloads, 1)),
        e.PPOUpdateCompleted(update=12, payload=PPOUpdatePayload(kl_divergence=1.0)),
        e.RolloutCompleted(
            update=1, env_steps=1, env_steps_total=1, steps_per_second=1.0, duration_ms=1.0, mean_return=1.0
        ),
        e.EpisodeCompleted(environment=0, episode=1, episode_return=1.0, length=1),
        e.AnomalyDetected(update=1, anomaly="kl_spike", severity="warning"),
        e.RatioExplosionDiagnosed(
            update=1, head="op", ratios=(9.0,), steps=(0,), environments=(0,), actions=(1,)
        ),
        e.NumericalInstabilityReported(update=1, nan_count=1, inf_count=0),
        e.TelemetryEscalated(update=1, level=3, until_update=6),
        e.LogRecorded(level="warning", message="m"),
        e.Unknown(kind="TeapotBoiled", raw=b""),
    ]
    return fold_all(map(record_of, events))


def test_a_state_that_the_fold_made_is_valid_and_is_not_changed(state):
    """So is the empty one."""
    before = encode_state(state)

    validate(state)
    validate(RunState())

    assert encode_state(state) == before


def producer(state):
    """The only producer."""
    return state.producers["host:0"]


def open_streak(state):
    """The streak of large KL divergences."""
    return producer(state).symptoms.updates.open["large_kl", "kl_size"]


def _forget_the_latch(state):
    producer(state).ppo_updates.append(
        e.PPOUpdateCompleted(update=12, payload=PPOUpdatePayload(head_slot_entropy=math.inf))
    )


def _end_a_streak_that_is_active(state):
    ended = producer(state).symptoms.updates.ended
    ended.update({key: structs.replace(symptom, active=True) for key, symptom in ended.items()})


def _keep_a_long_text(state):
    (entry,) = state.anomalies
    long = structs.replace(entry.anomaly, detail="x" * 10_000)
    state.anomalies[0] = structs.replace(entry, anomaly=long)


FAULTS = {
    "each record is folded": lambda state: setattr(state, "events_folded", 3),
    "gaps is the number": lambda state: setattr(state, "gaps", 1),
    "only folded events are unknown": lambda state: setattr(state, "rejected", 99),
    "counters can be encoded": lambda state: setattr(state, "dropped", 2**64),
    "the last event is one of": lambda state: setattr(state, "last_event_ns", 5),
    "lag and time": lambda state: setattr(state, "lag_ns", None),
    "lag is not negative": lambda state: setattr(state, "lag_ns", -1),
    "has started": lambda state: setattr(state, "started_ns", None),
    "anomalies are counted": lambda state: state.anomaly_counts.clear(),
    "log lines are counted": lambda state: state.log.clear(),
    "instabilities are counted": lambda state: state.instabilities.clear(),
    "the number of names is limited": lambda state: state.log_counts.update({str(n): 1 for n in range(99)}),
    "names are limited": lambda state: state.log_counts.update({"x" * 101: 1}),
    "ratio explosions are kept by head": lambda state: state.ratio_explosions.update(
        slot=state.ratio_explosions["op"]
    ),
    "texts and tables of events are limited": _keep_a_long_text,
    "log of the run is limited": lambda state: setattr(state, "log", deque(state.log)),
    "kept by its name": lambda state: setattr(producer(state), "producer", "host:1"),
    "the newest epoch": lambda state: setattr(producer(state), "epoch", 8),
    "updates and episodes come from events": lambda state: setattr(producer(state), "updates", 99),
    "entries are a producer's own": lambda state: setattr(
        producer(state), "escalation", structs.replace(producer(state).escalation, producer="host:1")
    ),
    "the last updates are counted": lambda state: setattr(producer(state), "updates", 1),
    "the newest update": lambda state: setattr(producer(state), "last_update", 4),
    "episodes are counted": lambda state: setattr(producer(state), "episodes_completed", 0),
    "the newest return is that": lambda state: producer(state).returns.append((7, 1.0)),
    "every head has a latch": lambda state: producer(state).inf_latch.pop("op"),
    "were not finite are latched": _forget_the_latch,
    "collapse risk": lambda state: setattr(producer(state), "collapse_risk", 1.5),
    "gradient drift": lambda state: setattr(producer(state), "gradient_drift", 0.5),
    "the best return": lambda state: setattr(producer(state).symptoms.returns, "level", 9.0),
    "levels are finite": lambda state: setattr(producer(state).symptoms.levels.kl, "value", math.inf),
    "only updates and rollouts": lambda state: setattr(producer(state).symptoms.updates, "observed", 99),
    "was seen lately": lambda state: setattr(producer(state).symptoms.updates, "observed", 13 + GAP),
    "as long as was seen": lambda state: setattr(open_streak(state), "updates", 0),
    "critical updates of": lambda state: setattr(open_streak(state), "critical_updates", 9),
    "has a beginning": lambda state: setattr(open_streak(state), "critical_since", None),
    "is finite if its worst": lambda state: setattr(open_streak(state), "worst", math.inf),
    "is not active": _end_a_streak_that_is_active,
}
"""A part of an invariant's message, and a change to the state that breaks it."""


@pytest.mark.parametrize("message", FAULTS)
def test_a_broken_invariant_is_named(state, message):
    """It is in the message even if the change breaks others too."""
    FAULTS[message](state)

    with pytest.raises(InvariantError, match=message):
        validate(state)


def test_the_tests_of_the_fold_validate_the_state():
    """They use the fold of `validated`; only this file imports the production fold by name."""
    tests = Path(__file__).parent.glob("test_*.py")
    unvalidated = {
        path.name for path in tests if "from esper_aggregator.fold.fold import" in path.read_text()
    }

    assert unvalidated == {Path(__file__).name}
