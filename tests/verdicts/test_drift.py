"""How often gradients drift by the common bound is counted."""

from benchmarks.verdicts.drift import beginnings, drift_lines, drifts
from benchmarks.verdicts.recording_file import Recording

from esper_schemas.events import PPOUpdateCompleted
from esper_schemas.payload import PPOUpdatePayload


def test_a_drift_is_the_difference_from_the_mean_of_those_before():
    """The first ten norms are only averaged."""
    found = list(drifts([1.0] * 10 + [1.6, 0.25]))

    assert len(found) == 2
    assert abs(found[0] - 0.6) < 1e-9
    assert found[1] > 0.7


def test_three_in_a_row_begin_once():
    """They begin again after a normal one."""
    assert beginnings([0.6] * 5 + [0.1] + [0.6] * 3 + [0.1, 0.6, 0.6]) == 2


def test_healthy_recordings_are_counted_alone():
    """A recording with a fault, or without gradients, has no part in it."""

    def events(norms):
        return [
            PPOUpdateCompleted(update=n, payload=PPOUpdatePayload(grad_norm_pre_clip=norm))
            for n, norm in enumerate(norms, 1)
        ]

    healthy = Recording(trainer="t", task="x", seed=1, events=events([1.0] * 10 + [2.0, 2.0, 2.0, 1.0]))
    broken = Recording(trainer="t", task="x", seed=1, fault="f", events=events([1.0] * 30))

    assert list(drift_lines([broken])) == []
    assert (
        "3 of 4 healthy updates (750 per 1,000); 3 in a row begin 1 times"
        in list(drift_lines([healthy, broken]))[1]
    )
