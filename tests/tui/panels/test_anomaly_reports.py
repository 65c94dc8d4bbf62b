"""Tests of esper_tui.panels.anomaly_reports."""

from msgspec import structs

from esper_schemas.events import AnomalyDetected
from esper_schemas.snapshot import AnomalyEntry
from esper_tui.panels.anomaly_reports import anomaly_reports


def test_a_kind_of_a_newer_version_is_shown_as_it_is(make_snapshot):
    """Neither its metric nor its head has to be known."""
    newer = AnomalyDetected(update=1, anomaly="sun_spot", severity="warning", metric="light", head="tail")
    entry = AnomalyEntry(at_ns=1, producer="p", anomaly=newer)
    (report,) = anomaly_reports(structs.replace(make_snapshot(), anomalies=(entry,), ranks=()))

    assert (report.kind, report.text, report.metric) == ("sun spot", "tail", "")
