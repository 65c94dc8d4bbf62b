"""The log of Esper's own processes: key-value or JSON lines with every field."""

import io
import json
import logging

import pytest

from esper_bus.host.process_logging import configure_logging, reset_logging
from esper_bus.rate_limited_log import LogMessage, RateLimitedLog


@pytest.fixture
def log():
    """Configures logging; returns a function that returns the lines written so far."""
    stream = io.StringIO()

    def configure(**options):
        configure_logging(stream=stream, **options)
        return lambda: stream.getvalue().splitlines()

    yield configure
    reset_logging()


def test_json_lines_carry_the_fields(log):
    """One object per line, with level and time; what JSON cannot express is printed as text."""
    lines = log(json=True)
    RateLimitedLog("esper.bus.test", run="r").warn("disk full", kinds={"a": 1}, where=object)
    (line,) = map(json.loads, lines())

    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "disk full",
        "level": "warning",
        "run": "r",
        "kinds": {"a": 1},
        "where": "<class 'object'>",
    }


def test_text_lines_carry_the_fields(log):
    """They are printed as `key=value`, without colours since there is no terminal."""
    lines = log()
    logging.getLogger("esper.test").info(LogMessage("aggregator ready", ingest="ipc:///x"))
    (line,) = lines()

    assert "[info     ] aggregator ready" in line
    assert line.endswith("ingest=ipc:///x")


def test_other_libraries_are_logged_from_level_warning(log):
    """The format is the same; messages of lower levels are left out."""
    lines = log(json=True)
    logging.getLogger("elsewhere").info("a detail")
    logging.getLogger("elsewhere").warning("a %s", "problem")
    logging.getLogger("esper.test").debug("a detail")

    assert [json.loads(line)["event"] for line in lines()] == ["a problem"]


def test_an_exception_is_part_of_its_line(log):
    """The traceback is a field, so that every line of a JSON log is JSON."""
    lines = log(json=True)
    try:
        raise OSError("gone")
    except OSError:
        logging.getLogger("esper.test").exception("cannot write")
    (line,) = map(json.loads, lines())

    assert line["event"] == "cannot write"
    assert line["exception"].endswith("OSError: gone")


def test_configuring_again_replaces_the_stream(log):
    """No line is written twice, and none to the old stream."""
    first, second = log(), io.StringIO()
    configure_logging(stream=second)
    logging.getLogger("esper.test").warning("once")

    assert first() == []
    assert second.getvalue().count("once") == 1
