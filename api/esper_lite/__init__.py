"""Esper's public API: record a training run, subscribe to its events, open what was recorded.

    import esper_lite

    with esper_lite.connect("cartpole") as telemetry:
        telemetry.log({"policy_loss": -0.01, "approx_kl": 0.003, "my/metric": 5.0}, step=2048)

Names are imported on first use, so that a program loads only what it needs. Names outside `__all__` may
change in any version.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from esper_bus.emit.emitter import EmitterReport
    from esper_bus.net.subscription import Subscription, subscribe
    from esper_lite.connection import connect
    from esper_lite.metric_series import MetricSeries
    from esper_lite.run import Run, open_run
    from esper_lite.telemetry import Telemetry
    from esper_schemas.declarations import HeadSpec, MetricSpec
    from esper_schemas.errors import (
        Damaged,
        EsperError,
        InvalidArgument,
        Refused,
        RunExists,
        StorageError,
        Unreachable,
    )
    from esper_schemas.events import (
        Annotated,
        AnomalyDetected,
        CheckpointSaved,
        DecisionMade,
        EpisodeCompleted,
        Event,
        EventsDropped,
        HeadGradientsCompared,
        LayerGradientsSampled,
        LogRecorded,
        MetricDefined,
        NumericalInstabilityReported,
        PPOUpdateCompleted,
        RatioExplosionDiagnosed,
        Record,
        RolloutCompleted,
        RunFinished,
        RunStarted,
        ScalarsLogged,
        SeedStageChanged,
        TelemetryEscalated,
        Undecodable,
        Unknown,
        VitalsSampled,
    )
    from esper_schemas.findings import Finding
    from esper_schemas.history import Mark, Place
    from esper_schemas.payload import HeadMeasures, PPOUpdatePayload
    from esper_schemas.snapshot import SanctumSnapshot

    __version__: str

__all__ = [
    "Annotated",
    "AnomalyDetected",
    "CheckpointSaved",
    "Damaged",
    "DecisionMade",
    "EmitterReport",
    "EpisodeCompleted",
    "EsperError",
    "Event",
    "EventsDropped",
    "Finding",
    "HeadGradientsCompared",
    "HeadMeasures",
    "HeadSpec",
    "InvalidArgument",
    "LayerGradientsSampled",
    "LogRecorded",
    "Mark",
    "MetricDefined",
    "MetricSeries",
    "MetricSpec",
    "NumericalInstabilityReported",
    "PPOUpdateCompleted",
    "PPOUpdatePayload",
    "Place",
    "RatioExplosionDiagnosed",
    "Record",
    "Refused",
    "RolloutCompleted",
    "Run",
    "RunExists",
    "RunFinished",
    "RunStarted",
    "SanctumSnapshot",
    "ScalarsLogged",
    "SeedStageChanged",
    "StorageError",
    "Subscription",
    "Telemetry",
    "TelemetryEscalated",
    "Undecodable",
    "Unknown",
    "Unreachable",
    "VitalsSampled",
    "connect",
    "open_run",
    "subscribe",
]

_MODULES = {
    "esper_bus.emit.emitter": ("EmitterReport",),
    "esper_bus.net.subscription": ("Subscription", "subscribe"),
    "esper_lite.connection": ("connect",),
    "esper_lite.metric_series": ("MetricSeries",),
    "esper_lite.run": ("Run", "open_run"),
    "esper_lite.telemetry": ("Telemetry",),
    "esper_schemas.declarations": ("HeadSpec", "MetricSpec"),
    "esper_schemas.errors": (
        "Damaged",
        "EsperError",
        "InvalidArgument",
        "Refused",
        "RunExists",
        "StorageError",
        "Unreachable",
    ),
    "esper_schemas.findings": ("Finding",),
    "esper_schemas.history": ("Mark", "Place"),
    "esper_schemas.payload": ("HeadMeasures", "PPOUpdatePayload"),
    "esper_schemas.snapshot": ("SanctumSnapshot",),
}
_MODULE_OF = dict.fromkeys(__all__, "esper_schemas.events") | {
    name: module for module, names in _MODULES.items() for name in names
}


def __getattr__(name: str) -> Any:
    """Import a name on first use."""
    if name == "__version__":
        value: Any = _installed_version()
    elif name in _MODULE_OF:
        value = getattr(import_module(_MODULE_OF[name]), name)
    else:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return ["__version__", *__all__]


def _installed_version() -> str:
    from importlib.metadata import PackageNotFoundError, version  # takes longer than all of the above

    try:
        return version("esper-lite")
    except PackageNotFoundError:  # a checkout that is not installed
        return ""
