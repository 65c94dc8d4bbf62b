"""What a frame depends on besides its size: a feed at a moment, and the options of its display."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.source import Feed
from esper_tui.charts.curve import Curve
from esper_tui.past.past import Past


@dataclass(frozen=True, slots=True)
class View:
    """A feed at a moment, in nanoseconds since 1970.

    While the display is paused, `feed` is the one at which it was paused and `newest` the latest one. In the
    past, `feed` has the snapshot of then. `past` is the past of the run, while that is shown or watched.
    `toggled` are the keys of the groups of an opened panel that were expanded or collapsed by hand. `curves`
    are the metrics of the charts over the whole run, as far as they are known.
    """

    feed: Feed
    now_ns: int
    newest: Feed | None = None
    toggled: frozenset[object] = frozenset()
    past: Past | None = None
    curves: Mapping[str, Curve] = field(default_factory=dict)

    @property
    def is_past(self) -> bool:
        """Whether an earlier snapshot of the run is shown, because the user went there."""
        return self.past is not None and self.past.snapshot is not None

    @property
    def snapshot(self) -> SanctumSnapshot:
        """The snapshot that the panels draw."""
        return self.feed.snapshot

    @property
    def link(self) -> Feed:
        """The latest feed, which tells the state of the connection even while the display is paused."""
        return self.newest or self.feed

    @property
    def is_present(self) -> bool:
        """Whether the panels draw the present of a run that has not ended: ages are relative to now."""
        return self.newest is None and self.feed.live and self.snapshot.run.outcome is None

    @property
    def updates_behind(self) -> int:
        """The number of PPO updates that have arrived since the display was paused."""
        arrived = self.link.snapshot.tamiyo.ppo_updates_count
        return max(arrived - self.snapshot.tamiyo.ppo_updates_count, 0)


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Symbols, hidden panels, the selected panel, and the opened panel with its cursor.

    `cursor_key` is the key of the entry that the cursor follows while the list moves. `measured` are metrics
    that the run has measured since it is shown, so that no panel disappears because an update lacks them;
    `toggled` are the groups of opened panels that were expanded or collapsed by hand. `time_bar` is whether
    the bar of the run's time is shown.
    """

    symbols: str = "block"
    hidden: frozenset[str] = frozenset()
    selected: str | None = None
    opened: str | None = None
    cursor: int = 0
    cursor_key: object = None
    measured: frozenset[str] = frozenset()
    toggled: frozenset[object] = frozenset()
    time_bar: bool = False
