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
    PPOUpdateCompleted,
    RolloutCompleted,
    RunStarted,
    SeedStageChanged,
)
from esper_schemas.heads import CAUSAL, HEADS, Op
from esper_schemas.payload import PPOUpdatePayload
from esper_trainer.config import TrainingConfig
from esper_trainer.model.action_layout import OP
from esper_trainer.ppo.rollout_collector import WATCHED
from esper_trainer.telemetry.episode_summary import Story

MOST_DETAILS = 8
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
    update: int, story: Story, payload: PPOUpdatePayload, steps: int, seconds: float
) -> Iterator[Event]:
    """All that one update tells, in order; `steps` and `seconds` are those of its rollout."""
    yield rollout_completed(update, story, steps, seconds)
    yield from episodes_completed(update, story)
    yield from decisions_made(update, story)
    yield from seed_stages_changed(update, story)
    yield PPOUpdateCompleted(update=update, payload=payload)


def rollout_completed(update: int, story: Story, steps: int, seconds: float) -> RolloutCompleted:
    """The rollout as a whole; `steps` are environment steps per rollout."""
    return RolloutCompleted(
        update=update,
        env_steps=steps,
        env_steps_total=steps * update,
        steps_per_second=steps / seconds,
        duration_ms=seconds * 1000.0,
        mean_return=story.returns.mean().item(),
        std_return=story.returns.std(correction=0).item(),
        mean_accuracy=story.accuracy.mean().item(),
        stage_counts=tuple(int(count) for count in story.stage_counts.tolist()),
        rollbacks=int(story.rollbacks),
        returns_not_finite=returns_not_finite(story),
    )


def returns_not_finite(story: Story) -> int:
    """In how many environments the return is not finite."""
    return sum(not math.isfinite(total) for total in story.returns.tolist())


def episodes_completed(update: int, story: Story) -> Iterator[EpisodeCompleted]:
    """Every episode of the first environments; each plays one per update."""
    columns = (story.returns, story.accuracy, story.lengths, story.fossilized)
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


def decisions_made(update: int, story: Story) -> Iterator[DecisionMade]:
    """The newest decisions of the watched environment, oldest first; WAIT only if there is room."""
    ops = story.actions[:, OP].tolist()
    alive = [step for step, lives in enumerate(story.alive.tolist()) if lives]
    by_interest = sorted(alive, key=lambda step: (ops[step] != Op.WAIT, step))
    for step in sorted(by_interest[-MOST_DETAILS:]):
        yield _decision(update, step, story)


def _decision(update: int, step: int, story: Story) -> DecisionMade:
    actions = dict(zip(HEADS, story.actions[step].int().tolist(), strict=True))
    probabilities = dict(zip(HEADS, story.log_probs[step].exp().tolist(), strict=True))
    relevant = [head for head in HEADS if head in CAUSAL[Op(actions["op"])]]
    return DecisionMade(
        update=update,
        environment=WATCHED,
        step=step,
        choices={head: actions[head] for head in relevant},
        confidences={head: probabilities[head] for head in relevant},
        value=story.values[step].item(),
        reward=story.rewards[step].item(),
    )


def seed_stages_changed(update: int, story: Story) -> Iterator[SeedStageChanged]:
    """The newest changes in the slots of the watched environment, oldest first."""
    changed = (story.stage_before != story.stage_after).nonzero().tolist()
    for step, slot in changed[-MOST_DETAILS:]:
        place = (step, slot)
        measured = bool(story.contribution_measured[place])
        yield SeedStageChanged(
            update=update,
            environment=WATCHED,
            step=step,
            slot=slot,
            from_stage=int(story.stage_before[place]),
            to_stage=int(story.stage_after[place]),
            blueprint=int(story.blueprint[place]),
            alpha=story.alpha[place].item(),
            contribution=story.contribution[place].item() if measured else None,
        )
