"""A recording in memory, for tests of what the trainer emits."""

from esper_bus.emit.emitter import EmitterReport
from esper_lite import Telemetry


class Sink:
    """Keeps events in a list; its `connect` gives the trainer a telemetry that emits into it."""

    def __init__(self):
        self.events = []

    def connect(self, *, started):
        """What `esper_lite.connect` gives, without files and without the facts about the process."""
        return Telemetry(self, started)

    def emit(self, event):
        """Keep an event."""
        self.events.append(event)

    def close(self, timeout=0.0):
        """There is nothing to write."""
        return self.stats

    @property
    def stats(self):
        """All events count as emitted."""
        return EmitterReport(emitted=len(self.events))

    def kinds(self):
        """Names of the kinds, in order."""
        return [type(event).__name__ for event in self.events]

    def of(self, kind):
        """The events of a kind."""
        return [event for event in self.events if isinstance(event, kind)]
