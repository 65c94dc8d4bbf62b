"""What a training run is asked to do: every setting with its default, checked once, without torch."""

import hashlib
import math
import os
import re
from dataclasses import dataclass, fields, replace

from esper_schemas.errors import InvalidArgument
from esper_schemas.metrics.metric import TelemetryLevel
from esper_trainer.environments.morph.presets import DEFAULT_PRESET, GAMMA, GATES, PRESETS, Preset

_DEVICE = re.compile(r"cpu|cuda(:\d+)?")
TELEMETRY = tuple(level.name.lower() for level in TelemetryLevel)

SCHEDULES = ("constant", "linear", "cosine")
VALUE_NORMALISATIONS = ("none", "popart")
PRECISIONS = ("float32", "bfloat16")

Setting = str | int | float | bool | None
"""What a setting can be."""


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of one training run. Raises `InvalidArgument` for one that cannot work."""

    episodes: int = 100
    """PPO updates to make; each uses one episode of every environment."""

    environments: int = 64
    """How many environments are trained side by side."""

    preset: str = DEFAULT_PRESET
    """How much real training one environment step buys: a name in `PRESETS`."""

    gates: str = "permissive"
    """What a seed has to show before it may move on to its next stage: a name in `GATES`."""

    device: str = "cpu"
    """Where all tensors live: cpu, cuda or cuda:<index>."""

    seed: int = 0
    """Decides the environments, the initial policy and every sample."""

    threads: int = 0
    """Threads for torch on the CPU; 0 takes `OMP_NUM_THREADS`, or else up to two, and leaves one core
    to the aggregator and the screen, whose competition would stall torch's threads."""

    telemetry: str = "normal"
    """How much every update measures and tells: off, minimal, normal or debug. NaN and infinite gradients
    are counted at every level."""

    hidden_size: int = 128
    """Width of the policy's features and of its LSTM."""

    epochs: int = 4
    """Passes over a rollout per update."""

    minibatches: int = 1
    """Parts that an epoch is cut into, each of whole environments."""

    learning_rate: float = 1.5e-3
    """Adam's step size."""

    learning_rate_schedule: str = "constant"
    """How the learning rate falls: a name in `SCHEDULES`."""

    learning_rate_final: float = 0.0
    """Share of the learning rate that a falling schedule ends with."""

    warmup_updates: int = 0
    """Updates before the one that uses the full learning rate; it rises linearly until there."""

    adam_epsilon: float = 1e-5
    """Adam's denominator floor."""

    gamma: float = GAMMA
    """Discount per environment step."""

    gae_lambda: float = 0.97
    """How far advantages look past the critic (Schulman et al. 2016)."""

    clip_range: float = 0.2
    """How far a head's probability ratio may move before its surrogate is clipped."""

    value_clip: float = 10.0
    """How far a value may move from the rollout's before its loss is clipped, in units of return;
    0 switches the clipping off."""

    value_coefficient: float = 0.5
    """Weight of the value loss."""

    entropy_coefficient: float = 0.01
    """Weight of the entropy bonus, before the heads' own multipliers."""

    entropy_schedule: str = "constant"
    """How the entropy coefficient falls: a name in `SCHEDULES`."""

    entropy_final: float = 0.0
    """Share of the entropy coefficient that a falling schedule ends with."""

    value_normalisation: str = "none"
    """`popart` lets the critic learn returns of mean 0 and deviation 1 (van Hasselt et al. 2016)."""

    precision: str = "float32"
    """What the policy's matrix products are computed in; probabilities and losses are float32 always, and
    on CUDA the LSTM too."""

    target_kl: float = 0.015
    """An update stops before a step at which the KL divergence has passed 1.5 times this; 0 never."""

    max_grad_norm: float = 1.0
    """Gradients are scaled down to this norm."""

    capture: bool = True
    """On CUDA, the steps of a rollout and the updates are recorded as CUDA graphs and replayed."""

    compile: bool = False
    """The pointwise part of an update is compiled by torch.compile in the run's first update."""

    checkpoint_every: int = 10
    """Updates between two checkpoints; 0 writes one only where the run ends."""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            _require(not isinstance(value, float) or math.isfinite(value), field.name, "a finite number")
        for name in ("episodes", "environments", "hidden_size", "epochs", "minibatches"):
            _require(getattr(self, name) >= 1, name, "at least 1")
        for name in ("learning_rate", "adam_epsilon", "clip_range", "max_grad_norm"):
            _require(getattr(self, name) > 0, name, "greater than 0")
        for name in (
            "threads", "value_clip", "value_coefficient", "entropy_coefficient", "target_kl",
            "checkpoint_every", "warmup_updates",
        ):  # fmt: skip
            _require(getattr(self, name) >= 0, name, "0 or more")
        for name in ("gamma", "gae_lambda", "learning_rate_final", "entropy_final"):
            _require(0 <= getattr(self, name) <= 1, name, "between 0 and 1")
        _require(0 <= self.seed < 2**31, "seed", "between 0 and 2147483647")
        _require(self.preset in PRESETS, "preset", "one of " + ", ".join(PRESETS))
        _require(self.telemetry in TELEMETRY, "telemetry", "one of " + ", ".join(TELEMETRY))
        _require(bool(_DEVICE.fullmatch(self.device)), "device", "cpu, cuda or cuda:<index>")
        for name, choices in (
            ("gates", tuple(GATES)),
            ("learning_rate_schedule", SCHEDULES),
            ("entropy_schedule", SCHEDULES),
            ("value_normalisation", VALUE_NORMALISATIONS),
            ("precision", PRECISIONS),
        ):
            _require(getattr(self, name) in choices, name, "one of " + ", ".join(choices))
        if self.environments % self.minibatches:
            raise InvalidArgument(
                f"{self.environments} environments cannot be cut into {self.minibatches} equal "
                "minibatches; choose a number of environments that they divide."
            )

    def share(self, processes: int) -> int:
        """The environments of each of so many processes. Raises `InvalidArgument` for no equal parts."""
        parts = processes * self.minibatches
        if self.environments % parts:
            raise InvalidArgument(
                f"{self.environments} environments cannot be cut into {self.minibatches} equal "
                f"minibatches on each of {processes} processes; choose a multiple of {parts}."
            )
        return self.environments // processes

    @property
    def size(self) -> Preset:
        """The preset itself, with the gates that were chosen."""
        return replace(PRESETS[self.preset], gates=GATES[self.gates])

    @property
    def torch_threads(self) -> int:
        """How many threads torch gets."""
        asked = os.environ.get("OMP_NUM_THREADS", "")
        return (
            self.threads or (int(asked) if asked.isdecimal() else 0) or max(1, min(2, available_cores() - 1))
        )


def available_cores() -> int:
    """How many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _require(holds: bool, name: str, wanted: str) -> None:
    if not holds:
        raise InvalidArgument(f"The setting {name} has to be {wanted}; choose another value.")


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose; generators that share a seed would repeat each other's numbers."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
