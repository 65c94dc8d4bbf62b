"""Turning what happened into events; everything here lies on the host already."""

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
"""How many decisions, and how many changes of slots, one update tells."""


def run_started(
    config: TrainingConfig, baseline_return: float, resumed_from: int | None = None
) -> RunStarted:
    """What is going to be trained, and with which settings; `connect` fills in by which process."""
    settings = {**asdict(config), "torch": str(torch.__version__), "python": platform.python_version()}
    return RunStarted(
        task=f"digits-{config.preset}",
        episodes=config.episodes,
        environments=config.environments,
        horizon=config.size.horizon,
        seed=config.seed,
        device=config.device,
        clip_range=config.clip_range,
        target_kl=config.target_kl or None,
        baseline_return=baseline_return,
        resumed_from=resumed_from,
        config=settings,
    )


def update_events(
    update: int, episode_summary: EpisodeSummary, payload: PPOUpdatePayload, steps: int, seconds: float
) -> Iterator[Event]:
    """All that one update tells, in order; `steps` and `seconds` are those of its rollout."""
    yield rollout_completed(update, episode_summary, steps, seconds)
    yield from episodes_completed(update, episode_summary)
    yield from decisions_made(update, episode_summary)
    yield from seed_stages_changed(update, episode_summary)
    yield PPOUpdateCompleted(update=update, payload=payload)


def rollout_completed(
    update: int, episode_summary: EpisodeSummary, steps: int, seconds: float
) -> RolloutCompleted:
    """The rollout as a whole; `steps` are environment steps per rollout."""
    return RolloutCompleted(
        update=update,
        env_steps=steps,
        env_steps_total=steps * update,
        steps_per_second=steps / seconds,
        duration_ms=seconds * 1000.0,
        mean_return=episode_summary.returns.mean().item(),
        std_return=episode_summary.returns.std(correction=0).item(),
        mean_accuracy=episode_summary.accuracy.mean().item(),
        stage_counts=tuple(int(count) for count in episode_summary.stage_counts.tolist()),
        rollbacks=int(episode_summary.rollbacks),
        returns_not_finite=returns_not_finite(episode_summary),
    )


def returns_not_finite(episode_summary: EpisodeSummary) -> int:
    """In how many environments the return is not finite."""
    return sum(not math.isfinite(total) for total in episode_summary.returns.tolist())


def episodes_completed(update: int, episode_summary: EpisodeSummary) -> Iterator[EpisodeCompleted]:
    """Every episode of the first environments; each plays one per update."""
    columns = (
        episode_summary.returns,
        episode_summary.accuracy,
        episode_summary.lengths,
        episode_summary.fossilized,
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


def decisions_made(update: int, episode_summary: EpisodeSummary) -> Iterator[DecisionMade]:
    """The newest decisions of the watched environment, oldest first; WAIT only if there is room."""
    ops = episode_summary.actions[:, OP].tolist()
    alive = [step for step, lives in enumerate(episode_summary.alive.tolist()) if lives]
    by_interest = sorted(alive, key=lambda step: (ops[step] != Op.WAIT, step))
    for step in sorted(by_interest[-MAX_DETAILS:]):
        yield _decision(update, step, episode_summary)


def _decision(update: int, step: int, episode_summary: EpisodeSummary) -> DecisionMade:
    actions = dict(zip(HEADS, episode_summary.actions[step].int().tolist(), strict=True))
    probabilities = dict(zip(HEADS, episode_summary.log_probs[step].exp().tolist(), strict=True))
    relevant = [head for head in HEADS if head in CAUSAL[Op(actions["op"])]]
    return DecisionMade(
        update=update,
        environment=TRACED_ENVIRONMENT,
        step=step,
        choices={head: actions[head] for head in relevant},
        confidences={head: probabilities[head] for head in relevant},
        value=episode_summary.values[step].item(),
        reward=episode_summary.rewards[step].item(),
    )


def seed_stages_changed(update: int, episode_summary: EpisodeSummary) -> Iterator[SeedStageChanged]:
    """The newest changes in the slots of the watched environment, oldest first."""
    changed = (episode_summary.stage_before != episode_summary.stage_after).nonzero().tolist()
    for step, slot in changed[-MAX_DETAILS:]:
        place = (step, slot)
        measured = bool(episode_summary.contribution_measured[place])
        yield SeedStageChanged(
            update=update,
            environment=TRACED_ENVIRONMENT,
            step=step,
            slot=slot,
            from_stage=int(episode_summary.stage_before[place]),
            to_stage=int(episode_summary.stage_after[place]),
            blueprint=int(episode_summary.blueprint[place]),
            alpha=episode_summary.alpha[place].item(),
            contribution=episode_summary.contribution[place].item() if measured else None,
        )


def instability_events(
    update: int, payload: PPOUpdatePayload, returns_not_finite: int = 0
) -> Iterator[Event]:
    """A report if the update met anything that is not finite; at every level.

    The counts are those of the gradient; `where` begins with what came first.
    """
    nan, inf = payload.nan_grad_count or 0, payload.inf_grad_count or 0
    broken = {
        "reward": returns_not_finite > 0,
        "loss": not (math.isfinite(payload.policy_loss) and math.isfinite(payload.value_loss)),
        "gradient": nan + inf > 0,
    }
    if any(broken.values()):
        yield NumericalInstabilityReported(
            update=update,
            nan_count=nan,
            inf_count=inf,
            where=tuple(place for place, is_broken in broken.items() if is_broken),
            grad_norm_pre_clip=payload.grad_norm_pre_clip,
        )
