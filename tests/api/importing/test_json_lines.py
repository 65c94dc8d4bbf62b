"""Tests of reading files with one JSON object per line."""

import pytest

from esper_lite.importing import growing_lines
from esper_lite.importing.growing_lines import INCOMPLETE, TOO_LONG
from esper_lite.importing.json_lines import NOT_NUMBERS, NOT_OBJECTS, TOO_DEEP, JsonLinesReader
from esper_lite.importing.mapping import Mapping
from esper_lite.importing.rows import Row


@pytest.fixture
def lines(tmp_path, facts, not_read):
    """Writes lines and makes a reader of them."""

    def write(text, mapping=None):
        path = tmp_path / "log.jsonl"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return JsonLinesReader(path, facts, not_read, mapping or Mapping())

    return write


def test_objects_within_objects_give_names_with_slashes(lines):
    """Step and time are found by their usual names."""
    reader = lines('{"step": 5, "timestamp": 1700000000.5, "loss": {"policy": -0.01, "kl": NaN}}\n')
    ((time_ns, step, values),) = reader.rows(final=True)

    assert (time_ns, step) == (1_700_000_000_500_000_000, 5)
    assert values["loss/policy"] == -0.01
    assert values["loss/kl"] != values["loss/kl"]


def test_what_is_not_understood_is_counted(lines, not_read):
    """Lists and texts are not numbers, flags are; a line that is no object costs itself."""
    reader = lines('{"step": 1, "a": [1], "b": "x", "c": null, "d": true}\n[1]\nno json\n{"a": 2}\n{"a": ')

    assert [row.values for row in reader.rows(final=True)] == [{"d": 1.0}, {"a": 2.0}]
    assert sorted(not_read.lines()) == sorted(
        [f"{NOT_NUMBERS} (a, b): 2", f"{NOT_OBJECTS}: 2", f"{INCOMPLETE}: 1"]
    )


@pytest.mark.parametrize(
    "text", ['{"a":' * 100_000, "[" * 100_000, '{"a": ' + "9" * 5000 + "}", '{"\\ud800": 1}']
)
def test_hostile_json_never_raises(lines, text):
    """Deep nesting, a number of 5,000 digits, half a character."""
    rows = list(lines(text + "\n").rows(final=True))

    assert all(name.encode() for row in rows for name in row.values)


def test_deep_objects_are_cut(lines, not_read):
    """Eight levels are read."""
    text = '{"v": 1, "a": ' * 12 + "{}" + "}" * 12
    (row,) = lines(text + "\n").rows(final=True)

    assert len(row.values) == 8
    assert not_read[TOO_DEEP] == 1


def test_the_last_line_needs_no_end(lines):
    """An object is complete once its bracket is closed."""
    assert [row.values for row in lines('{"a": 1}\n{"a": 2}').rows(final=True)] == [{"a": 1.0}, {"a": 2.0}]


def test_a_line_without_bounds_costs_no_memory(lines, not_read, monkeypatch):
    """It is passed over block by block."""
    monkeypatch.setattr(growing_lines, "MAX_LINE_BYTES", 100_000)
    reader = lines(b'{"a": 1}\n' + b"[" * 5_000_000 + b'\n{"a": 2}\n')

    assert [row.values for row in reader.rows(final=True)] == [{"a": 1.0}, {"a": 2.0}]
    assert not_read[TOO_LONG] == 1


def test_another_beginning_is_another_file(lines, tmp_path):
    """More lines are not."""
    reader = lines('{"step": 1, "a": 1}\n')
    list(reader.rows(final=False))
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1, "a": 1}\n{"step": 2, "a": 1}\n')
    same = reader.unchanged()
    path.write_text('{"step": 9, "a": 1}\n')

    assert (same, reader.unchanged()) == (True, False)


def test_the_columns_of_a_mapping_are_used(lines):
    """A row without the step's column has none."""
    reader = lines('{"n": 3, "x": 1}\n{"x": 2}\n', Mapping(step="n"))

    assert list(reader.rows(final=True)) == [Row(None, 3, {"x": 1.0}), Row(None, None, {"x": 2.0})]
