"""EVENTS: the last events, newest last."""

import re

from esper_schemas import events as e
from esper_schemas.snapshot import EventEntry, SanctumSnapshot
from esper_tui.text.numbers import count, time_of_day
from esper_tui.text.spans import Row, Rows, Span, Tone, clean, crop, left
from esper_tui.view.rank_labels import prefixed, rank_labels

TITLE = "EVENTS"
NO_EVENTS = "no events yet"
KIND_WIDTH = 16
TONES: dict[str, Tone] = {
    e.AnomalyDetected.__name__: Tone.WARNING,
    e.EventsDropped.__name__: Tone.WARNING,
    e.NumericalInstabilityReported.__name__: Tone.BEYOND,
    e.RatioExplosionDiagnosed.__name__: Tone.WARNING,
    e.Undecodable.__name__: Tone.WARNING,
    e.RunFinished.__name__: Tone.VALUE,
    e.RunStarted.__name__: Tone.VALUE,
}

NAMES: dict[str, str] = {
    e.RunStarted.__name__: "run started",
    e.PPOUpdateCompleted.__name__: "update",
    e.RolloutCompleted.__name__: "rollout",
    e.EpisodeCompleted.__name__: "episode",
    e.DecisionMade.__name__: "decision",
    e.SeedStageChanged.__name__: "stage",
    e.AnomalyDetected.__name__: "anomaly",
    e.TelemetryEscalated.__name__: "telemetry raised",
    e.RatioExplosionDiagnosed.__name__: "worst ratios",
    e.NumericalInstabilityReported.__name__: "not finite",
    e.LayerGradientsSampled.__name__: "layer gradients",
    e.HeadGradientsCompared.__name__: "head gradients",
    e.VitalsSampled.__name__: "vitals",
    e.CheckpointSaved.__name__: "checkpoint",
    e.LogRecorded.__name__: "log",
    e.EventsDropped.__name__: "events dropped",
    e.RunFinished.__name__: "run finished",
    e.ScalarsLogged.__name__: "values",
    e.MetricDefined.__name__: "metric",
    e.Annotated.__name__: "note",
}
"""Short names of the kinds; other kinds keep their own name, as words."""


def events_rows(snapshot: SanctumSnapshot, width: int, height: int) -> Rows:
    """The last events that fit, with times of day in the local time zone."""
    entries = snapshot.recent_events[-height:] if height > 0 else ()
    if not entries:
        return ((Span(NO_EVENTS, Tone.DIM),),)[:height]
    labels = rank_labels(snapshot)
    return tuple(_row(entry, prefixed(labels, entry.producer, entry.text), width) for entry in entries)


def events_note(snapshot: SanctumSnapshot) -> Row:
    """For the border: the number of events in the snapshot."""
    return (Span(f"{count(snapshot.events_folded)} in all", Tone.DIM),)


def _row(entry: EventEntry, text: str, width: int) -> Row:
    at, tone = time_of_day(entry.at_ns), TONES.get(entry.kind, Tone.PLAIN)
    kind = left(NAMES.get(entry.kind) or _words(clean(entry.kind)), min(KIND_WIDTH, max(width - 10, 0)), tone)
    room = max(width - KIND_WIDTH - 12, 0)
    return (Span(at, Tone.DIM), Span("  "), kind, Span("  "), Span(crop(clean(text), room)))


def _words(kind: str) -> str:
    """A class name as words: "PPOUpdateCompleted" becomes "ppo update completed"."""
    return " ".join(re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[^A-Z]+", kind)).lower()
