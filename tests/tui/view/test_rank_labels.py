"""Tests of esper_tui.view.rank_labels."""

from esper_schemas.snapshot import RankState, SanctumSnapshot
from esper_tui.view.rank_labels import prefixed, rank_labels, short_label


def labels_of(**ranks):
    """The labels of producers with these ranks."""
    return rank_labels(
        SanctumSnapshot(ranks=tuple(RankState(producer=name, rank=rank) for name, rank in ranks.items()))
    )


def test_a_single_process_has_no_label():
    """Whatever is of it is of the run."""
    assert labels_of(a=0) == labels_of() == {}
    assert prefixed({}, "a", "text") == "text"
    assert short_label({}, "a") == ""


def test_processes_are_labelled_by_rank():
    """An unknown one is named."""
    labels = labels_of(a=0, b=1)

    assert prefixed(labels, "b", "text") == "rank 1: text"
    assert prefixed(labels, "c", "text") == "c: text"
    assert (short_label(labels, "b"), short_label(labels, "b", 3)) == ("rank 1", "r1")


def test_processes_of_one_rank_are_labelled_by_name():
    """Their rank does not distinguish them."""
    assert labels_of(a=0, b=0, c=1) == {"a": "a", "b": "b", "c": "rank 1"}


def test_a_short_label_fits():
    """A name is cut, and control characters are replaced."""
    labels = labels_of(a=0, b=1)

    assert short_label(labels, "a very long name") == "a very …"
    assert "\x1b" not in short_label(labels, "\x1b[2J")
