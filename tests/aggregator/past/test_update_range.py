"""A range of updates is a range of positions in the log, with all events of these updates."""

import pytest

from esper_aggregator.past.update_range import range_of_updates
from esper_aggregator.recording import Recording
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import CheckpointSaved, PPOUpdateCompleted, RolloutCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload


@pytest.fixture
def run_dir(tmp_path):
    """A start, then a rollout, an update and a checkpoint for each of five updates."""
    events = [RunStarted(task="t")]
    for update in range(1, 6):
        events += [
            RolloutCompleted(update=update),
            PPOUpdateCompleted(update=update, payload=PPOUpdatePayload()),
            CheckpointSaved(update=update, path="p"),
        ]
    recording = Recording(tmp_path / "r", 1)
    stream = StreamKey("r", "trainer:0", 5)
    recording.extend([RawRecord(stream, n, n, n, encode_event(event)) for n, event in enumerate(events)])
    recording.close()
    return tmp_path / "r"


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (0, 16, 16)),
        (1, None, (1, 16, 16)),
        (2, 3, (4, 10, 16)),
        (3, 3, (7, 10, 16)),
        (None, 4, (0, 13, 16)),
        (5, 5, (13, 16, 16)),
    ],
)
def test_a_range_has_all_events_of_its_updates(run_dir, first, last, expected):
    """From the rollout on, up to what follows the update before the next rollout."""
    assert tuple(range_of_updates(run_dir, first, last)) == expected


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [(6, None, "no update 6"), (None, 9, "no update 9"), (0, 3, "no update 0"), (4, 2, "exchange")],
)
def test_updates_that_a_run_lacks_are_refused(run_dir, first, last, text):
    """So is a range that ends before it begins."""
    with pytest.raises(InvalidArgument, match=text):
        range_of_updates(run_dir, first, last)


def test_a_run_without_updates_has_no_range(tmp_path):
    """Its events belong to no update."""
    recording = Recording(tmp_path / "r", 1)
    event = encode_event(RunStarted(task="t"))
    recording.extend([RawRecord(StreamKey("r", "trainer:0", 5), 0, 0, 0, event)])
    recording.close()

    with pytest.raises(InvalidArgument, match="no updates"):
        range_of_updates(tmp_path / "r", 1, None)
