"""How long ago something happened, and before what."""

from esper_tui.text.numbers import age
from esper_tui.view.clocks import since_last_event_s
from esper_tui.view.view import View


def event_age(view: View, at_ns: int) -> str:
    """The age of an event: "1m05s ago" while the run goes on, "1m05s before the end" of one that has ended or
    is recorded, and "1m05s earlier" than what a screen shows that does not show the newest snapshot.
    """
    last_ns = view.snapshot.run.last_event_ns
    if last_ns is None:
        return ""
    before_last_s = (last_ns - at_ns) / 1e9
    if view.is_present:
        return f"{age(before_last_s + (since_last_event_s(view.feed, view.now_ns) or 0.0))} ago"
    return f"{age(before_last_s)} {'before the end' if view.newest is None else 'earlier'}"
