"""PPO with a Gaussian policy over two continuous heads, recorded by Esper; no training library is needed.

    python examples/gaussian.py

A cart on a windy plane is pushed and turned: each head sets one of its two speeds, and the reward falls with
the squared distance from the origin. The mean of a head is linear in the position, its standard deviation a
parameter; both are learnt. A continuous head has a differential entropy, ln(std) + 1.419 nats, which is
negative below a standard deviation of 0.24: Esper shows it without bounds, and the deviation below it.
"""

import argparse
import math
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from esper_lite import HeadSpec, RunStarted, connect

HEADS = ("push", "turn")
EPISODES, HORIZON, EPOCHS, CLIP, RATE, STD_RATE = 32, 10, 4, 0.2, 0.02, 0.02
DISCOUNT, WIND, ENTROPY_COEFFICIENT = 0.6, 0.2, 0.05
HALF_LOG_2_PI_E = 0.5 * math.log(2 * math.pi * math.e)


@dataclass
class Head:
    """The policy of one coordinate: the gain of its mean, and the logarithm of its deviation."""

    gain: float = 0.0
    log_std: float = -0.5

    def log_prob(self, position: float, action: float) -> float:
        """ln of the density of an action."""
        offset = (action - self.gain * position) / math.exp(self.log_std)
        return -0.5 * offset**2 - self.log_std - 0.5 * math.log(2 * math.pi)


@dataclass
class Step:
    """The position, action and density of each head, and the discounted return from here on."""

    positions: dict[str, float]
    actions: dict[str, float]
    log_probs: dict[str, float]
    result: float


def mean(values: Sequence[float]) -> float:
    """The arithmetic mean."""
    return sum(values) / len(values)


def episode(policy: dict[str, Head], dice: random.Random) -> tuple[list[Step], float]:
    """The steps of one episode, and the sum of its rewards."""
    positions = {head: dice.uniform(-1, 1) for head in policy}
    taken, rewards = [], []
    for _ in range(HORIZON):
        actions = {
            name: dice.gauss(head.gain * positions[name], math.exp(head.log_std))
            for name, head in policy.items()
        }
        log_probs = {name: head.log_prob(positions[name], actions[name]) for name, head in policy.items()}
        taken.append((positions, actions, log_probs))
        positions = {name: positions[name] + actions[name] + dice.gauss(0, WIND) for name in policy}
        rewards.append(-sum(x**2 for x in positions.values()))
    steps, result = [], 0.0
    for (before, actions, log_probs), reward in zip(reversed(taken), reversed(rewards), strict=True):
        result = reward + DISCOUNT * result
        steps.append(Step(before, actions, log_probs, result))
    return steps, sum(rewards)


def improve(policy: dict[str, Head], steps: list[Step], advantages: list[float]) -> dict[str, float]:
    """One step of gradient ascent on the clipped surrogate; returns the values to log."""
    slopes = {name: [0.0, 0.0] for name in policy}
    ratios: dict[str, list[float]] = {name: [] for name in policy}
    joint, losses = [], []
    for step, advantage in zip(steps, advantages, strict=True):
        for name, head in policy.items():
            now = head.log_prob(step.positions[name], step.actions[name])
            ratios[name].append(math.exp(max(min(now - step.log_probs[name], 20.0), -20.0)))
        ratio = math.prod(ratios[name][-1] for name in policy)
        clipped = min(max(ratio, 1 - CLIP), 1 + CLIP)
        joint.append(ratio)
        losses.append(-min(ratio * advantage, clipped * advantage))
        if ratio * advantage > clipped * advantage:
            continue
        for name, head in policy.items():
            position, std = step.positions[name], math.exp(head.log_std)
            offset = (step.actions[name] - head.gain * position) / std
            weight = ratio * advantage / len(steps)
            slopes[name][0] += weight * offset * position / std
            slopes[name][1] += weight * (offset**2 - 1)
    for name, head in policy.items():
        head.gain += RATE * slopes[name][0]
        head.log_std += STD_RATE * (slopes[name][1] + ENTROPY_COEFFICIENT)
    values = {
        "policy_loss": mean(losses),
        "approx_kl": mean([ratio - 1 - math.log(ratio) for ratio in joint]),
        "clip_fraction": mean([abs(ratio - 1) > CLIP for ratio in joint]),
        "joint_ratio_max": max(joint),
        "joint_ratio_min": min(joint),
        "grad_norm_pre_clip": math.hypot(*[slope for pair in slopes.values() for slope in pair]),
        "entropy": sum(head.log_std + HALF_LOG_2_PI_E for head in policy.values()),
    }
    for name, head in policy.items():
        values |= {
            f"heads/{name}/entropy": head.log_std + HALF_LOG_2_PI_E,
            f"heads/{name}/std": math.exp(head.log_std),
            f"heads/{name}/ratio_max": max(ratios[name]),
            f"heads/{name}/ratio_min": min(ratios[name]),
            f"heads/{name}/grad_norm": math.hypot(*slopes[name]),
            f"heads/{name}/kl_divergence": mean([ratio - 1 - math.log(ratio) for ratio in ratios[name]]),
        }
    return values


def update(policy: dict[str, Head], steps: list[Step]) -> dict[str, float]:
    """Improve the policy in place; returns the values to log."""
    results = [step.result for step in steps]
    spread = math.sqrt(mean([(result - mean(results)) ** 2 for result in results])) + 1e-8
    advantages = [(result - mean(results)) / spread for result in results]
    for _ in range(EPOCHS):
        values = improve(policy, steps, advantages)
    return values | {
        "return_mean": mean(results),
        "return_std": spread,
        "learning_rate": RATE,
        "ent_coef": ENTROPY_COEFFICIENT,
    }


def arguments() -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description="PPO with a Gaussian policy, recorded by Esper.")
    parser.add_argument("--updates", type=int, default=100)
    parser.add_argument("--run", help="name of the run; by default gaussian, with a number if it is taken")
    return parser.parse_args()


def main() -> None:
    """Train, and record every update."""
    options, dice = arguments(), random.Random(1)
    policy = {name: Head() for name in HEADS}
    about = RunStarted(
        task="gaussian",
        episodes=options.updates,
        environments=EPISODES,
        horizon=HORIZON,
        clip_range=CLIP,
        seed=1,
        heads=tuple(HeadSpec(name) for name in HEADS),
    )
    with connect(options.run, started=about) as telemetry:
        for number in range(1, options.updates + 1):
            begin = time.perf_counter()
            episodes = [episode(policy, dice) for _ in range(EPISODES)]
            speed = EPISODES * HORIZON / (time.perf_counter() - begin)
            steps = [step for taken, _ in episodes for step in taken]
            total = mean([result for _, result in episodes])
            values = update(policy, steps)
            played = {
                "mean_return": total,
                "steps_per_second": speed,
                "env_steps_total": number * EPISODES * HORIZON,
            }
            telemetry.log(values | played, step=number)
    deviations = ", ".join(f"{name} {math.exp(head.log_std):.3f}" for name, head in policy.items())
    print(f"mean return {total:.2f}, deviations {deviations}; recorded in {telemetry.stats.spool}")


if __name__ == "__main__":
    main()
