"""A failed training is reported in one sentence, with a file that has the traceback."""

import pytest

from esper_trainer.ranks.lost_ranks import RankLostError
from esper_trainer.run.training_failure import TRACEBACK, error_summary, record_failure


def failure():
    """An error with a traceback and a message of several lines."""
    try:
        raise ValueError("bad shape\nexpected [8, N]")
    except ValueError as error:
        return error


def test_the_traceback_is_written_to_the_run(tmp_path):
    """The message has the type and first line of the error, and what to do."""
    message = str(record_failure(tmp_path, failure()))

    traceback = (tmp_path / TRACEBACK).read_text()
    assert "in failure" in traceback
    assert "expected [8, N]" in traceback
    where = tmp_path / TRACEBACK
    assert (
        message == f"Training failed (ValueError: bad shape); the traceback is in {where}; start a new run."
    )


def test_a_traceback_that_cannot_be_written_is_mentioned(tmp_path):
    """The message still has the error."""
    message = str(record_failure(tmp_path / "removed", failure()))

    assert "(ValueError: bad shape); the traceback could not be written" in message


@pytest.mark.parametrize(
    ("error", "summary"),
    [
        (ValueError("bad shape\nexpected [8, N]"), "ValueError: bad shape"),
        (MemoryError(), "MemoryError"),
        (RankLostError("Rank 1 of 2 is gone.", reporter=True), "Rank 1 of 2 is gone."),
    ],
)
def test_an_error_is_summed_up_in_one_line(error, summary):
    """The message of a lost rank is used unchanged."""
    assert error_summary(error) == summary
