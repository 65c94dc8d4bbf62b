"""How long a PPO update takes, compared with other implementations of it in the same run.

All train the same network (features, one LSTM, one output layer) on 64 environments x 64 steps with the
same actions. The updates are run in turn, so that other work on the machine affects all of them; minima and
medians are printed. Only our update has masks and telemetry.

    sb3       sb3-contrib's RecurrentPPO (needs esper-lite[benchmarks]), its `train` alone
    cleanrl   a loop over the steps with a done mask, like CleanRL's ppo_atari_lstm.py
    plain     a typical update written by hand: whole chunks, a list of Categoricals, the joint ratio

    python -m benchmarks.ppo_peers [--threads 1] [--minibatches 1 4] [--repeats 8] [--json]
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator

import torch
from benchmarks.ppo_update import prepare
from torch import Tensor, nn
from torch.distributions import Categorical

from esper_schemas.heads import HEAD_SIZES
from esper_trainer.config import TrainingConfig

STEPS, ENVIRONMENTS, OBSERVATIONS, HIDDEN, EPOCHS = 64, 64, 116, 128, 4
SIZES = list(HEAD_SIZES.values())
CLIP, VALUE_WEIGHT, ENTROPY_WEIGHT, MAX_NORM, RATE = 0.2, 0.5, 0.01, 1.0, 1e-4

Update = Callable[[], object]


class Network(nn.Module):
    """Features, LSTM, and one output layer each for actions and value."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(OBSERVATIONS, HIDDEN), nn.LayerNorm(HIDDEN), nn.ReLU())
        self.lstm = nn.LSTM(HIDDEN, HIDDEN)
        self.actor, self.critic = nn.Linear(HIDDEN, sum(SIZES)), nn.Linear(HIDDEN, 1)

    def whole(self, observations: Tensor, starts: Tensor) -> Tensor:
        """The hidden states [T * B, H] of whole episodes in one call."""
        del starts
        return self.lstm(self.features(observations))[0].flatten(0, 1)

    def stepwise(self, observations: Tensor, starts: Tensor) -> Tensor:
        """The same, step by step, with a state that episode starts reset."""
        features = self.features(observations)
        state = (torch.zeros(1, observations.shape[1], HIDDEN),) * 2
        hidden = []
        for feature, start in zip(features, starts, strict=True):
            keep = (1.0 - start).view(1, -1, 1)
            out, state = self.lstm(feature.unsqueeze(0), (keep * state[0], keep * state[1]))
            hidden.append(out)
        return torch.cat(hidden).flatten(0, 1)

    def evaluate(self, hidden: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Joint log-probability, joint entropy and value of every step."""
        heads = [Categorical(logits=logits) for logits in self.actor(hidden).split(SIZES, dim=1)]
        log_prob = torch.stack([head.log_prob(a) for head, a in zip(heads, actions.T, strict=True)]).sum(0)
        return log_prob, torch.stack([head.entropy() for head in heads]).sum(0), self.critic(hidden).flatten()


class HandWritten:
    """PPO as a loop over epochs and minibatches of environments; `hidden` is a method of `Network`."""

    def __init__(self, hidden: str, minibatches: int) -> None:
        torch.manual_seed(0)
        self.network, self.minibatches = Network(), minibatches
        self.hidden = getattr(self.network, hidden)
        self.adam = torch.optim.Adam(self.network.parameters(), lr=RATE, eps=1e-5)
        self.observations = torch.randn(STEPS, ENVIRONMENTS, OBSERVATIONS)
        self.starts = torch.zeros(STEPS, ENVIRONMENTS)
        self.starts[0] = 1.0
        self.actions = torch.stack([torch.randint(size, (STEPS, ENVIRONMENTS)) for size in SIZES], -1)
        self.rewards = torch.randn(STEPS, ENVIRONMENTS)
        with torch.no_grad():
            evaluated = self.network.evaluate(
                self.hidden(self.observations, self.starts), self.actions.flatten(0, 1)
            )
        self.log_probs, _, self.values = (part.view(STEPS, ENVIRONMENTS) for part in evaluated)

    def __call__(self) -> None:
        """One update."""
        advantages = self.advantages()
        returns = advantages + self.values
        for _ in range(EPOCHS):
            for part in torch.randperm(ENVIRONMENTS).chunk(self.minibatches):
                self.learn(part, advantages[:, part].flatten(), returns[:, part].flatten())

    @torch.no_grad()
    def advantages(self) -> Tensor:
        """Generalised advantage estimation, backwards in time."""
        result, last = torch.zeros_like(self.rewards), torch.zeros(ENVIRONMENTS)
        following = torch.cat((self.values[1:], torch.zeros(1, ENVIRONMENTS)))
        for step in reversed(range(STEPS)):
            delta = self.rewards[step] + 0.99 * following[step] - self.values[step]
            result[step] = last = delta + 0.99 * 0.95 * last
        return result

    def learn(self, part: Tensor, advantages: Tensor, returns: Tensor) -> None:
        """One optimiser step."""
        hidden = self.hidden(self.observations[:, part], self.starts[:, part])
        log_probs, entropies, values = self.network.evaluate(hidden, self.actions[:, part].flatten(0, 1))
        ratio = (log_probs - self.log_probs[:, part].flatten()).exp()
        advantages = (advantages - advantages.mean()) / (advantages.std() + 1e-8)
        gain = torch.min(ratio * advantages, ratio.clamp(1 - CLIP, 1 + CLIP) * advantages).mean()
        error = (values - returns).square().mean()
        loss = -gain + VALUE_WEIGHT * error - ENTROPY_WEIGHT * entropies.mean()
        self.adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.network.parameters(), MAX_NORM)
        self.adam.step()


def sb3(minibatches: int) -> Update:
    """RecurrentPPO with a shared LSTM and the same features, after a rollout that it collected itself."""
    import gymnasium
    import numpy as np
    from sb3_contrib import RecurrentPPO
    from stable_baselines3.common.logger import Logger
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import DummyVecEnv

    class Noise(gymnasium.Env):  # type: ignore[misc]
        observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (OBSERVATIONS,))
        action_space = gymnasium.spaces.MultiDiscrete(SIZES)
        elapsed = 0

        def _see(self) -> np.ndarray:
            return np.random.standard_normal(OBSERVATIONS).astype(np.float32)

        def reset(self, **_: object) -> tuple[np.ndarray, dict[str, object]]:
            self.elapsed = 0
            return self._see(), {}

        def step(self, _: object) -> tuple[np.ndarray, float, bool, bool, dict[str, object]]:
            self.elapsed += 1
            return self._see(), float(np.random.standard_normal()), self.elapsed == STEPS, False, {}

    class Features(BaseFeaturesExtractor):
        def __init__(self, space: gymnasium.Space) -> None:
            super().__init__(space, HIDDEN)
            self.layers = nn.Sequential(nn.Linear(OBSERVATIONS, HIDDEN), nn.LayerNorm(HIDDEN), nn.ReLU())

        def forward(self, observations: Tensor) -> Tensor:
            return self.layers(observations)

    model = RecurrentPPO(
        "MlpLstmPolicy",
        DummyVecEnv([Noise] * ENVIRONMENTS),
        learning_rate=RATE,
        n_steps=STEPS,
        n_epochs=0,
        batch_size=STEPS * ENVIRONMENTS // minibatches,
        clip_range=CLIP,
        ent_coef=ENTROPY_WEIGHT,
        vf_coef=VALUE_WEIGHT,
        max_grad_norm=MAX_NORM,
        policy_kwargs={
            "features_extractor_class": Features,
            "lstm_hidden_size": HIDDEN,
            "shared_lstm": True,
            "enable_critic_lstm": False,
            "net_arch": [],
        },
        device="cpu",
        seed=0,
    )
    model.train = lambda: None  # `learn` only collects the rollout
    model.learn(STEPS * ENVIRONMENTS)
    del model.train
    model.n_epochs = EPOCHS
    model.set_logger(Logger(None, []))
    update: Update = model.train
    return update


def ours(minibatches: int) -> Update:
    """The trainer's update at NORMAL telemetry, after a real episode."""
    config = TrainingConfig(
        environments=ENVIRONMENTS, hidden_size=HIDDEN, minibatches=minibatches, epochs=EPOCHS, target_kl=0.0
    )
    return prepare(config).update


def updates(minibatches: int) -> Iterator[tuple[str, Update]]:
    """The updates that are compared, by name; sb3 only if it is installed."""
    yield "ours", ours(minibatches)
    yield "plain", HandWritten("whole", minibatches)
    yield "cleanrl", HandWritten("stepwise", minibatches)
    try:
        yield "sb3", sb3(minibatches)
    except ImportError:
        print("sb3-contrib is not installed and left out; install esper-lite[benchmarks] to compare with it.")


def measure(work: dict[str, Update], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each update, in turn, after a warm-up round."""
    times: dict[str, list[float]] = {name: [] for name in work}
    for round_ in range(repeats + 1):
        for name, update in work.items():
            began = time.perf_counter()
            update()
            if round_:
                times[name].append((time.perf_counter() - began) * 1000.0)
    return times


def rows(times: dict[str, list[float]]) -> list[dict[str, float | str]]:
    """One row per update: minimum, median, and our time divided by it (the median within rounds)."""
    table: list[dict[str, float | str]] = []
    for name, values in times.items():
        ratios = [our / other for our, other in zip(times["ours"], values, strict=True)]
        table.append(
            {
                "update": name,
                "min_ms": min(values),
                "median_ms": statistics.median(values),
                "ours_over_it_min": min(times["ours"]) / min(values),
                "ours_over_it_median": statistics.median(ratios),
            }
        )
    return table


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--minibatches", type=int, nargs="+", default=[1, 4])
    parser.add_argument("--repeats", type=int, default=8)
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    results = {
        parts: rows(measure(dict(updates(parts)), arguments.repeats)) for parts in arguments.minibatches
    }
    if arguments.json:
        print(json.dumps({"torch": torch.__version__, "load": os.getloadavg()[0], "minibatches": results}))
        return
    print(f"torch {torch.__version__}, {arguments.threads} thread(s), load average {os.getloadavg()[0]:.1f}")
    for parts, table in results.items():
        print(f"\n| {parts} minibatch(es) | minimum | median | ours / it, minima | medians |")
        print("|---|--:|--:|--:|--:|")
        for row in table:
            print(
                f"| {row['update']} | {row['min_ms']:.1f} ms | {row['median_ms']:.1f} ms "
                f"| {row['ours_over_it_min']:.2f} | {row['ours_over_it_median']:.2f} |"
            )


if __name__ == "__main__":
    main()
