"""Checkpoints of the fold: with any content, a restart ends with the fold of the whole log."""

import pytest

from esper_aggregator.fold.state_codec import encode_state
from esper_aggregator.fold_checkpoints import restore
from esper_aggregator.past.checkpoint_file import checkpoint_path
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_at, fold_path
from esper_bus.records import RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.events import EpisodeCompleted


def episodes(first, end):
    """Small events of one stream."""
    for seq in range(first, end):
        event = EpisodeCompleted(environment=0, episode=seq, episode_return=seq / 3, length=9)
        yield RawRecord(StreamKey("r", "host:0", 7), seq, 10**18 + seq, 10**18 + seq, encode_event(event))


def restored(run_dir):
    """The state that a restart ends with."""
    fold, chunks, _, _ = restore(run_dir)
    for records in chunks:
        fold.extend(records)
    return encode_state(fold.state)


@pytest.mark.slow
def test_a_restart_from_a_changed_checkpoint_is_the_fold_of_the_log(tmp_path, mutations):
    """Bytes are changed in heads and states; what a viewer shows is the same fold, too."""
    run_dir = tmp_path / "r"
    for start in range(2):
        recording = Recording(run_dir, start + 1)
        recording.extend(list(episodes(20 * start, 20 * start + 20)))
        recording.flush()
        recording.close()
    whole = encode_state(fold_path(run_dir))
    path = checkpoint_path(run_dir)
    for changed in mutations([path.read_bytes()], 600):
        path.write_bytes(changed)

        assert restored(run_dir) == whole
        assert encode_state(fold_at(run_dir, None)) == whole
