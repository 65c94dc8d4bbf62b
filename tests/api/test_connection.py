"""The arguments of `connect`, and where events are sent."""

import os
from pathlib import Path

import pytest

from esper_bus.store.run_reader import read_log
from esper_lite import InvalidArgument, LogRecorded, PPOUpdatePayload


@pytest.mark.parametrize(
    "options",
    [
        {"run": "../x"},
        {"producer": "a b"},
        {"aggregator": "carrier-pigeon"},
        *({"spool_quota": quota} for quota in (10, 0, -(2**30), 2**24 - 1, 1e9, True, "15M", "much", "")),
    ],
)
def test_invalid_arguments_are_refused_and_create_nothing(connect, runs_dir, options):
    """An invalid name, address or size raises before a directory is created."""
    with pytest.raises(InvalidArgument):
        connect(**options)

    assert not runs_dir.exists()


@pytest.mark.parametrize("quota", [2**24, "16M"])
def test_a_spool_quota_is_a_number_or_a_text(connect, until, quota):
    """Both limit the spool, and a spool at its quota is reported."""
    telemetry = connect(spool_quota=quota)
    for _ in range(40):
        telemetry.emit(LogRecorded(level="info", message=os.urandom(500_000).hex()))

    assert "has reached its quota of 16 MiB" in until(lambda: telemetry.stats.problem)
    assert sum(file.stat().st_size for file in Path(telemetry.stats.spool).parent.iterdir()) <= 2**24


def test_the_error_for_an_invalid_spool_quota_shows_it(connect):
    """The error contains the given value and examples of valid ones."""
    with pytest.raises(
        InvalidArgument, match=r"^spool_quota must be a size of at least 16 MiB, such as 500M or 4G, not '10'"
    ):
        connect(spool_quota=10)


@pytest.mark.slow
def test_a_run_is_recorded_without_an_aggregator_if_none_can_be_started(connect, events, runs_dir, caplog):
    """The reason is logged as one warning."""
    (runs_dir / "aggregator.log").mkdir(parents=True)
    with connect(aggregator=True) as telemetry:
        telemetry.emit(PPOUpdatePayload())
    (line,) = [record for record in caplog.records if record.levelname == "WARNING"]

    assert line.name == "esper.lite"
    assert "recording without an aggregator" in line.getMessage()
    assert "Is a directory" in line.getMessage()
    assert len(events()) == 3


@pytest.mark.process
def test_events_are_sent_to_a_url(connect, aggregator, endpoints, runs_dir):
    """An aggregator at this address has all events when the run is closed."""
    aggregator()
    with connect(aggregator=endpoints.ingest.removesuffix("/ingest")) as telemetry:
        telemetry.emit(PPOUpdatePayload())

    assert len(list(read_log(runs_dir / "cartpole"))) == 3


def test_keys_are_used_for_tcp_only(connect, tmp_path):
    """`keys` is ignored for an ipc address; for tcp, a directory is refused."""
    (tmp_path / "keys").mkdir()
    connect("r", aggregator="ipc:///tmp/nobody", keys=tmp_path / "keys").close(timeout=0)
    with pytest.raises(InvalidArgument, match="is a directory; name the key file of one client"):
        connect("s", aggregator="tcp://127.0.0.1:5556", keys=tmp_path / "keys")
