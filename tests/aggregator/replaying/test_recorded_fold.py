"""Whether a log was folded as it is now, when it was recorded, is known from its files."""

import pytest

from esper_aggregator import recording
from esper_aggregator.fold.fold import FOLD_VERSION
from esper_aggregator.recording import Recording
from esper_aggregator.replaying.recorded_fold import fold_difference


@pytest.mark.parametrize(
    ("recorded", "word"),
    [(FOLD_VERSION, ""), (FOLD_VERSION - 1, f"version {FOLD_VERSION - 1} "), (0, "unknown")],
)
def test_a_log_of_another_fold_is_noticed(tmp_path, raw_record, monkeypatch, recorded, word):
    """Those of versions that did not note their fold included."""
    monkeypatch.setattr(recording, "FOLD_VERSION", recorded)
    log = Recording(tmp_path / "r", 1)
    log.extend([raw_record(0)])
    log.close()

    sentence = fold_difference(tmp_path / "r")
    assert word in sentence
    assert bool(sentence) == (recorded != FOLD_VERSION)
