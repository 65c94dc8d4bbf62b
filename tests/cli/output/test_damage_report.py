"""Damaged files are reported once each, with what to do."""

from esper_bus.mcap.reader import Damage
from esper_cli.output.damage_report import damage_reporter


def test_a_file_is_reported_once(capsys, tmp_path):
    """A file with two damaged places has one line."""
    report = damage_reporter("esper log", tmp_path)
    for file, offset in (("a.mcap", 30), ("a.mcap", 90), ("b.mcap", 30)):
        report(Damage(file, offset, "a wrong checksum"))
    lines = capsys.readouterr().err.splitlines()

    assert [line.split()[2] for line in lines] == ["a.mcap", "b.mcap"]
    assert "damaged at byte 30 (a wrong checksum)" in lines[0]
    assert f"`esper log verify {tmp_path}`" in lines[0]
