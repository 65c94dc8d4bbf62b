"""`esper replay` refuses what it cannot replay, and where it cannot listen."""

import pytest

from esper_schemas.events import LogRecorded

EVENT = LogRecorded(level="info", message="m")


@pytest.mark.parametrize(
    ("words", "code", "expected"),
    [
        (["--speed", "0"], 2, "--speed: must be greater than 0"),
        (["--speed", "nan"], 2, "--speed: must be a finite number"),
        (["--speed", "1e9"], 2, "--speed: must be at most"),
        (["--listen", "http://x"], 1, "is not an address"),
        (["--listen", "tcp://0.0.0.0:5556"], 1, "is not on this machine"),
        (["--listen", "tcp://127.0.0.1:5556", "--server-keys", "absent"], 1, "absent"),
    ],
)
def test_what_cannot_be_used_is_named(run_esper, recorded, words, code, expected):
    """In one sentence."""
    result = run_esper("replay", str(recorded(EVENT)), *words)

    assert result[0] == code
    assert expected in result[2]
    assert result[2].count("\n") == 1


def test_a_path_without_a_run_is_refused(run_esper, tmp_path):
    """The sentence names it."""
    code, _, stderr = run_esper("replay", str(tmp_path / "nothing-here"))

    assert code == 1
    assert "nothing-here" in stderr
    assert stderr.count("\n") == 1
