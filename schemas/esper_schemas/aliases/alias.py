"""What a logged name means, and the table of one library."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Kind(StrEnum):
    """What a logged value is part of."""

    UPDATE = "update"
    ROLLOUT = "rollout"
    EPISODE = "episode"


ROLLOUT_FIELDS = (
    "mean_return",
    "std_return",
    "mean_length",
    "steps_per_second",
    "env_steps_total",
    "duration_ms",
)
"""Fields of `RolloutCompleted` that trainers log."""

EPISODE_FIELDS = ("episode_return", "episode_length")
"""One finished episode, which CleanRL logs at its own step."""

SETTINGS = frozenset({"learning_rate", "entropy_coefficient", "update_time_ms", "rollout_time_ms"})
"""Fields of an update that are also logged where no update was made; they alone do not make one."""

_KINDS = dict.fromkeys(ROLLOUT_FIELDS, Kind.ROLLOUT) | dict.fromkeys(EPISODE_FIELDS, Kind.EPISODE)
_WITHOUT_UPDATE = SETTINGS | _KINDS.keys()

K1, K2, K3, EXACT, EXACT_OR_K2 = "k1", "k2", "k3", "exact", "exact or k2"
HALF_MSE, MSE, CLAMPED_MSE = "half mse", "mse", "clamped mse"
SCALED_MSE, SCALED_SMOOTH_L1 = "mse times value_loss_scale", "smooth l1 times critic_coeff"
SCALED_HALF_MSE = "half mse, scale by version"
SCALED = "scale by version"
ACTIVE = "active clipping"
PER_TOKEN, PER_DIMENSION = "per token", "per dimension"

CONVENTIONS: dict[str, str] = {
    K1: "mean of old minus new log-probability; an estimate that may be negative",
    K2: "half the mean squared difference of the log-probabilities",
    K3: "mean of (r - 1) - ln r; never negative",
    EXACT: "the divergence of the two distributions in closed form, in one of the two directions",
    EXACT_OR_K2: "closed form for continuous actions, k2 for discrete ones",
    HALF_MSE: "half the mean squared error, as Esper's own",
    MSE: "mean squared error: twice Esper's own",
    CLAMPED_MSE: "mean of squared errors, each limited to vf_clip_param",
    SCALED_MSE: "mean squared error times value_loss_scale, a setting",
    SCALED_SMOOTH_L1: "smooth L1 error times critic_coeff, a setting",
    SCALED_HALF_MSE: "half the mean squared error, which versions sum over minibatches or divide by "
    "accumulation steps",
    SCALED: "mean over tokens, which versions sum over minibatches or divide by accumulation steps",
    ACTIVE: "share of the terms that clipping changed: a ratio beyond the range counts only if the advantage "
    "would move it further",
    PER_TOKEN: "mean over the tokens of the responses",
    PER_DIMENSION: "mean, not sum, over the dimensions of a continuous action",
}
"""The definitions that libraries use, by the name that `Alias.convention` has for them."""


@dataclass(frozen=True, slots=True)
class Alias:
    """The field that a logged name means, and how its values are converted.

    `head` is set for a field of one of the run's own heads. `convention` is the definition that the library
    uses, one of `CONVENTIONS`, where there are several; it is empty where only one is common, or where the
    library's own programs differ. `zero_is_unmeasured` is set where a library logs 0 for a value that it
    did not compute.
    """

    field: str
    factor: float = 1.0
    convention: str = ""
    head: str | None = None
    zero_is_unmeasured: bool = False

    @property
    def kind(self) -> Kind:
        """What the value is part of."""
        return _KINDS.get(self.field, Kind.UPDATE)

    @property
    def makes_update(self) -> bool:
        """Whether the value shows that an update was made."""
        return self.field not in _WITHOUT_UPDATE

    def convert(self, value: float) -> float | None:
        """Return the value in the catalogue's scale; None if the library did not measure it."""
        if self.zero_is_unmeasured and value == 0.0:
            return None
        return value * self.factor


ENVIRONMENT_STEPS = "environment steps"


@dataclass(frozen=True, slots=True)
class Library:
    """The names that one library logs, and the versions in which they were read.

    `step` tells what the step of its calls counts. Values under `dropped` names have no meaning beside their
    step, and are left out. `scalars` are names that look like a field and are none, with the reason;
    `exceptions` tells where a name is read with a meaning that does not hold: in some versions or programs,
    or because another library or Esper itself uses the name.
    """

    name: str
    source: str
    aliases: dict[str, Alias]
    step: str = ENVIRONMENT_STEPS
    dropped: frozenset[str] = frozenset()
    scalars: dict[str, str] = field(default_factory=dict)
    exceptions: dict[str, str] = field(default_factory=dict)

    @property
    def step_is_env_steps(self) -> bool:
        """Whether the step of its calls is the number of environment steps so far."""
        return self.step == ENVIRONMENT_STEPS


def prefixed(prefixes: Iterable[str], aliases: Mapping[str, Alias]) -> dict[str, Alias]:
    """Return the same aliases under each prefix."""
    return {prefix + name: alias for prefix in prefixes for name, alias in aliases.items()}
