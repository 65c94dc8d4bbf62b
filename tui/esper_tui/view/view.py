"""What is looked at, and when: the only things that a picture depends on besides its size."""

from dataclasses import dataclass

from esper_schemas.snapshot import SanctumSnapshot
from esper_schemas.source import Feed


@dataclass(frozen=True, slots=True)
class View:
    """A feed at a moment, in nanoseconds since 1970.

    While the picture is held, `feed` stays what it was and `newest` is what has arrived since.
    """

    feed: Feed
    now_ns: int
    newest: Feed | None = None

    @property
    def snapshot(self) -> SanctumSnapshot:
        """The snapshot that the panels draw."""
        return self.feed.snapshot

    @property
    def link(self) -> Feed:
        """The feed that says how the connection is now, held picture or not."""
        return self.newest or self.feed

    @property
    def updates_behind(self) -> int:
        """How many PPO updates have arrived since the picture was held."""
        arrived = self.link.snapshot.tamiyo.ppo_updates_count
        return max(arrived - self.snapshot.tamiyo.ppo_updates_count, 0)


@dataclass(frozen=True, slots=True)
class ViewOptions:
    """Symbols, hidden panels, the focused panel, and the one that fills the screen with its cursor.

    `held` is the key of the entry that the cursor stays at while the list moves.
    """

    symbols: str = "block"
    hidden: frozenset[str] = frozenset()
    focus: str | None = None
    opened: str | None = None
    cursor: int = 0
    held: object = None
