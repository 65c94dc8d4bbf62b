"""`esper ship` sends a run to an aggregator; what it sends is tested with the bus."""

import pytest

from esper_schemas.events import LogRecorded


def test_a_path_that_is_not_a_run_directory_is_refused(run_esper, tmp_path):
    """The path is checked before the aggregator is contacted."""
    code, out, err = run_esper("ship", tmp_path / "none", "--aggregator", "tcp://127.0.0.1:1")

    assert (code, out) == (1, "")
    assert err == f"esper ship: {tmp_path / 'none'} is not a run directory; choose another path\n"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        ([], 2, "the following arguments are required: --aggregator"),
        (["--aggregator", "http://x"], 1, "'http://x' is not an address"),
        (["--aggregator", "tcp://198.51.100.7:5556"], 1, "198.51.100.7"),
        (["--aggregator", "tcp://127.0.0.1:1", "--keys", "no/such.key"], 1, "no/such.key"),
    ],
)
def test_an_aggregator_that_cannot_be_reached_is_one_sentence(run_esper, recorded, words, code, text):
    """The address is missing or malformed, or the key or its file is missing."""
    result = run_esper("ship", recorded(LogRecorded(level="info", message="m")), *words)

    assert (result.code, result.out) == (code, "")
    assert text in result.err
    assert result.err.count("\n") == 1
