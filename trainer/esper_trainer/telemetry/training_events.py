"""The events of a training, made from data on the host."""

import math
import platform
from collections.abc import Iterator
from dataclasses import asdict

import torch

from esper_schemas.events import (
    DecisionMade,
    EpisodeCompleted,
    Event,
    NumericalInstabilityReported,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunStarted,
    SeedStageChanged,
)
from esper_schemas.heads import CAUSAL, HEADS, Op
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.model.action_layout import OP
from esper_trainer.ppo.rollout_collector import TRACED_ENVIRONMENT
from esper_trainer.telemetry.episode_summary import EpisodeSummary

MAX_DETAILS = 8
"""Maximum number of decisions, and of slot changes, that are reported per update."""


def run_started(
    config: TrainingConfig,
    environments: int,
    baseline_return: float,
    resumed_from: int | None = None,
    thresholds: str = "",
) -> RunStarted:
    """The task and settings of a run, and this process's part; `connect` adds the facts about the process."""
    settings = {**asdict(config), "torch": str(torch.__version__), "python": platform.python_version()}
    return RunStarted(
        task=f"digits-{config.preset}",
        episodes=config.episodes,
        environments=environments,
        horizon=config.size.horizon,
        seed=config.seed,
        device=config.device,
        clip_range=config.clip_range,
        target_kl=config.target_kl or None,
        baseline_return=baseline_return,
        resumed_from=resumed_from,
        config=settings,
        thresholds=thresholds,
    )


def update_events(
    update: int, summary: EpisodeSummary, payload: PPOUpdatePayload, steps: int, seconds: float
) -> Iterator[Event]:
    """The events of one update, in order; `steps` and `seconds` are those of its rollout."""
    yield rollout_completed(update, summary, steps, seconds)
    yield from episodes_completed(update, summary)
    yield from decisions_made(update, summary)
    yield from seed_stages_changed(update, summary)
    yield PPOUpdateCompleted(update=update, payload=payload)


def rollout_completed(update: int, summary: EpisodeSummary, steps: int, seconds: float) -> RolloutCompleted:
    """The rollout as a whole; `steps` are environment steps per rollout."""
    return RolloutCompleted(
        update=update,
        env_steps=steps,
        env_steps_total=steps * update,
        steps_per_second=steps / seconds,
        duration_ms=seconds * 1000.0,
        mean_return=summary.returns.mean().item(),
        std_return=summary.returns.std(correction=0).item(),
        mean_accuracy=summary.accuracy.mean().item(),
        stage_counts=tuple(int(count) for count in summary.stage_counts.tolist()),
        rollbacks=int(summary.rollbacks),
        returns_not_finite=returns_not_finite(summary),
    )


def returns_not_finite(summary: EpisodeSummary) -> int:
    """The number of environments whose return is not finite."""
    return sum(not math.isfinite(total) for total in summary.returns.tolist())


def episodes_completed(update: int, summary: EpisodeSummary) -> Iterator[EpisodeCompleted]:
    """The episodes of the first environments; each runs one episode per update."""
    columns = (
        summary.returns,
        summary.accuracy,
        summary.lengths,
        summary.fossilized,
    )
    rows = zip(*(column.tolist() for column in columns), strict=False)
    for environment, (total, accuracy, length, fossilized) in enumerate(rows):
        yield EpisodeCompleted(
            environment=environment,
            episode=update,
            episode_return=total,
            length=int(length),
            accuracy=accuracy,
            fossilized=int(fossilized),
        )


def decisions_made(update: int, summary: EpisodeSummary) -> Iterator[DecisionMade]:
    """The newest decisions of the traced environment, oldest first; WAIT only if there is room."""
    ops = summary.actions[:, OP].tolist()
    alive = [step for step, lives in enumerate(summary.alive.tolist()) if lives]
    by_interest = sorted(alive, key=lambda step: (ops[step] != Op.WAIT, step))
    for step in sorted(by_interest[-MAX_DETAILS:]):
        yield _decision(update, step, summary)


def _decision(update: int, step: int, summary: EpisodeSummary) -> DecisionMade:
    actions = dict(zip(HEADS, summary.actions[step].int().tolist(), strict=True))
    probabilities = dict(zip(HEADS, summary.log_probs[step].exp().tolist(), strict=True))
    relevant = [head for head in HEADS if head in CAUSAL[Op(actions["op"])]]
    return DecisionMade(
        update=update,
        environment=TRACED_ENVIRONMENT,
        step=step,
        choices={head: actions[head] for head in relevant},
        confidences={head: probabilities[head] for head in relevant},
        value=summary.values[step].item(),
        reward=summary.rewards[step].item(),
    )


def seed_stages_changed(update: int, summary: EpisodeSummary) -> Iterator[SeedStageChanged]:
    """The newest changes in the slots of the traced environment, oldest first."""
    changed = (summary.stage_before != summary.stage_after).nonzero().tolist()
    for step, slot in changed[-MAX_DETAILS:]:
        index = (step, slot)
        measured = bool(summary.contribution_measured[index])
        yield SeedStageChanged(
            update=update,
            environment=TRACED_ENVIRONMENT,
            step=step,
            slot=slot,
            from_stage=int(summary.stage_before[index]),
            to_stage=int(summary.stage_after[index]),
            blueprint=int(summary.blueprint[index]),
            alpha=summary.alpha[index].item(),
            contribution=summary.contribution[index].item() if measured else None,
        )


def instability_events(
    update: int, payload: PPOUpdatePayload, returns_not_finite: int = 0
) -> Iterator[Event]:
    """A report if the update had any value that is not finite; at every telemetry level.

    The counts are those of the gradient; `where` starts with the earliest place.
    """
    nan, inf = payload.nan_grad_count or 0, payload.inf_grad_count or 0
    losses = (payload.policy_loss, payload.value_loss)
    affected = {
        "reward": returns_not_finite > 0,
        "loss": any(loss is not None and not math.isfinite(loss) for loss in losses),
        "gradient": nan + inf > 0,
    }
    if any(affected.values()):
        yield NumericalInstabilityReported(
            update=update,
            nan_count=nan,
            inf_count=inf,
            where=tuple(place for place, is_affected in affected.items() if is_affected),
            grad_norm_pre_clip=payload.grad_norm_pre_clip,
        )
