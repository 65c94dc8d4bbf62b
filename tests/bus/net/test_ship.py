"""Tests of sending a recorded run to an aggregator: real files, sockets and processes."""

import os
import shutil
import signal

import pytest

from esper_bus.addresses import for_runs_dir
from esper_bus.net.ship import _Recorded, ship
from esper_bus.paths import RunPaths
from esper_bus.store.run_reader import read_raw
from esper_bus.store.spool import SpoolWriter
from esper_schemas.errors import InvalidArgument, Refused, Unreachable


@pytest.fixture
def here(tmp_path, key):
    """The directory of a run on the machine where it was trained."""
    return tmp_path / "here" / key.run


@pytest.fixture
def spool(here, key, batch):
    """Writes the spool of a trainer that ended before an aggregator had its events."""

    def write(*parts, key=key, alive=False):
        writer = SpoolWriter(RunPaths(here), key)
        for first, end in parts:
            writer.write(batch(first, end))
        if not alive:
            writer.close()
        return writer

    return write


@pytest.fixture
def ingest(aggregator, runs_dir):
    """Where an aggregator of another runs directory listens."""
    aggregator()
    return for_runs_dir(runs_dir).ingest


@pytest.mark.process
def test_everything_arrives_once_and_in_order(spool, here, runs_dir, key, ingest):
    """The events of all trainers of a run are in the log once, also if the run is shipped again."""
    other = key._replace(producer="trainer:1")
    spool((0, 700), (700, 2500))
    spool((0, 3), key=other)
    first, again = list(ship(here, ingest)), list(ship(here, ingest))
    arrived = [(record.stream, record.seq, record.data) for record in read_raw(runs_dir / key.run)]

    assert sorted(first) == [(key, 2500), (other, 3)]
    assert again == first
    assert sorted(arrived) == sorted((r.stream, r.seq, r.data) for r in read_raw(here))
    assert len(arrived) == 2503


@pytest.mark.process
def test_what_the_aggregator_has_is_not_sent_again(spool, here, runs_dir, key, ingest):
    """A run that has more events than before is continued where the log ends."""
    spool((0, 100))
    list(ship(here, ingest))
    shutil.rmtree(here)
    spool((0, 150))
    list(ship(here, ingest))

    assert [record.seq for record in read_raw(runs_dir / key.run)] == list(range(150))


@pytest.mark.process
def test_a_hole_is_skipped(spool, here, runs_dir, key, ingest):
    """Events that no longer exist do not hold up those behind them."""
    spool((0, 5), (9, 12))

    assert list(ship(here, ingest)) == [(key, 8)]
    assert [record.seq for record in read_raw(runs_dir / key.run)] == [0, 1, 2, 3, 4, 9, 10, 11]


@pytest.mark.process
def test_the_run_of_a_living_trainer_is_refused(spool, here, ingest):
    """Its run is refused while it may still be writing."""
    writer = spool((0, 5), alive=True)
    with pytest.raises(Refused, match=r"may still be writing .*stop it"):
        list(ship(here, ingest))
    writer.close()


def test_no_aggregator_and_nothing_to_send_are_errors(spool, here, runs_dir):
    """Each error says what to do."""
    spool((0, 5))
    with pytest.raises(Unreachable, match=r"has accepted nothing for 0\.3 s; check that it is running"):
        list(ship(here, for_runs_dir(runs_dir).ingest, patience_s=0.3))
    shutil.rmtree(here)
    spool()
    with pytest.raises(InvalidArgument, match="contains no events; name a run directory"):
        list(ship(here, for_runs_dir(runs_dir).ingest))


def test_events_can_be_fetched_again(spool, here, key):
    """`fetch` starts at any number, keeps its limits, and ends a batch at a hole."""
    spool((0, 300), (400, 410))
    store = _Recorded(here, key, 410)

    def numbers(*asked):
        batch = store.fetch(*asked)
        return list(range(batch.first, batch.end))

    assert numbers(0, 10, 10**6) == list(range(10))
    assert numbers(10, 2, 10**6) == [10, 11]
    assert numbers(5, 3, 10**6) == [5, 6, 7]
    assert numbers(298, 50, 10**6) == [298, 299]
    assert numbers(300, 50, 10**6) == list(range(400, 410))
    assert numbers(410, 50, 10**6) == []
    assert numbers(0, 50, 1) == [0]


@pytest.mark.process
def test_a_killed_aggregator_is_waited_for(spool, here, runs_dir, key, aggregator):
    """An aggregator that starts after another was killed receives the run."""
    spool(*((first, first + 500) for first in range(0, 5000, 500)))
    shipping = ship(here, for_runs_dir(runs_dir).ingest)
    first = aggregator()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    aggregator()

    assert list(shipping) == [(key, 5000)]
    assert [record.seq for record in read_raw(runs_dir / key.run)] == list(range(5000))
