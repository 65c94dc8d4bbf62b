"""Checkpoints of the fold: with any content, a restart ends with the fold of the whole log."""

import pytest
from tests.aggregator.fold.validated import fold_all

from esper_aggregator.fold.state_codec import encode_state
from esper_aggregator.fold_checkpoints import restore
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_path
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
    state, not_folded = restore(run_dir)
    return encode_state(fold_all((record.decoded() for record in not_folded), state))


@pytest.mark.slow
def test_a_restart_from_a_changed_checkpoint_is_the_fold_of_the_log(tmp_path, mutations):
    """Checkpoints have changed bytes, and names that are not a position or that of another one."""
    run_dir = tmp_path / "r"
    for start in range(2):
        recording = Recording(run_dir, start + 1)
        recording.extend(list(episodes(20 * start, 20 * start + 20)))
        recording.flush()
        recording.close()
    whole = encode_state(fold_path(run_dir))
    *_, newest = sorted((run_dir / "log").glob("*.fold"))
    good = newest.read_bytes()
    names = ["000000000010", "999999999999", "0", "-1", "1e9", "\u0664\u0660", "\u00b2"]
    for number, changed in enumerate(mutations([good], 600)):
        newest.write_bytes(changed)
        other = newest.with_name(f"{names[number % len(names)]}.fold")
        other.write_bytes(good if number % 2 else changed)

        assert restored(run_dir) == whole
        other.unlink()
