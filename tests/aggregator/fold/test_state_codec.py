"""A state is the same after encoding and decoding."""

from collections import deque
from dataclasses import fields

import pytest
from tests.aggregator.fold.examples import explosion, log_line, rollout, update
from tests.aggregator.fold.validated import fold, fold_all, project

from esper_aggregator.fold import state_codec
from esper_aggregator.fold.invariants import validate
from esper_aggregator.fold.run_state import KEPT_EVENTS, RunState
from esper_aggregator.fold.state_codec import decode_state, encode_state, fold_fingerprint
from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot
from esper_schemas.declarations import RunThresholds
from esper_schemas.rules.symptoms import WATCHLIST, watchlist_of


@pytest.fixture
def state(record_of):
    """A state in which no part is empty."""
    events = [
        e.RunStarted(task="t", config={"lr": 1e-3, "name": None}),
        *(update(n, kl_divergence=1.0, head_op_entropy=float("nan")) for n in range(1, 15)),
        *(rollout(n, float(n)) for n in range(1, 15)),
        e.EpisodeCompleted(environment=0, episode=1, episode_return=1.0, length=1),
        e.AnomalyDetected(update=1, anomaly="kl_spike", severity="warning"),
        explosion("op"),
        e.TelemetryEscalated(update=1, level=3, until_update=6),
        log_line("warning"),
    ]
    return fold_all(map(record_of, events))


def test_a_decoded_state_is_valid_and_encodes_to_the_same_bytes(state):
    """Its lists have their limits, and its watches have the bounds of the catalogue."""
    decoded = decode_state(encode_state(state))

    validate(decoded)
    assert encode_state(decoded) == encode_state(state)
    assert encode_snapshot(project(decoded)) == encode_snapshot(project(state))
    assert decoded.watchlist is WATCHLIST


def test_a_decoded_state_continues_like_the_original(state, record_of):
    """Both are compared after each event, until every list has been replaced."""
    decoded = decode_state(encode_state(state))
    for n in range(15, 30):
        for event in (update(n, grad_norm_pre_clip=float(n)), rollout(n, 0.5), log_line("error", str(n))):
            record = record_of(event)

            assert encode_state(fold(decoded, record)) == encode_state(fold(state, record))


def test_an_empty_state_can_be_encoded():
    """Every list is empty and limited."""
    decoded = decode_state(encode_state(RunState()))

    assert decoded == RunState()
    assert decoded.recent_events.maxlen == KEPT_EVENTS


@pytest.mark.parametrize("field", ["given", "thresholds"])
def test_a_decoded_state_has_the_thresholds_with_which_it_was_folded(field):
    """Those of the run, or those that a viewer gives in their place."""
    wider = RunThresholds("kl_divergence = { critical_above = 0.5 }", ("move",))

    decoded = decode_state(encode_state(RunState(**{field: wider})))

    assert decoded.bounds == wider
    assert decoded.watchlist is watchlist_of(wider) is not WATCHLIST


def test_every_list_of_the_state_has_a_limit():
    """A list without a limit would grow with the run."""
    lists = [getattr(RunState(), field.name) for field in fields(RunState)]

    assert all(value.maxlen for value in lists if isinstance(value, deque))


def test_the_fingerprint_depends_on_the_version_and_the_bounds(monkeypatch):
    """A state of another fold has another fingerprint."""
    before = fold_fingerprint()
    fold_fingerprint.cache_clear()
    assert fold_fingerprint() == before

    monkeypatch.setattr(state_codec, "FOLD_VERSION", -1)
    fold_fingerprint.cache_clear()
    assert fold_fingerprint() != before
    monkeypatch.undo()

    monkeypatch.setattr(state_codec, "bounded_watches", lambda quantities: [])
    fold_fingerprint.cache_clear()
    assert fold_fingerprint() != before
    monkeypatch.undo()
    fold_fingerprint.cache_clear()
