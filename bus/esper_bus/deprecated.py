"""Import paths from the documentation of version 0.1.0; they work with a `DeprecationWarning` until 0.3.0.

Only this module of the package refers to `esper_lite`, and it imports it on first use.
"""

import sys
import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

_NAMES = {
    "BusError": "EsperError",
    "Subscription": "Subscription",
    "Telemetry": "Telemetry",
    "connect": "connect",
    "subscribe": "subscribe",
}
"""Former names in `esper_bus`, and their names in `esper_lite`."""

_MODULES = {
    "layout": ("esper_bus.addresses", "esper_bus.paths"),
    "queries": ("esper_bus.protocol.query_messages",),
    "query_client": ("esper_bus.net.query_client",),
    "reading": ("esper_bus.store.run_reader",),
}
"""Former modules of `esper_bus`, and the modules that have their contents."""


class _MovedModule(ModuleType):
    """A module of version 0.1.0 whose contents have moved."""

    def __init__(self, name: str, successors: tuple[str, ...]) -> None:
        super().__init__(name, "Moved; see `esper_bus.deprecated`.")
        self._successors = successors

    def __getattr__(self, name: str) -> Any:
        for successor in () if name.startswith("_") else self._successors:
            module = import_module(successor)
            if hasattr(module, name):
                _warn(f"{self.__name__}.{name}", f"{successor}.{name}")
                return getattr(module, name)
        raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")


def add_moved_modules() -> None:
    """Make the former module paths importable."""
    for name, successors in _MODULES.items():
        sys.modules[f"esper_bus.{name}"] = _MovedModule(f"esper_bus.{name}", successors)


def attribute(name: str) -> Any:
    """Return a former attribute of `esper_bus`. Raises `AttributeError` for any other name."""
    if name in _MODULES:
        return sys.modules[f"esper_bus.{name}"]
    if name not in _NAMES:
        raise AttributeError(f"module 'esper_bus' has no attribute {name!r}")
    _warn(f"esper_bus.{name}", f"esper_lite.{_NAMES[name]}", stacklevel=4)
    return getattr(import_module("esper_lite"), _NAMES[name])


def _warn(old: str, new: str, stacklevel: int = 3) -> None:
    message = f"{old} is deprecated and will be removed in version 0.3.0; use {new}."
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel)
