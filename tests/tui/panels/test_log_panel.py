"""Tests of esper_tui.panels.log_panel."""

from msgspec import structs

from esper_schemas.snapshot import (
    LogEntry,
)
from esper_tui.panels import log_panel
from esper_tui.text.spans import plain


def test_the_log_has_a_letter_for_each_level(make_snapshot, text):
    """Warnings and errors are listed newest last; the title counts those of the whole run."""
    entries = tuple(
        LogEntry(at_ns=n * 10**9, producer="host0:0", level=level, message=f"message {n}")
        for n, level in enumerate(("warning", "error", "critical"))
    )
    snapshot = structs.replace(make_snapshot(), log=entries, log_counts={"warning": 9, "error": 1})

    assert text(log_panel.log_rows(snapshot, 60, 5)) == [
        "00:00:00  W rank 0: message 0",
        "00:00:01  E rank 0: message 1",
        "00:00:02  C rank 0: message 2",
    ]
    alone = structs.replace(snapshot, ranks=())
    assert text(log_panel.log_rows(alone, 60, 1)) == ["00:00:02  C message 2"]
    assert plain(log_panel.log_note(snapshot)) == "1 error, 9 warnings"
    assert text(log_panel.log_rows(make_snapshot(), 60, 5)) == ["no warnings or errors"]
