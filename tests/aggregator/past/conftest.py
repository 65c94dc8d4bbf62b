"""Fixtures that write the log of a run, and read values of an answer."""

from collections import Counter

import numpy as np
import pytest

from esper_aggregator.past.steps import finish
from esper_aggregator.recording import Recording
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.history import SeriesQuestion


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """The directory of the cache, which is not that of the user."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def raw_of():
    """Makes a function that encodes an event with the next sequence number of its process."""
    next_seq = Counter()

    def make(event, *, producer="trainer:0", epoch=1, at_ns=0):
        stream = StreamKey("r", producer, epoch)
        next_seq[stream] += 1
        return RawRecord(stream, next_seq[stream] - 1, at_ns, at_ns, encode_event(event))

    return make


@pytest.fixture
def write_log(tmp_path):
    """Makes a function that records events as the log of a run, and returns its directory."""
    epochs = iter(range(1, 1000))

    def write(records):
        recording = Recording(tmp_path / "r", next(epochs))
        recording.extend(records)
        recording.close()
        return tmp_path / "r"

    return write


@pytest.fixture
def read_columns():
    """Makes a function that asks for metrics, and returns x and each statistic of each metric as lists."""

    def read(series, *metrics, **asked):
        asked = {"points": 10_000} | asked
        answer = finish(series.answer(SeriesQuestion(metrics=metrics, **asked)))
        columns = {column.metric: statistics(column) for column in answer.columns}
        return np.frombuffer(answer.x).tolist(), columns

    def statistics(column):
        floats = {
            name: np.frombuffer(getattr(column, name)) for name in ("minimum", "mean", "maximum", "last")
        }
        counts = {name: np.frombuffer(getattr(column, name), "<u4") for name in ("measured", "not_finite")}
        return {name: values.tolist() for name, values in (floats | counts).items()}

    return read
