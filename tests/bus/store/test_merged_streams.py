"""Files of a run are merged to each event once; what is missing or repeated is counted.

The files are lists in memory: `read` is a parameter of the merge.
"""

from pathlib import Path

import pytest

from esper_bus.mcap.reader import ignore_damage
from esper_bus.records import StreamKey
from esper_bus.store.merged_streams import MergedStreams
from esper_bus.store.run_files import RunFiles

LOGS = [Path("log/0.mcap"), Path("log/1.mcap")]
SPOOLS = [Path("spool/a-1.mcap"), Path("spool/a-1.1.mcap")]


@pytest.fixture
def merge():
    """Makes the merge of some files, given as path to records."""

    def make(files, *, whole=True, next_seqs=None):
        logs = [path for path in LOGS if path in files]
        spools = [path for path in SPOOLS if path in files]
        run_files = RunFiles(logs, spools, whole=whole)
        return MergedStreams(run_files, ignore_damage, lambda path, _: iter(files[path]), next_seqs)

    return make


def numbers(merged):
    """The sequence numbers of all records, in their order."""
    return [record.seq for record in merged.records()]


def test_a_log_in_order_has_neither_gaps_nor_duplicates(merge, records):
    """Its files are one stream of events."""
    merged = merge({LOGS[0]: records(0, 2), LOGS[1]: records(2, 4)})

    assert numbers(merged) == [0, 1, 2, 3]
    assert (merged.gaps.total(), merged.duplicates.total()) == (0, 0)


def test_events_that_no_file_has_are_counted(merge, records, key):
    """At the beginning of a stream and within it."""
    merged = merge({LOGS[0]: [*records(2, 3), *records(5, 6)]})

    assert numbers(merged) == [2, 5]
    assert merged.gaps == {key: 4}


def test_a_single_file_may_begin_anywhere(merge, records):
    """Events before it are in other files, which nobody asked for; gaps within it count."""
    merged = merge({LOGS[0]: [*records(5, 6), *records(7, 8)]}, whole=False)

    assert numbers(merged) == [5, 7]
    assert merged.gaps.total() == 1


def test_events_that_the_log_repeats_are_counted(merge, records, key):
    """Each is returned once, where it was first."""
    merged = merge({LOGS[0]: records(0, 3), LOGS[1]: records(1, 4)})

    assert numbers(merged) == [0, 1, 2, 3]
    assert merged.duplicates == {key: 2}


def test_the_spool_fills_a_gap_of_the_log_in_its_place(merge, records):
    """And its events that the log has are no duplicates."""
    merged = merge({LOGS[0]: [*records(0, 1), *records(3, 4)], SPOOLS[0]: records(0, 5)})

    assert numbers(merged) == [0, 1, 2, 3, 4]
    assert (merged.gaps.total(), merged.duplicates.total()) == (0, 0)


def test_a_spool_whose_first_files_were_removed_has_no_gap(merge, records):
    """They were removed because a log has their events, though not the one that is read here."""
    merged = merge({SPOOLS[1]: records(7, 9)})

    assert numbers(merged) == [7, 8]
    assert merged.gaps.total() == 0


def test_events_of_several_spools_are_ordered_by_time(merge, records):
    """Each stream in its own order."""
    other = StreamKey("run", "host:1", 1)
    merged = merge({SPOOLS[0]: records(0, 3), SPOOLS[1]: records(1, 2, other)})

    assert [(record.stream.producer, record.seq) for record in merged.records()] == [
        ("host:0", 0),
        ("host:0", 1),
        ("host:1", 1),
        ("host:0", 2),
    ]


def test_reading_from_the_middle_expects_the_numbers_that_follow(merge, records, key):
    """Events before `next_seqs` are repeated, those missing behind it a gap."""
    merged = merge({LOGS[0]: [*records(3, 5), *records(6, 7)]}, next_seqs={key: 4})

    assert numbers(merged) == [4, 6]
    assert (merged.gaps, merged.duplicates) == ({key: 1}, {key: 1})


def test_files_that_have_grown_give_what_is_new(merge, records):
    """The numbers are those that followed at the first reading."""
    files = {LOGS[0]: records(0, 2)}
    merged = merge(files)

    assert numbers(merged) == [0, 1]
    files[LOGS[0]] = records(2, 3)
    assert numbers(merged) == [2]
    files[LOGS[0]], files[LOGS[1]] = [], records(3, 5)
    merged.add_files(RunFiles(LOGS, [], whole=True))
    assert numbers(merged) == [3, 4]
    assert (merged.gaps.total(), merged.duplicates.total()) == (0, 0)
