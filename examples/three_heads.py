"""PPO with three action heads (a MultiDiscrete action), recorded by Esper; no training library is needed.

    python examples/three_heads.py
    python examples/three_heads.py --deterministic aim --from-update 20

A turret sees where to go and in which of eight sectors a target is, if any. In each step it chooses where
to move, where to aim, and whether to fire. The right move earns 1; if there is a target, the right aim and
firing earn 1 each; firing without one costs 1. Each step is a separate decision: its return is its reward.

With `--deterministic`, the named head always makes its first choice from an update on, as after a bug that
lets its logits explode. `esper diagnose` and the screen then name that head.
"""

import argparse
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from esper_lite import (
    DecisionMade,
    HeadMeasures,
    HeadSpec,
    PPOUpdatePayload,
    RolloutCompleted,
    RunStarted,
    connect,
)

MOVES = ("stay", "left", "right", "up", "down")
SECTORS = ("none", "n", "ne", "e", "se", "s", "sw", "w", "nw")
HEADS = (
    HeadSpec("move", size=5, choices=MOVES),
    HeadSpec("aim", size=9, choices=SECTORS),
    HeadSpec("fire", size=2, entropy_coefficient=0.5, choices=("hold", "fire")),
)
FEATURES = 1 + len(MOVES) + len(SECTORS)
STEPS, EPOCHS, CLIP, ENTROPY_COEFFICIENT = 256, 4, 0.2, 0.2
RATE, VALUE_EPOCHS, VALUE_RATE = 0.8, 8, 0.5
STUCK_LOGIT = 30.0

Weights = dict[str, list[list[float]]]
"""One row of `FEATURES` weights for each choice of each head."""


@dataclass
class Step:
    """What was seen (the features that are 1), chosen and earned in one step."""

    seen: tuple[int, ...]
    choices: dict[str, int]
    log_probs: dict[str, float]
    reward: float


def probabilities(rows: Sequence[Sequence[float]], seen: Sequence[int], stuck: bool) -> list[float]:
    """The distribution of one head."""
    logits = [sum(row[feature] for feature in seen) for row in rows]
    if stuck:
        logits[0] += STUCK_LOGIT
    largest = max(logits)
    weights = [math.exp(logit - largest) for logit in logits]
    total = sum(weights)
    return [weight / total for weight in weights]


def rollout(policy: Weights, stuck: str | None, dice: random.Random) -> list[Step]:
    """Decide in random situations."""
    steps = []
    for _ in range(STEPS):
        goal = dice.randrange(len(MOVES))
        sector = dice.randrange(1, len(SECTORS)) if dice.random() < 0.5 else 0
        seen = (0, 1 + goal, 1 + len(MOVES) + sector)
        choices, log_probs = {}, {}
        for head, rows in policy.items():
            distribution = probabilities(rows, seen, head == stuck)
            choices[head] = dice.choices(range(len(rows)), distribution)[0]
            log_probs[head] = math.log(distribution[choices[head]])
        steps.append(Step(seen, choices, log_probs, reward(goal, sector, choices)))
    return steps


def reward(goal: int, sector: int, choices: dict[str, int]) -> float:
    """What the choices earn in a situation."""
    moved = float(choices["move"] == goal)
    if sector:
        return moved + float(choices["aim"] == sector) + float(choices["fire"])
    return moved - float(choices["fire"])


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def update(policy: Weights, values: list[float], steps: list[Step], stuck: str | None) -> PPOUpdatePayload:
    """Improve the policy and the critic in place; returns what was measured."""
    rewards = [step.reward for step in steps]
    predicted = [sum(values[feature] for feature in step.seen) for step in steps]
    errors = [reward - value for reward, value in zip(rewards, predicted, strict=True)]
    spread = math.sqrt(mean([(error - mean(errors)) ** 2 for error in errors])) + 1e-8
    advantages = [(error - mean(errors)) / spread for error in errors]
    epochs = [improve(policy, steps, advantages, stuck) for _ in range(EPOCHS)]
    fit_values(values, steps)
    last = epochs[-1]
    ratios = [ratio for epoch in epochs for ratio in epoch.joint_ratios]
    variance = mean([(reward - mean(rewards)) ** 2 for reward in rewards])
    entropy = sum(last.entropies.values())
    return PPOUpdatePayload(
        policy_loss=mean([epoch.loss for epoch in epochs]),
        value_loss=0.5 * mean([error**2 for error in errors]),
        entropy=entropy,
        entropy_normalized=entropy / sum(math.log(spec.size) for spec in HEADS if spec.size),
        kl_divergence=mean([ratio - 1 - math.log(ratio) for ratio in last.joint_ratios]),
        clip_fraction=mean([abs(ratio - 1) > CLIP for ratio in last.joint_ratios]),
        joint_ratio_max=max(ratios),
        joint_ratio_min=min(ratios),
        explained_variance=1 - mean([error**2 for error in errors]) / variance if variance else None,
        grad_norm_pre_clip=math.hypot(*last.grad_norms.values()),
        return_mean=mean(rewards),
        return_std=math.sqrt(variance),
        learning_rate=RATE,
        entropy_coefficient=ENTROPY_COEFFICIENT,
        epochs_completed=EPOCHS,
        heads={spec.name: measures_of(spec.name, epochs) for spec in HEADS},
    )


def fit_values(values: list[float], steps: list[Step]) -> None:
    """Improve the critic in place, by gradient descent on its squared error."""
    for _ in range(VALUE_EPOCHS):
        slopes = [0.0] * FEATURES
        for step in steps:
            error = step.reward - sum(values[feature] for feature in step.seen)
            for feature in step.seen:
                slopes[feature] += error / len(steps)
        values[:] = [value + VALUE_RATE * slope for value, slope in zip(values, slopes, strict=True)]


@dataclass
class Epoch:
    """What one pass over the steps measured."""

    loss: float
    joint_ratios: list[float]
    ratios: dict[str, list[float]]
    entropies: dict[str, float]
    grad_norms: dict[str, float]


def measures_of(head: str, epochs: list[Epoch]) -> HeadMeasures:
    """The measurements of one head: extremes over all epochs, divergence and clipping of the last one."""
    ratios = [ratio for epoch in epochs for ratio in epoch.ratios[head]]
    last = epochs[-1].ratios[head]
    return HeadMeasures(
        entropy=mean([epoch.entropies[head] for epoch in epochs]),
        ratio_max=max(ratios),
        ratio_min=min(ratios),
        grad_norm=mean([epoch.grad_norms[head] for epoch in epochs]),
        kl_divergence=mean([ratio - 1 - math.log(ratio) for ratio in last]),
        clip_fraction=mean([abs(ratio - 1) > CLIP for ratio in last]),
    )


def improve(policy: Weights, steps: list[Step], advantages: list[float], stuck: str | None) -> Epoch:
    """One step of gradient ascent on the clipped surrogate of the joint action and the entropies."""
    gradient: Weights = {head: [[0.0] * FEATURES for _ in rows] for head, rows in policy.items()}
    ratios: dict[str, list[float]] = {head: [] for head in policy}
    entropies = dict.fromkeys(policy, 0.0)
    joint_ratios, losses = [], []
    for step, advantage in zip(steps, advantages, strict=True):
        now = {head: probabilities(rows, step.seen, head == stuck) for head, rows in policy.items()}
        for head, choice in step.choices.items():
            ratios[head].append(math.exp(math.log(now[head][choice]) - step.log_probs[head]))
        ratio = math.prod(ratios[head][-1] for head in policy)
        clipped = min(max(ratio, 1 - CLIP), 1 + CLIP)
        joint_ratios.append(ratio)
        losses.append(-min(ratio * advantage, clipped * advantage))
        slope = ratio * advantage if ratio * advantage <= clipped * advantage else 0.0
        for spec in HEADS:
            entropy = -sum(p * math.log(p) for p in now[spec.name] if p > 0)
            entropies[spec.name] += entropy / len(steps)
            bonus = ENTROPY_COEFFICIENT * spec.entropy_coefficient
            for choice, p in enumerate(now[spec.name]):
                towards = slope * ((choice == step.choices[spec.name]) - p)
                if p > 0:
                    towards -= bonus * p * (math.log(p) + entropy)
                for feature in step.seen:
                    gradient[spec.name][choice][feature] += towards / len(steps)
    for head, rows in policy.items():
        for row, slopes in zip(rows, gradient[head], strict=True):
            row[:] = [weight + RATE * slope for weight, slope in zip(row, slopes, strict=True)]
    norms = {head: math.hypot(*[slope for row in rows for slope in row]) for head, rows in gradient.items()}
    return Epoch(mean(losses), joint_ratios, ratios, entropies, norms)


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="PPO with three action heads, recorded by Esper.")
    parser.add_argument("--updates", type=int, default=60)
    parser.add_argument("--run", help="name of the run; by default three-heads, with a number if it is taken")
    parser.add_argument(
        "--deterministic", choices=[spec.name for spec in HEADS], help="a head that makes one choice only"
    )
    parser.add_argument("--from-update", type=int, default=20, help="its first update of that kind")
    return parser.parse_args()


def main() -> None:
    """Train, and record every update."""
    options, dice, values = arguments(), random.Random(1), [0.0] * FEATURES
    policy: Weights = {spec.name: [[0.0] * FEATURES for _ in range(spec.size or 0)] for spec in HEADS}
    about = RunStarted(
        task="three-heads", episodes=options.updates, environments=1, clip_range=CLIP, seed=1, heads=HEADS
    )
    with connect(options.run, started=about) as telemetry:
        for number in range(1, options.updates + 1):
            stuck = options.deterministic if number >= options.from_update else None
            begin = time.perf_counter()
            steps = rollout(policy, stuck, dice)
            seconds = time.perf_counter() - begin
            telemetry.emit(
                RolloutCompleted(
                    update=number,
                    env_steps=STEPS,
                    env_steps_total=number * STEPS,
                    steps_per_second=STEPS / seconds,
                    duration_ms=1000 * seconds,
                    mean_return=mean([step.reward for step in steps]),
                )
            )
            watched = steps[-1]
            confidences = {head: math.exp(log_prob) for head, log_prob in watched.log_probs.items()}
            telemetry.emit(DecisionMade(number, 0, STEPS - 1, watched.choices, confidences))
            telemetry.emit(update(policy, values, steps, stuck))
    print(
        f"mean reward {mean([step.reward for step in steps]):.2f} of 2; recorded in {telemetry.stats.spool}"
    )


if __name__ == "__main__":
    main()
