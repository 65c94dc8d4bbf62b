"""The curves of the last values in a snapshot, for sources that keep no series."""

from collections.abc import Iterable

from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.policy_heads import split_own
from esper_schemas.rules.finding_metrics import MEAN_RETURN
from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.state import History
from esper_tui.charts.curve import Curve, curve_of_values
from esper_tui.metrics.metric_value import history_of


def snapshot_curves(snapshot: SanctumSnapshot, metrics: Iterable[str]) -> dict[str, Curve]:
    """The last values of some metrics over updates; those without values are left out."""
    histories = {name: _history(snapshot, name) for name in metrics}
    last = float(snapshot.tamiyo.last_update)
    return {name: curve_of_values(name, values, last) for name, values in histories.items() if values}


def _history(snapshot: SanctumSnapshot, name: str) -> History:
    if name == MEAN_RETURN:
        return snapshot.run.mean_return_history
    if name in snapshot.scalars:
        return snapshot.scalars[name].history
    return history_of(snapshot, name) if name in QUANTITIES or split_own(name) else ()
