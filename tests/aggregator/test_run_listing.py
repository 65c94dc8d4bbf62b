"""The runs of a directory are listed by the time of their logs, even if some are deleted meanwhile."""

import os
from pathlib import Path

from esper_aggregator.recording import Recording
from esper_aggregator.run_listing import newest_first, newest_run, run_names


def test_the_newest_run_is_the_one_written_last(tmp_path, raw_record):
    """It depends on the time of the log; an empty directory has none."""
    assert newest_run(tmp_path) is None
    for hour, run in enumerate(["b", "a"]):
        recording = Recording(tmp_path / run, 1)
        recording.extend([raw_record(0, run=run)])
        recording.close()
        for path in (tmp_path / run).rglob("*.mcap"):
            os.utime(path, (3_600 * hour, 3_600 * hour))

    assert newest_run(tmp_path).name == "a"


def test_runs_that_are_deleted_meanwhile_are_skipped(tmp_path, monkeypatch):
    """Neither a log nor a whole run that was deleted after the listing raises."""
    for hour, name in enumerate(["old", "new"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (3_600 * hour, 3_600 * hour))
    listed = [tmp_path / name for name in ("old", "gone", "new")]

    assert [path.name for path in newest_first(listed)] == ["new", "old"]

    glob = Path.glob

    def stale(self, pattern):
        """The directories at the time of the listing; a deleted one can no longer be opened."""
        if self == tmp_path / "gone" / "log":
            raise FileNotFoundError(2, "No such file or directory")
        return iter([tmp_path / "gone" / "log"]) if self == tmp_path else glob(self, pattern)

    monkeypatch.setattr(Path, "glob", stale)

    assert newest_run(tmp_path) is None


def test_runs_are_listed_newest_first(tmp_path):
    """Their number is limited; a directory without a log, or with an invalid name, is not a run."""
    for hour, name in enumerate(["a", "b", "c", ".hidden"]):
        (tmp_path / name / "log").mkdir(parents=True)
        os.utime(tmp_path / name / "log", (3_600 * hour, 3_600 * hour))
    (tmp_path / "no-log").mkdir()

    assert run_names(tmp_path, 2) == ["c", "b"]
    assert run_names(tmp_path, 9) == ["c", "b", "a"]
    assert run_names(tmp_path / "missing", 9) == []
