"""The size of what the state keeps of an event is limited."""

import msgspec
import pytest
from tests.aggregator.fold.examples import explosion
from tests.aggregator.fold.validated import fold_all, project

from esper_aggregator.fold.run_state import KEPT_LOG_ENTRIES
from esper_aggregator.fold.size_limits import (
    MAX_ITEMS,
    MAX_TEXT_LENGTH,
    bounded_count,
    bounded_event,
    bounded_text,
)
from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot


def test_texts_and_tables_are_cut(record_of):
    """Megabytes in each field make a snapshot of less than 300 kB."""
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


def test_a_text_within_the_limit_is_not_changed():
    """A longer one ends in an ellipsis that counts as one of its characters."""
    assert bounded_text("abc", 3) == "abc"
    assert bounded_text("abcd", 3) == "ab…"


@pytest.mark.parametrize(("count", "bounded"), [(7, 7), (2**64, 2**64 - 1), (-(2**63) - 1, -(2**63))])
def test_a_count_is_limited_to_what_can_be_encoded(count, bounded):
    """A count that cannot be encoded is replaced by the nearest one that can."""
    assert bounded_count(count) == bounded
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(bounded)) == bounded


def test_an_event_within_the_limits_is_not_copied():
    """Its lists and texts have the maximum length."""
    event = explosion("x" * MAX_TEXT_LENGTH, ratios=(1.0,) * MAX_ITEMS)

    assert bounded_event(event) is event


def test_texts_inside_of_tables_are_cut():
    """Names are cut to 100 characters and values to 500; numbers are unchanged."""
    event = e.RunStarted(task="t", config={"n" * 200: "v" * 1000, "seed": 3})

    config = bounded_event(event).config

    assert {(len(name), len(str(value))) for name, value in config.items()} == {(100, 500), (4, 1)}
