"""One line of plain words for each event, for event lists and `esper log cat`."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

from esper_schemas import events as e
from esper_schemas.heads import Blueprint, Op, Slot, Stage


def describe(event: e.Event | e.Unknown | e.Undecodable) -> str:
    """Say what happened; empty for kinds whose name says it all. Total over any field values."""
    words = _WORDS.get(type(event))
    return words(event) if words else ""


def _number(value: float | None, digits: int = 3) -> str:
    if value is None:
        return "–"
    return f"{value:.{digits}f}"


def _name(enum: type[Op] | type[Slot] | type[Blueprint] | type[Stage], index: int | None) -> str:
    return enum(index).name if index is not None and 0 <= index < len(enum) else f"#{index}"


def _run_started(event: e.RunStarted) -> str:
    return f"{event.task} with {event.environments} environments on {event.device or '?'}"


def _ppo_update(event: e.PPOUpdateCompleted) -> str:
    p = event.payload
    kl_divergence = "–" if p.kl_divergence is None else f"{p.kl_divergence:.4f}"
    return (
        f"update {event.update}: policy loss {p.policy_loss:.3f}, "
        f"value loss {p.value_loss:.3f}, KL {kl_divergence}"
    )


def _rollout(event: e.RolloutCompleted) -> str:
    rolled_back = f", {event.rollbacks} hosts rolled back" if event.rollbacks else ""
    broken = f", {event.returns_not_finite} returns are not finite" if event.returns_not_finite else ""
    return (
        f"rollout {event.update}: return {_number(event.mean_return)}, "
        f"{_number(event.steps_per_second, 0)} steps/s{rolled_back}{broken}"
    )


def _decision(event: e.DecisionMade) -> str:
    op, slot = event.choices.get("op"), event.choices.get("slot")
    where = "" if slot is None else f" in {_name(Slot, slot)}"
    return f"{_name(Op, op)}{where} in environment {event.environment}, step {event.step}"


def _stage(event: e.SeedStageChanged) -> str:
    before, after = _name(Stage, event.from_stage), _name(Stage, event.to_stage)
    seed = "" if event.blueprint is None else f" {_name(Blueprint, event.blueprint)}"
    return f"{_name(Slot, event.slot)}{seed}: {before} → {after}"


def _anomaly(event: e.AnomalyDetected) -> str:
    return event.detail or f"{event.anomaly}: {event.metric} {_number(event.value)}"


def _vitals(event: e.VitalsSampled) -> str:
    memory = None if event.memory_bytes is None else event.memory_bytes / 2**20
    return f"{_number(event.cpu_share, 2)} cores, {_number(memory, 0)} MiB"


def _compared(event: e.HeadGradientsCompared) -> str:
    pairs = zip(event.cosines, combinations(event.heads, 2), strict=False)
    least = min(pairs, default=None)
    if least is None:
        return f"{len(event.heads)} heads in update {event.update}"
    cosine, (one, other) = least
    return f"{one} and {other} agree least, cosine {cosine:.2f}, in update {event.update}"


def _finished(event: e.RunFinished) -> str:
    reason = f": {event.reason}" if event.reason else ""
    return f"{event.outcome} after {event.updates} updates{reason}"


_WORDS: dict[type, Callable[[Any], str]] = {
    e.RunStarted: _run_started,
    e.PPOUpdateCompleted: _ppo_update,
    e.RolloutCompleted: _rollout,
    e.EpisodeCompleted: lambda event: (
        f"environment {event.environment}: return {_number(event.episode_return)}"
    ),
    e.DecisionMade: _decision,
    e.SeedStageChanged: _stage,
    e.AnomalyDetected: _anomaly,
    e.TelemetryEscalated: lambda event: (
        f"level {event.level} until update {event.until_update} {event.reason}".rstrip()
    ),
    e.RatioExplosionDiagnosed: lambda event: f"{event.head} in update {event.update}",
    e.NumericalInstabilityReported: lambda event: (
        f"{event.nan_count} NaN and {event.inf_count} infinite in update {event.update}"
    ),
    e.LayerGradientsSampled: lambda event: f"{len(event.grad_norms)} layers",
    e.HeadGradientsCompared: _compared,
    e.VitalsSampled: _vitals,
    e.CheckpointSaved: lambda event: event.path,
    e.LogRecorded: lambda event: f"{event.level}: {event.message}",
    e.EventsDropped: lambda event: f"{event.count} events could not be kept",
    e.RunFinished: _finished,
    e.Unknown: lambda event: "a kind of event that this version does not know",
    e.Undecodable: lambda event: event.reason,
}
