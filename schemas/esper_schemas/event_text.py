"""One line of text for each event, for event lists and `esper log cat`."""

from itertools import combinations
from typing import assert_never

from esper_schemas import events as e
from esper_schemas.declarations import HeadSpec
from esper_schemas.heads import Blueprint, Op, Slot, Stage

VALUE_LEFT_OUT = "a value was left out"
"""How a message of a trainer begins about a value that it could not record."""


def describe(event: e.DecodedEvent) -> str:
    """Describe an event in one line, whatever its fields hold."""
    match event:
        case e.PPOUpdateCompleted(update=update, payload=payload):
            return describe_update(update, payload.policy_loss, payload.value_loss, payload.kl_divergence)
        case e.RunStarted() | e.RunFinished() | e.CheckpointSaved() | e.LogRecorded() | e.VitalsSampled():
            return _process(event)
        case e.RolloutCompleted() | e.EpisodeCompleted() | e.DecisionMade() | e.SeedStageChanged():
            return _environment(event)
        case e.AnomalyDetected() | e.TelemetryEscalated() | e.NumericalInstabilityReported():
            return _fault(event)
        case e.RatioExplosionDiagnosed() | e.LayerGradientsSampled() | e.HeadGradientsCompared():
            return _diagnosis(event)
        case e.ScalarsLogged() | e.MetricDefined():
            return _own_metric(event)
        case e.Annotated(text=text, who=who, update=update):
            about = "" if update is None else f"about update {update}: "
            return f"{about}{text}" + (f" ({who})" if who else "")
        case e.EventsDropped():
            return f"{event.count} events could not be kept"
        case e.Unknown():
            return "a kind of event that this version does not know"
        case e.Undecodable():
            return event.reason
        case _:
            assert_never(event)


def describe_update(
    update: int, policy_loss: float | None, value_loss: float | None, kl_divergence: float | None
) -> str:
    """Describe a PPO update; equal numbers give equal texts, so that -0.0 is written as 0.0."""
    policy = "–" if policy_loss is None else f"{policy_loss + 0.0:.3f}"
    value = "–" if value_loss is None else f"{value_loss + 0.0:.3f}"
    kl = "–" if kl_divergence is None else f"{kl_divergence:.4f}"
    return f"update {update}: policy loss {policy}, value loss {value}, KL {kl}"


def _process(
    event: e.RunStarted | e.RunFinished | e.CheckpointSaved | e.LogRecorded | e.VitalsSampled,
) -> str:
    match event:
        case e.RunStarted():
            heads = ", ".join(_head(spec) for spec in event.heads)
            number = "" if event.environments is None else f" with {event.environments} environments"
            about = f"{event.task}{number}{f' on {event.device}' if event.device else ''}"
            return f"{about}, heads {heads}" if heads else about
        case e.RunFinished():
            reason = f": {event.reason}" if event.reason else ""
            updates = f" after {event.updates} updates" if event.updates else ""
            return f"{event.outcome}{updates}{reason}"
        case e.CheckpointSaved():
            return event.path
        case e.LogRecorded():
            return f"{event.level}: {event.message}"
        case e.VitalsSampled():
            memory = None if event.memory_bytes is None else event.memory_bytes / 2**20
            return f"{_number(event.cpu_share, 2)} cores, {_number(memory, 0)} MiB"
        case _:
            assert_never(event)


def _environment(
    event: e.RolloutCompleted | e.EpisodeCompleted | e.DecisionMade | e.SeedStageChanged,
) -> str:
    match event:
        case e.RolloutCompleted():
            return _rollout(event)
        case e.EpisodeCompleted():
            return f"environment {event.environment}: return {_number(event.episode_return)}"
        case e.DecisionMade():
            return f"{_chosen(event)} in environment {event.environment}, step {event.step}"
        case e.SeedStageChanged():
            before, after = _name(Stage, event.from_stage), _name(Stage, event.to_stage)
            seed = "" if event.blueprint is None else f" {_name(Blueprint, event.blueprint)}"
            return f"{_name(Slot, event.slot)}{seed}: {before} → {after}"
        case _:
            assert_never(event)


def _head(spec: HeadSpec) -> str:
    return f"{spec.name} (continuous)" if spec.size is None else f"{spec.name} ({spec.size})"


def _chosen(event: e.DecisionMade) -> str:
    """Op and slot of Tamiyo's heads; the numbers of the choices of other heads."""
    op, slot = event.choices.get("op"), event.choices.get("slot")
    if op is None and event.choices:
        return " ".join(f"{head}={choice}" for head, choice in event.choices.items())
    return _name(Op, op) + ("" if slot is None else f" in {_name(Slot, slot)}")


def _fault(event: e.AnomalyDetected | e.TelemetryEscalated | e.NumericalInstabilityReported) -> str:
    match event:
        case e.AnomalyDetected():
            return event.detail or f"{event.anomaly}: {event.metric} {_number(event.value)}"
        case e.TelemetryEscalated():
            return f"level {event.level} until update {event.until_update} {event.reason}".rstrip()
        case e.NumericalInstabilityReported():
            return f"{event.nan_count} NaN and {event.inf_count} infinite in update {event.update}"
        case _:
            assert_never(event)


def _diagnosis(event: e.RatioExplosionDiagnosed | e.LayerGradientsSampled | e.HeadGradientsCompared) -> str:
    match event:
        case e.RatioExplosionDiagnosed():
            return f"{event.head} in update {event.update}"
        case e.LayerGradientsSampled():
            return f"{len(event.grad_norms)} layers"
        case e.HeadGradientsCompared():
            return _comparison(event)
        case _:
            assert_never(event)


def _own_metric(event: e.ScalarsLogged | e.MetricDefined) -> str:
    match event:
        case e.ScalarsLogged(values=values, step=step):
            at = "" if step is None else f" at step {step}"
            return f"{len(values)} values{at}: " + ", ".join(f"{n} {_number(v)}" for n, v in values.items())
        case e.MetricDefined(metric=metric):
            return f"{metric.name} in {metric.unit}" if metric.unit else metric.name
        case _:
            assert_never(event)


def _rollout(event: e.RolloutCompleted) -> str:
    rolled_back = f", {event.rollbacks} hosts rolled back" if event.rollbacks else ""
    broken = f", {event.returns_not_finite} returns are not finite" if event.returns_not_finite else ""
    return (
        f"rollout {event.update}: return {_number(event.mean_return)}, "
        f"{_number(event.steps_per_second, 0)} steps/s{rolled_back}{broken}"
    )


def _comparison(event: e.HeadGradientsCompared) -> str:
    pairs = zip(event.cosines, combinations(event.heads, 2), strict=False)
    least = min(pairs, default=None)
    if least is None:
        return f"{len(event.heads)} heads in update {event.update}"
    cosine, (one, other) = least
    return f"{one} and {other} agree least, cosine {cosine:.2f}, in update {event.update}"


def _number(value: float | None, digits: int = 3) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _name(enum: type[Op] | type[Slot] | type[Blueprint] | type[Stage], index: int | None) -> str:
    return enum(index).name if index is not None and 0 <= index < len(enum) else f"#{index}"
