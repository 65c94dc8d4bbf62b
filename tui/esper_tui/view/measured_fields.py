"""Which metrics of the catalogue a run measures, and what is expected of it before it has measured any."""

from esper_schemas.measured_metrics import measured_metrics
from esper_schemas.snapshot import RunInfo, SanctumSnapshot

LOSS_RATIO, LOSSES = "loss_ratio", ("value_loss", "policy_loss")


def measured_fields(snapshot: SanctumSnapshot) -> frozenset[str]:
    """The names of the metrics that the last update or one of those before it, as far back as the histories
    reach, has measured; none before the first update.
    """
    found = measured_metrics(snapshot)
    return found | {LOSS_RATIO} if found.issuperset(LOSSES) else found


def is_of_tamiyo(run: RunInfo) -> bool:
    """Whether a run is one of Esper's own trainer, which measures every metric sooner or later.

    It is the only one that compares itself with always choosing WAIT. Of a run that has not started nothing
    else is expected.
    """
    return run.baseline_return is not None or not run.run
