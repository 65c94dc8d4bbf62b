"""Carries events from a trainer to a log and snapshots from the log to a screen.

Log first, then send: every event is in the trainer's spool before it is sent. This is the only package
that knows sockets. Other programs use `connect`, which records a training run, and `subscribe`, which
yields what is recorded; everything else is imported from its module, e.g. `esper_bus.store.run_reader`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from esper_schemas.errors import EsperError as BusError

if TYPE_CHECKING:
    from esper_bus.net.subscription import Subscription, subscribe
    from esper_lite.connection import Telemetry, connect

__all__ = ["BusError", "Subscription", "Telemetry", "connect", "subscribe"]

_HOMES = {
    "Telemetry": "esper_lite.connection",
    "Subscription": "esper_bus.net.subscription",
    "connect": "esper_lite.connection",
    "subscribe": "esper_bus.net.subscription",
}


def __getattr__(name: str) -> Any:
    """Import on first use: most modules of this package need no sockets."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
