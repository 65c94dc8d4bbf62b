"""A recorded run is folded to a state and a snapshot, from its beginning or from a checkpoint."""

import pytest

from esper_aggregator.fold.invariants import validate
from esper_aggregator.fold.projection import project
from esper_aggregator.recording import Recording
from esper_aggregator.replay import fold_at, fold_path, snapshot_of
from esper_schemas.declarations import RunThresholds
from esper_schemas.errors import EsperError


@pytest.fixture
def run_dir(tmp_path, raw_record, checkpoint_every):
    """A recorded run of thirty updates, with a checkpoint after each ten."""
    checkpoint_every(10)
    recording = Recording(tmp_path / "r", 1)
    for seq in range(30):
        recording.extend([raw_record(seq)])
        recording.flush()
    recording.close()
    return tmp_path / "r"


def log_of(run_dir):
    """The only log file of a run."""
    (path,) = (run_dir / "log").glob("*.mcap")
    return path


@pytest.mark.parametrize(("events", "folded"), [(None, 30), (7, 7), (0, 0), (99, 30)])
def test_the_first_events_of_a_run_are_folded(run_dir, events, folded):
    """All are folded unless a number is given; the state is valid and contains the name of its run."""
    state = fold_path(run_dir, events=events)

    validate(state)
    assert (state.run, state.events_folded) == ("r", folded)


def test_a_log_file_folds_to_the_same_as_its_run(run_dir):
    """A single file can be folded without its run."""
    assert project(fold_path(log_of(run_dir))) == project(fold_path(run_dir)) == snapshot_of(run_dir)


@pytest.mark.parametrize("events", [0, 1, 9, 10, 11, 29, 30, 50])
def test_a_fold_from_a_checkpoint_is_the_fold_from_the_beginning(run_dir, events):
    """It is so between checkpoints and on them, and for a log file, which has none."""
    expected = project(fold_path(run_dir, events=events))

    assert project(fold_at(run_dir, events)) == expected
    assert project(fold_at(log_of(run_dir), events)) == expected
    assert snapshot_of(run_dir, events=events) == expected


def test_a_run_is_evaluated_with_the_bounds_of_a_project(tmp_path, raw_record):
    """A KL divergence of 0.2 is a symptom with the catalogue's bounds, and none with wider ones."""
    recording = Recording(tmp_path / "r", 1)
    recording.extend([raw_record(0, kl_divergence=0.2)])
    recording.close()
    wider = RunThresholds("[kl_divergence]\nwarning_above = 0.5\ncritical_above = 1.0\n")

    assert [symptom.name for symptom in snapshot_of(tmp_path / "r").symptoms] == ["large_kl"]
    assert snapshot_of(tmp_path / "r", given=wider).symptoms == ()


def test_damage_is_reported_and_the_rest_is_folded(run_dir):
    """A log with a flipped bit is folded as far as it can be read."""
    path = log_of(run_dir)
    data = bytearray(path.read_bytes())
    data[len(data) // 7] ^= 1  # most of a file this short is its schemas and its index
    path.write_bytes(data)
    damages = []

    state = fold_path(run_dir, on_damage=damages.append)

    assert damages
    assert 0 <= state.events_folded < 30


@pytest.mark.parametrize("fold", [fold_path, lambda path: fold_at(path, 3)])
def test_a_path_without_a_log_is_an_error(tmp_path, fold):
    """The error names the path."""
    with pytest.raises(EsperError, match="nothing-here"):
        fold(tmp_path / "nothing-here")
