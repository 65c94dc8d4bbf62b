"""The settings of a training run, each with its default, bounds and help text. Imports no torch."""

import hashlib
import os
from dataclasses import dataclass, replace
from typing import Annotated

from esper_schemas.errors import InvalidArgument
from esper_schemas.metrics.metric import TelemetryLevel
from esper_schemas.settings import Setting, validate
from esper_trainer.environments.morph.presets import DEFAULT_PRESET, GAMMA, GATES, PRESETS, Preset
from esper_trainer.telemetry.escalation_durations import PATTERN, parse_escalation

TELEMETRY = tuple(level.name.lower() for level in TelemetryLevel)
SCHEDULES = ("constant", "linear", "cosine")
VALUE_NORMALISATIONS = ("none", "popart")
PRECISIONS = ("float32", "bfloat16")

_TASK, _DEVICE, _OPTIMISER, _PPO = "task", "device", "network and optimiser", "PPO"
_RECORDING = "recording"


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The settings of one training run. Raises `InvalidArgument` for a value that is not accepted."""

    episodes: Annotated[
        int,
        Setting(
            "PPO updates; each uses one episode of every environment",
            _TASK,
            minimum=1,
            may_change_on_resume=True,
        ),
    ] = 100
    environments: Annotated[int, Setting("parallel environments", _TASK, option="--envs", minimum=1)] = 64
    preset: Annotated[
        str, Setting("how much the hosts are trained per environment step", _TASK, choices=tuple(PRESETS))
    ] = DEFAULT_PRESET
    gates: Annotated[
        str,
        Setting(
            "requirements for a growing module (a seed) to enter its next stage", _TASK, choices=tuple(GATES)
        ),
    ] = "permissive"
    seed: Annotated[
        int, Setting("random seed of the environments, the initial policy and every sample", _TASK, minimum=0)
    ] = 0
    hidden_size: Annotated[
        int, Setting("width of the policy's features and of its LSTM", _OPTIMISER, minimum=1)
    ] = 128
    learning_rate: Annotated[
        float, Setting("learning rate of Adam", _OPTIMISER, minimum=0, exclusive=True)
    ] = 1.5e-3
    learning_rate_schedule: Annotated[
        str, Setting("decay of the learning rate over the run", _OPTIMISER, choices=SCHEDULES)
    ] = "constant"
    learning_rate_final: Annotated[
        float,
        Setting(
            "final learning rate of a decaying schedule, as a fraction of the initial one",
            _OPTIMISER,
            minimum=0,
            maximum=1,
        ),
    ] = 0.0
    warmup_updates: Annotated[
        int, Setting("updates over which the learning rate rises linearly", _OPTIMISER, minimum=0)
    ] = 0
    adam_epsilon: Annotated[
        float, Setting("epsilon in the denominator of Adam", _OPTIMISER, minimum=0, exclusive=True)
    ] = 1e-5
    max_grad_norm: Annotated[
        float, Setting("norm that gradients are clipped to", _OPTIMISER, minimum=0, exclusive=True)
    ] = 1.0
    epochs: Annotated[int, Setting("passes over each rollout", _PPO, minimum=1)] = 4
    minibatches: Annotated[
        int, Setting("minibatches per epoch, each of whole environments", _PPO, minimum=1)
    ] = 1
    gamma: Annotated[float, Setting("discount per environment step", _PPO, minimum=0, maximum=1)] = GAMMA
    gae_lambda: Annotated[
        float,
        Setting(
            "lambda of generalised advantage estimation (Schulman et al. 2016)", _PPO, minimum=0, maximum=1
        ),
    ] = 0.97
    clip_range: Annotated[
        float, Setting("clip range of each head's probability ratio", _PPO, minimum=0, exclusive=True)
    ] = 0.2
    target_kl: Annotated[
        float,
        Setting("stop an update once its KL divergence exceeds 1.5 times this; 0 disables", _PPO, minimum=0),
    ] = 0.015
    value_coefficient: Annotated[float, Setting("weight of the value loss", _PPO, minimum=0)] = 0.5
    value_clip: Annotated[
        float, Setting("clip range of the value, in units of return; 0 disables clipping", _PPO, minimum=0)
    ] = 10.0
    value_normalisation: Annotated[
        str,
        Setting(
            "scale of the critic's targets; popart normalises returns (van Hasselt et al. 2016)",
            _PPO,
            choices=VALUE_NORMALISATIONS,
        ),
    ] = "none"
    entropy_coefficient: Annotated[
        float,
        Setting("weight of the entropy bonus, multiplied by a coefficient of each head", _PPO, minimum=0),
    ] = 0.01
    entropy_schedule: Annotated[
        str, Setting("decay of the entropy coefficient over the run", _PPO, choices=SCHEDULES)
    ] = "constant"
    entropy_final: Annotated[
        float,
        Setting(
            "final entropy coefficient of a decaying schedule, as a fraction of the initial one",
            _PPO,
            minimum=0,
            maximum=1,
        ),
    ] = 0.0
    device: Annotated[
        str,
        Setting(
            "device for all tensors: cpu, cuda or cuda:INDEX",
            _DEVICE,
            metavar="DEVICE",
            pattern=r"cpu|cuda(:\d+)?",
            form="cpu, cuda or cuda:INDEX",
            may_change_on_resume=True,
        ),
    ] = "cpu"
    threads: Annotated[
        int,
        Setting(
            "CPU threads for torch; 0 takes $OMP_NUM_THREADS, or at most two, and leaves one core free",
            _DEVICE,
            minimum=0,
            may_change_on_resume=True,
        ),
    ] = 0
    precision: Annotated[
        str,
        Setting(
            "precision of the policy's matrix products; the LSTM on CUDA is always float32",
            _DEVICE,
            choices=PRECISIONS,
        ),
    ] = "float32"
    capture: Annotated[
        bool,
        Setting(
            "launch every CUDA kernel from the host instead of replaying CUDA graphs",
            _DEVICE,
            may_change_on_resume=True,
        ),
    ] = True
    compile: Annotated[
        bool, Setting("compile the pointwise part of an update with torch.compile", _DEVICE)
    ] = False
    telemetry: Annotated[
        str,
        Setting(
            "how much each update measures; gradients that are not finite are counted at every level",
            _RECORDING,
            choices=TELEMETRY,
            may_change_on_resume=True,
        ),
    ] = "normal"
    escalation: Annotated[
        str,
        Setting(
            "updates at the debug level after an anomaly, by kind, such as kl_spike=10,lstm_explosion=0; "
            "all=0 disables it",
            _RECORDING,
            metavar="KIND=N,...",
            pattern=PATTERN,
            form="pairs KIND=UPDATES, separated by commas",
            may_change_on_resume=True,
        ),
    ] = ""
    checkpoint_every: Annotated[
        int,
        Setting(
            "updates between checkpoints; 0 writes one at the end only",
            _RECORDING,
            minimum=0,
            may_change_on_resume=True,
        ),
    ] = 10

    def __post_init__(self) -> None:
        validate(self)
        parse_escalation(self.escalation)
        self._require_multiple(self.minibatches, f"{self.minibatches} minibatches")

    def share(self, processes: int) -> int:
        """The number of environments of each process. Raises `InvalidArgument` if they are not equal."""
        parts = f"{processes} processes with {self.minibatches} minibatches each"
        self._require_multiple(processes * self.minibatches, parts)
        return self.environments // processes

    def _require_multiple(self, count: int, parts: str) -> None:
        if self.environments % count:
            raise InvalidArgument(
                f"{self.environments} environments cannot be split evenly into {parts}; "
                f"choose a multiple of {count}."
            )

    @property
    def size(self) -> Preset:
        """The chosen preset with the chosen gates."""
        return replace(PRESETS[self.preset], gates=GATES[self.gates])

    @property
    def torch_threads(self) -> int:
        """The number of CPU threads for torch."""
        text = os.environ.get("OMP_NUM_THREADS", "")
        from_environment = int(text) if text.isdecimal() else 0
        return self.threads or from_environment or max(1, min(2, available_cores() - 1))


def available_cores() -> int:
    """The number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def derived_seed(seed: int, purpose: str) -> int:
    """A seed for one purpose: generators of one seed would produce the same numbers."""
    digest = hashlib.sha256(f"{seed}:{purpose}".encode()).digest()
    return int.from_bytes(digest[:6], "big")
