"""Carries events from a trainer to a log and snapshots from the log to a screen.

Log first, then send: every event is in the trainer's spool before it is sent. This is the only package
that knows sockets. Programs use it through `esper_lite`.
"""

from typing import TYPE_CHECKING, Any

from esper_bus import deprecated as _deprecated

if TYPE_CHECKING:
    from esper_lite import EsperError
    from esper_lite import Subscription as Subscription
    from esper_lite import Telemetry as Telemetry
    from esper_lite import connect as connect
    from esper_lite import subscribe as subscribe

    BusError = EsperError

_deprecated.add_moved_modules()


def __getattr__(name: str) -> Any:
    """Return a name that version 0.1.0 had here, with a warning."""
    return _deprecated.attribute(name)
