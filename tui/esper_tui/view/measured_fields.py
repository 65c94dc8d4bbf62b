"""Which metrics of the catalogue a run measures, and what is expected of it before it has measured any."""

from esper_schemas.measured_metrics import measured_metrics
from esper_schemas.snapshot import EMPTY_SNAPSHOT, RunInfo, SanctumSnapshot

LOSS_RATIO, LOSSES = "loss_ratio", ("value_loss", "policy_loss")


class _Newest:
    """The answer about the snapshot that was asked about last: each panel of a frame asks about the same."""

    def __init__(self) -> None:
        self._known = EMPTY_SNAPSHOT, self._of(EMPTY_SNAPSHOT)

    def of(self, snapshot: SanctumSnapshot) -> frozenset[str]:
        """Return the metrics that a snapshot has measured."""
        known = self._known
        if known[0] is not snapshot:
            known = self._known = snapshot, self._of(snapshot)
        return known[1]

    def _of(self, snapshot: SanctumSnapshot) -> frozenset[str]:
        found = measured_metrics(snapshot)
        return found | {LOSS_RATIO} if found.issuperset(LOSSES) else found


def measured_fields(snapshot: SanctumSnapshot) -> frozenset[str]:
    """The names of the metrics that the last update or one of those before it, as far back as the histories
    reach, has measured; none before the first update.
    """
    return _newest.of(snapshot)


def is_of_tamiyo(run: RunInfo) -> bool:
    """Whether a run is one of Esper's own trainer, which measures every metric sooner or later.

    It is the only one that compares itself with always choosing WAIT. Of a run that has not started nothing
    else is expected.
    """
    return run.baseline_return is not None or not run.run


_newest = _Newest()
