"""The fold accepts every event with any value in any field, and can be interrupted anywhere in a log."""

import copy
import gc
import math
import tracemalloc

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold import fold as production
from esper_schemas import events as e
from esper_schemas.codec import decode_event, decode_snapshot, encode_snapshot, to_json
from esper_schemas.heads import HEADS
from esper_schemas.judgement import Health, head_condition, judge_field
from esper_schemas.metrics.catalogue import CATALOGUE, QUANTITIES
from esper_schemas.payload import PPOUpdatePayload

HOSTILE = (
    math.nan,
    math.inf,
    -math.inf,
    None,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    5e-324,
    -0.0,
    2**64 - 1,
    -(2**63),
    -1,
    True,
    "",
    "\N{GRINNING FACE}" * 100,
    b"\xff",
    [],
    [math.nan] * 3,
    {},
    {"op": math.inf},
    {"nobody": -1},
)
"""Values of a field that no correct trainer sends."""

EXAMPLES = {
    e.RunStarted: {"task": "digits", "rank": 0, "world_size": 2},
    e.PPOUpdateCompleted: {"update": 1, "payload": {"policy_loss": 0.1, "entropy_normalized": 0.5}},
    e.RolloutCompleted: {
        "update": 1,
        "env_steps": 64,
        "env_steps_total": 64,
        "steps_per_second": 1.0,
        "duration_ms": 1.0,
        "mean_return": 1.0,
    },
    e.EpisodeCompleted: {"environment": 0, "episode": 1, "episode_return": 1.0, "length": 64},
    e.DecisionMade: {
        "update": 1,
        "environment": 0,
        "step": 0,
        "choices": {"op": 1},
        "confidences": {"op": 0.5},
    },
    e.SeedStageChanged: {
        "update": 1,
        "environment": 0,
        "step": 0,
        "slot": 0,
        "from_stage": 0,
        "to_stage": 1,
    },
    e.AnomalyDetected: {"update": 1, "anomaly": "kl_spike", "severity": "warning"},
    e.TelemetryEscalated: {"update": 1, "level": 3, "until_update": 6},
    e.RatioExplosionDiagnosed: {
        "update": 1,
        "head": "op",
        "ratios": [9.0],
        "steps": [0],
        "environments": [0],
        "actions": [1],
    },
    e.NumericalInstabilityReported: {"update": 1, "nan_count": 1, "inf_count": 0},
    e.LayerGradientsSampled: {"update": 1, "grad_norms": {"lstm": 0.5}},
    e.HeadGradientsCompared: {
        "update": 1,
        "heads": ["op", "value"],
        "norms": [0.5, 2.0],
        "cosines": [-0.25],
    },
    e.VitalsSampled: {},
    e.CheckpointSaved: {"update": 1, "path": "checkpoint.pt"},
    e.LogRecorded: {"level": "info", "message": "hello"},
    e.EventsDropped: {"count": 3, "first_ns": 0, "last_ns": 1},
    e.RunFinished: {"outcome": "completed", "updates": 1},
    e.ScalarsLogged: {"values": {"train/approx_kl": 0.01, "kl_ref": 2.0}, "step": 64},
    e.MetricDefined: {"metric": {"name": "kl_ref", "warning_above": 1.0}},
    e.Annotated: {"text": "the rate was halved", "who": "ada", "update": 1},
}
"""A plain event of each kind, as it is on the wire."""

CASES = [(kind, name) for kind in e.EVENT_TYPES for name in kind.__struct_fields__]


def wire(kind, fields):
    """The bytes of an event with these fields."""
    return msgspec.msgpack.encode({"type": kind.__name__, **fields})


def use(snapshot):
    """Use a snapshot as viewers and scripts do."""
    raw = encode_snapshot(snapshot)
    assert encode_snapshot(decode_snapshot(raw)) == raw
    assert to_json(snapshot)
    assert all(isinstance(judge_field(snapshot.tamiyo, name), Health) for name in QUANTITIES)
    assert all(head_condition(snapshot.tamiyo, head) for head in HEADS)
    return raw


def test_there_is_an_example_of_every_kind():
    """The cases below include all events."""
    assert set(EXAMPLES) == set(e.EVENT_TYPES)
    assert all(type(decode_event(wire(kind, fields))) is kind for kind, fields in EXAMPLES.items())


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda case: getattr(case, "__name__", case))
def test_an_event_with_any_value_in_a_field_is_folded_or_rejected(record_of, kind, name):
    """Every hostile value of a field is folded twice, between two healthy updates."""
    healthy = decode_event(wire(e.PPOUpdateCompleted, EXAMPLES[e.PPOUpdateCompleted]))
    hostile = [decode_event(wire(kind, {**EXAMPLES[kind], name: value})) for value in HOSTILE]
    events = [healthy, *hostile, *hostile, healthy]
    state = fold_all(map(record_of, events))
    rejected = sum(isinstance(event, e.Undecodable) for event in events)

    assert state.events_folded == len(events)
    assert state.rejected == rejected
    assert state.producers["host:0"].ppo_updates[-1] == healthy
    assert use(project(state))


@pytest.mark.slow
@pytest.mark.parametrize("name", CATALOGUE)
def test_an_update_with_any_number_in_a_metric_is_folded_or_rejected(record_of, name):
    """Every hostile value of a metric comes from two ranks, whose measurements are merged."""
    events = [
        decode_event(wire(e.PPOUpdateCompleted, {"update": n, "payload": {name: value}}))
        for n, value in enumerate(HOSTILE)
    ]
    starts = {f"host:{rank}": e.RunStarted(task="t", rank=rank, world_size=2) for rank in range(2)}
    state = fold_all(
        record_of(event, producer=producer) for producer in starts for event in [starts[producer], *events]
    )
    rejected = sum(isinstance(event, e.Undecodable) for event in events)

    assert state.rejected == 2 * rejected
    assert state.producers["host:1"].updates == len(events) - rejected
    assert use(project(state))


def test_counts_stop_at_what_a_snapshot_can_hold(record_of):
    """The sum of two counts of 2⁶⁴ - 1 is limited to what msgpack can encode; a negative count is 0."""
    counts = (2**64 - 1, 2**64 - 1, -(2**63), 5)
    drops = [e.EventsDropped(count=count, first_ns=0, last_ns=1) for count in counts]
    records = [record_of(drop) for drop in drops]
    records += [record_of(drops[0], seq=2**64 - 2), record_of(drops[0], seq=2**64 - 2, epoch=8)]
    most = project(fold_all(records))
    least = project(fold_all([record_of(drops[2], producer="b"), record_of(drops[3], producer="b")]))

    assert use(most)
    assert (most.link.dropped, most.link.gaps) == (2**64 - 1, 2**64 - 1)
    assert least.link.dropped == 5


_numbers = st.none() | st.floats() | st.integers(-(2**63), 2**64 - 1)
_payloads = st.dictionaries(st.sampled_from(list(CATALOGUE)), _numbers, max_size=6)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(payloads=st.lists(_payloads, max_size=25), world_size=st.integers(1, 3))
def test_any_updates_of_any_ranks_fold_and_show(record_of, payloads, world_size):
    """Ranks take turns; the fold and the evaluation of every metric raise for no value."""
    starts = [e.RunStarted(task="t", rank=rank, world_size=world_size) for rank in range(world_size)]
    records = [record_of(start, producer=f"host:{rank}") for rank, start in enumerate(starts)]
    for n, payload in enumerate(payloads):
        event = decode_event(wire(e.PPOUpdateCompleted, {"update": n // world_size, "payload": payload}))
        records.append(record_of(event, producer=f"host:{n % world_size}"))

    assert use(project(fold_all(records)))


@pytest.fixture(scope="module")
def long_run():
    """600 records of two ranks with holes, repetitions, restarts and values of every kind."""
    records = []
    for n in range(600):
        rank, turn = n % 2, n // 2
        records.append(
            e.Record(
                run="r",
                producer=f"host:{rank}",
                epoch=1 + (turn > 200),
                seq=max(0, (turn if turn <= 200 else turn - 201) - (2 if n % 97 == 0 else 0)),
                emitted_ns=1_000 * n,
                received_ns=1_000 * n + 250,
                event=_event_of_long_run(n, rank, turn),
            )
        )
    return records


def _event_of_long_run(n, rank, turn):
    if turn in (0, 201):
        return e.RunStarted(task="t", rank=rank, world_size=2)
    if n % 11 == 0:
        return decode_event(b"\xc1")
    if n % 5 == 0:
        kinds = list(EXAMPLES)
        kind = kinds[n // 5 % len(kinds)]
        return decode_event(
            wire(kind, {**EXAMPLES[kind], **({"rank": rank} if kind is e.RunStarted else {})})
        )
    entropy = math.nan if n % 41 == 0 else 0.1 + 0.8 * abs(math.sin(n / 60))
    return e.PPOUpdateCompleted(
        update=turn,
        payload=PPOUpdatePayload(
            policy_loss=math.cos(n), entropy_normalized=entropy, clip_fraction=abs(math.sin(n / 7)) / 2
        ),
    )


@pytest.mark.slow
def test_the_state_stops_growing(record_of):
    """After 125 events of each kind the state takes less than 2 MiB, and 250 more of each add nothing.

    Not validated, as a validation allocates memory of its own.
    """
    events = [decode_event(wire(kind, fields)) for kind, fields in EXAMPLES.items()]
    tracemalloc.start()
    try:
        state = production.fold_all(record_of(event) for event in events * 125)
        gc.collect()  # also frees the interpreter's free lists of tuples
        early = tracemalloc.get_traced_memory()[0]
        production.fold_all((record_of(event) for event in events * 250), state)
        gc.collect()
        late = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()

    assert late < 2 * 2**20
    assert late - early < 4_096


@settings(
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_any_hostile_stream_folds_the_same_with_any_interruption(record_of, data):
    """Events of every kind with hostile fields, from processes that restart, repeat and send late."""
    case = st.tuples(st.sampled_from(CASES), st.sampled_from(HOSTILE), st.integers(1, 3), st.integers(0, 9))
    records = [
        record_of(
            decode_event(wire(kind, {**EXAMPLES[kind], name: value})),
            producer=f"host:{seq % 2}",
            epoch=epoch,
            seq=seq,
        )
        for (kind, name), value, epoch, seq in data.draw(st.lists(case, max_size=30))
    ]
    cut = data.draw(st.integers(0, len(records)))
    first = fold_all(records[:cut])
    project(first)

    assert use(project(fold_all(records[cut:], first))) == use(project(fold_all(records)))


@pytest.mark.slow
@pytest.mark.parametrize("size", [3, 7, 256])
def test_a_replay_in_chunks_gives_equal_bytes(long_run, size):
    """fold(a + b) equals fold(fold(a), b), with a copy and a projection of the state at every cut."""
    state = None
    for start in range(0, len(long_run), size):
        state = copy.deepcopy(fold_all(long_run[start : start + size], state))
        project(state)

    assert encode_snapshot(project(state)) == encode_snapshot(project(fold_all(long_run)))


def test_live_and_replay_agree_at_every_position(long_run):
    """The live snapshot after n records equals the fold of the first n records of the log."""
    live = fold_all([])
    for n, record in enumerate(long_run[:60], start=1):
        fold(live, record)

        assert encode_snapshot(project(live)) == encode_snapshot(project(fold_all(long_run[:n])))
