"""`esper ship` sends a run to an aggregator; what it sends is tested with the bus."""

import pytest

from esper_schemas.events import LogRecorded


def test_a_path_that_is_not_a_run_directory_is_refused(esper_says, tmp_path):
    """Before anything is sent."""
    code, out, err = esper_says("ship", tmp_path / "none", "--aggregator", "tcp://127.0.0.1:1")

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
def test_an_aggregator_that_cannot_be_reached_so_is_one_sentence(esper_says, recorded, words, code, text):
    """Without an address, with a malformed one, without a key, without its file."""
    result = esper_says("ship", recorded(LogRecorded(level="info", message="m")), *words)

    assert (result.code, result.out) == (code, "")
    assert text in result.err
    assert result.err.count("\n") == 1
