"""Tests of counting what was not understood, and of collecting the configuration."""

import msgspec

from esper_lite.importing.rows import MAX_CONFIG, clean_name
from esper_schemas.events import RunStarted


def test_counts_name_their_first_examples(not_read):
    """The most frequent kind comes first; an example is named once."""
    not_read.add("lines", "a")
    for name in "abcdeabcde":
        not_read.add("cells", name)

    assert not_read.lines() == ["cells (a, b, c, …): 10", "lines (a): 1"]
    assert (len(not_read), not_read["cells"], not_read["rows"]) == (11, 10, 0)


def test_counts_can_be_restored(not_read):
    """What is read again is counted once."""
    not_read.add("lines", "a")
    before = not_read.copy()
    not_read.add("lines", "b")
    not_read.add("cells")
    not_read.restore(before)

    assert not_read.lines() == ["lines (a): 1"]
    assert before.lines() == ["lines (a): 1"]


def test_any_setting_can_be_recorded(facts):
    """Large integers, lists and half characters become text; there is a limit."""
    for name, value in {"a": 1, "b": 2**70, "c": [1, 2], "\ud800": "\ud800", "d": None, "e": True}.items():
        facts.add(name, value)
    started = RunStarted(task="t", config=facts.config)

    assert msgspec.msgpack.decode(msgspec.msgpack.encode(started))["config"] == {
        "a": 1, "b": str(2**70), "c": "[1, 2]", "?": "?", "d": None, "e": True,
    }  # fmt: skip
    for number in range(2 * MAX_CONFIG):
        facts.add(f"n{number}", number)
    assert len(facts.config) == MAX_CONFIG


def test_names_are_valid_and_bounded():
    """A name may be any text in a log."""
    assert clean_name("ä\ud800") == "ä?"
    assert len(clean_name("x" * 10_000)) == 500
