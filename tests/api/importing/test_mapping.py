"""Tests of mapping files."""

import pytest

from esper_lite.importing.mapping import Mapping, read_mapping
from esper_schemas.errors import InvalidArgument


def test_a_mapping_renames_scales_and_drops(tmp_path):
    """A name that it does not have stays."""
    path = tmp_path / "mapping.toml"
    path.write_text(
        'step = "frame"\ndrop = ["host"]\n[names]\nLoss = "value_loss"\n'
        'ent = { name = "entropy", factor = -2.0 }\n'
    )
    mapping = read_mapping(path)

    assert (mapping.step, mapping.time) == ("frame", "")
    assert mapping.apply({"Loss": 1.0, "ent": 0.5, "host": 3.0, "other": 4.0}) == {
        "value_loss": 1.0, "entropy": -1.0, "other": 4.0,
    }  # fmt: skip


def test_without_names_nothing_changes():
    """The values are the same object: this is the path of every import without a mapping."""
    values = {"a": 1.0}

    assert Mapping().apply(values) is values


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("step = 5", "Expected `str`"),
        ("stop = 'x'", "unknown field"),
        ("[names]\na = { factor = 2.0 }", "name"),
        ("step = ", "Invalid value"),
        ("\xff", "utf-8"),
        (None, "No such file"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_one_sentence(tmp_path, text, reason):
    """The sentence has the reason and the page."""
    path = tmp_path / "mapping.toml"
    if text is not None:
        path.write_bytes(text.encode("latin-1"))

    with pytest.raises(InvalidArgument, match=reason) as caught:
        read_mapping(path)
    assert "import-logs.md" in str(caught.value)
    assert "\n" not in str(caught.value)
