"""How many rows each panel can fill; a panel without any leaves its place to the others."""

from collections.abc import Callable

from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import SanctumSnapshot
from esper_tui.panels.anomaly_reports import anomaly_reports
from esper_tui.panels.charts_panel import charted_metrics
from esper_tui.panels.findings_panel import finding_details
from esper_tui.panels.losses_panel import losses_metrics
from esper_tui.panels.metric_panels import METRIC_PANELS, has_own_metrics, shown_metrics
from esper_tui.panels.vitals_panel import shown_vitals
from esper_tui.text.numbers import range_text
from esper_tui.view.measured_fields import is_of_tamiyo, measured_fields

ALWAYS = ("findings", "link", "events")
"""The panels that every run fills."""
EXPECTED = ("losses", "heads", *METRIC_PANELS, "slots", "anomalies", "log", "vitals", "ranks", "charts")
"""The panels that a run of Esper's own trainer fills sooner or later."""


def panels_with_content(
    snapshot: SanctumSnapshot, measured_before: frozenset[str] = frozenset()
) -> frozenset[str]:
    """The panels that have something to show, or will have by what is known of the run.

    `measured_before` are metrics that the run has measured earlier: a panel does not disappear because some
    updates lack its metrics.
    """
    rows = content_rows(snapshot, measured_before)
    expected = EXPECTED if is_of_tamiyo(snapshot.run) and not snapshot.tamiyo.ppo_data_received else ()
    return frozenset((*ALWAYS, *expected, *(panel for panel, number in rows.items() if number)))


def content_rows(snapshot: SanctumSnapshot, measured_before: frozenset[str] = frozenset()) -> dict[str, int]:
    """The number of rows that each panel outside of `ALWAYS` has to show."""
    measured = measured_fields(snapshot) | measured_before
    return {panel: count(snapshot, measured) for panel, count in _ROWS.items()}


def cut_text(
    panel: str, snapshot: SanctumSnapshot, height: int, measured_before: frozenset[str] = frozenset()
) -> str:
    """How much of a panel is in sight in this many rows: "1-4 of 10" of a list, "8 of 13" metrics, which need
    not be the first; empty where all of it is, or where it has a row that says so.
    """
    if panel in _LISTS:
        number, shown, newest_last = _LISTS[panel](snapshot, height)
        return range_text(number - shown if newest_last else 0, shown, number)
    if panel not in _METRICS:
        return ""
    number = _ROWS[panel](snapshot, measured_fields(snapshot) | measured_before)
    return f"{height} of {number}" if 0 < height < number else ""


_Count = Callable[[SanctumSnapshot, frozenset[str]], int]


def _losses(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    return len(losses_metrics(snapshot, measured))


def _metrics(panel: str) -> _Count:
    """Metrics that PPO LOSSES can show do not make a panel worth its place."""
    metrics = METRIC_PANELS[panel]

    def count(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
        return len(shown_metrics(metrics, snapshot, measured)) if has_own_metrics(metrics, measured) else 0

    return count


def _heads(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    """The table's own layout decides how many rows it can use."""
    has_own = snapshot.run.heads or snapshot.tamiyo.head_specs or snapshot.tamiyo.heads or snapshot.decisions
    return _ANY if has_own or any(QUANTITIES[name].head for name in measured) else 0


def _findings(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    """Titles, advice and evidence; one row if there is none."""
    return sum(1 + len(finding_details(finding, TYPICAL_WIDTH)) for finding in snapshot.findings) or 1


def _return(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    has_return = snapshot.run.mean_return is not None or any(snapshot.run.mean_return_history)
    return _ANY if has_return or is_of_tamiyo(snapshot.run) else 0


def _charts(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    return _ANY if charted_metrics(snapshot) else 0


def _slots(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    return _ANY if snapshot.slots.stage_counts or snapshot.slots.changes else 0


def _anomalies(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    """A trainer without a detector reports nothing, which does not mean that nothing is anomalous."""
    reported = (
        snapshot.anomalies,
        snapshot.anomaly_counts,
        snapshot.telemetry,
        snapshot.ratio_explosions,
        snapshot.instabilities,
    )
    return _ANY if any(reported) or is_of_tamiyo(snapshot.run) else 0


def _log(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    return _ANY if snapshot.log or snapshot.log_counts or is_of_tamiyo(snapshot.run) else 0


def _ranks(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    """Titles and one row for each rank; more may join a run of Esper's own trainer."""
    return _ANY if is_of_tamiyo(snapshot.run) else len(snapshot.ranks) + 1


def _vitals(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    shown = shown_vitals(snapshot)
    return len(shown) if any(not vital.in_header for vital in shown) else 0


def _scalars(snapshot: SanctumSnapshot, measured: frozenset[str]) -> int:
    return len(snapshot.scalars)


TYPICAL_WIDTH = 56
_ANY = 1_000
"""More rows than any panel needs."""

_ROWS: dict[str, _Count] = {
    "losses": _losses,
    "findings": _findings,
    "return": _return,
    "charts": _charts,
    "heads": _heads,
    "scalars": _scalars,
    **{panel: _metrics(panel) for panel in METRIC_PANELS},
    "slots": _slots,
    "anomalies": _anomalies,
    "log": _log,
    "vitals": _vitals,
    "ranks": _ranks,
}

_METRICS = ("losses", *METRIC_PANELS, "vitals")

_Extent = Callable[[SanctumSnapshot, int], tuple[int, int, bool]]


def _findings_shown(snapshot: SanctumSnapshot, height: int) -> tuple[int, int, bool]:
    return len(snapshot.findings), height, False


def _anomalies_shown(snapshot: SanctumSnapshot, height: int) -> tuple[int, int, bool]:
    """One row is that of the telemetry level."""
    return len(anomaly_reports(snapshot)), height - 1, True


def _log_shown(snapshot: SanctumSnapshot, height: int) -> tuple[int, int, bool]:
    return len(snapshot.log), height, True


_LISTS: dict[str, _Extent] = {
    "findings": _findings_shown,
    "anomalies": _anomalies_shown,
    "log": _log_shown,
}
"""The panels that list entries: how many there are, how many have a row, and whether these are the last."""
