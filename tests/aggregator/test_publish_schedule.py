"""Snapshots are sent at most every 50 ms, at once to a new viewer; keepalives when nothing else was sent."""

from esper_aggregator.publish_schedule import KEEPALIVE_INTERVAL_S, SNAPSHOT_INTERVAL_S, PublishSchedule


def test_changes_are_sent_at_most_once_per_interval():
    """What changed in between waits for the end of the interval."""
    schedule = PublishSchedule(10.0)
    soon, later = 10.0 + SNAPSHOT_INTERVAL_S / 2, 10.0 + SNAPSHOT_INTERVAL_S

    assert schedule.due(soon, joined=False, changed=True) is None
    assert schedule.due(later, joined=False, changed=True) == "snapshots"
    assert schedule.due(later, joined=False, changed=True) is None


def test_a_new_viewer_gets_snapshots_at_once():
    """Even if nothing has changed."""
    schedule = PublishSchedule(10.0)

    assert schedule.due(10.0, joined=True, changed=False) == "snapshots"
    assert schedule.due(10.0, joined=True, changed=False) == "snapshots"


def test_a_keepalive_is_sent_after_a_silence():
    """Snapshots end the silence, too."""
    schedule = PublishSchedule(10.0)
    assert schedule.due(10.0 + KEEPALIVE_INTERVAL_S, joined=False, changed=False) == "keepalive"
    schedule.due(11.5, joined=False, changed=True)

    assert schedule.due(11.5 + KEEPALIVE_INTERVAL_S / 2, joined=False, changed=False) is None
    assert schedule.due(11.5 + KEEPALIVE_INTERVAL_S, joined=False, changed=False) == "keepalive"
