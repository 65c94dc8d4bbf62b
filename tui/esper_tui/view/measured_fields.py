"""Which metrics of the catalogue a run measures, and what is expected of it before it has measured any."""

from esper_schemas.metrics.catalogue import QUANTITIES
from esper_schemas.snapshot import RunInfo, SanctumSnapshot

LOSS_RATIO, LOSSES = "loss_ratio", ("value_loss", "policy_loss")


def measured_fields(snapshot: SanctumSnapshot) -> frozenset[str]:
    """The names of the metrics that the last update or one of those before it, as far back as the histories
    reach, has measured; none before the first update.
    """
    state = snapshot.tamiyo
    if not state.ppo_data_received:
        return frozenset()
    found = {name for name in QUANTITIES if getattr(state, name, None) is not None}
    found |= {name for name, values in snapshot.histories.items() if set(values) - {None}}
    if found.issuperset(LOSSES):
        found.add(LOSS_RATIO)
    return frozenset(found & QUANTITIES.keys())


def is_of_tamiyo(run: RunInfo) -> bool:
    """Whether a run is one of Esper's own trainer, which measures every metric sooner or later.

    It is the only one that compares itself with always choosing WAIT. Of a run that has not started nothing
    else is expected.
    """
    return run.baseline_return is not None or not run.run
