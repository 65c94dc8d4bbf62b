"""Which metrics a run measures, as far back as a snapshot reaches."""

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import QUANTITIES, head_field
from esper_schemas.payload import HeadMeasures
from esper_schemas.snapshot import SanctumSnapshot


def measured_metrics(snapshot: SanctumSnapshot) -> frozenset[str]:
    """Return the metrics of the catalogue that the newest updates have measured; none before the first."""
    state = snapshot.tamiyo
    if not state.ppo_data_received:
        return frozenset()
    found = {name for name in QUANTITIES if getattr(state, name, None) is not None}
    found |= {name for name, values in snapshot.histories.items() if set(values) - {None}}
    return frozenset(found & QUANTITIES.keys())


def measured_of_heads(snapshot: SanctumSnapshot) -> frozenset[str]:
    """Return the families of metrics that the newest updates have measured of any head: "entropy" and so on.

    What is measured of all choices can be judged for the legal ones as well.
    """
    measured = measured_metrics(snapshot)
    found = {
        family
        for family in HeadMeasures.__struct_fields__
        for head in HEADS
        if head_field(head, family) in measured
    }
    if any(head_field(head, "entropy_legal") in measured for head in HEADS):
        found.add("entropy_legal")
    for measures in snapshot.tamiyo.heads.values():
        found |= {name for name in HeadMeasures.__struct_fields__ if getattr(measures, name) is not None}
    return frozenset(found | ({"entropy_legal"} if "entropy" in found else set()))
