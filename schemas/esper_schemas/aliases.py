"""The names under which well-known training libraries log what the catalogue has.

A logged value times `factor` is the value of the catalogue. Each entry was read in the source of its library,
in the version that the table names; a name that means something else than any field, such as the KL
divergence from a reference policy, has no entry and becomes a scalar of the run.
"""

from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from esper_schemas.heads import HEADS
from esper_schemas.metrics.catalogue import CATALOGUE, HEAD_FAMILIES, head_field


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


@dataclass(frozen=True, slots=True)
class Alias:
    """The field that a logged name means, and how its values are converted.

    `head` is set for a field of one of the run's own heads. `convention` names the definition that the
    library uses, where there are several: the estimator of a KL divergence ("k1", the mean of the old minus
    the new log-probability, "k2" or "k3"), or the form of a value loss.
    """

    field: str
    factor: float = 1.0
    convention: str = ""
    head: str | None = None

    @property
    def kind(self) -> Kind:
        """What the value is part of."""
        if self.field in EPISODE_FIELDS:
            return Kind.EPISODE
        return Kind.ROLLOUT if self.field in ROLLOUT_FIELDS else Kind.UPDATE

    @property
    def makes_update(self) -> bool:
        """Whether the value shows that an update was made."""
        return self.kind is Kind.UPDATE and self.field not in SETTINGS


@dataclass(frozen=True, slots=True)
class Library:
    """The names that one library logs. `step_is_env_steps` tells what the step of its calls counts.

    Values under `dropped` names have no meaning beside their step, and are left out.
    """

    name: str
    aliases: dict[str, Alias]
    step_is_env_steps: bool = False
    dropped: frozenset[str] = frozenset()


_HALF_MSE, _MSE = "half mse", "mse"

STABLE_BASELINES3 = Library(
    "stable-baselines3 2.9.2, sb3-contrib 2.9.2",
    {
        "train/policy_gradient_loss": Alias("policy_loss"),
        "train/policy_loss": Alias("policy_loss"),
        "train/policy_objective": Alias("policy_loss", -1.0),
        "train/value_loss": Alias("value_loss", convention=_MSE),
        "train/approx_kl": Alias("kl_divergence", convention="k3"),
        "train/clip_fraction": Alias("clip_fraction"),
        "train/explained_variance": Alias("explained_variance"),
        "train/entropy_loss": Alias("entropy", -1.0),
        "train/learning_rate": Alias("learning_rate"),
        "rollout/ep_rew_mean": Alias("mean_return"),
        "rollout/ep_len_mean": Alias("mean_length"),
        "time/fps": Alias("steps_per_second"),
        "time/total_timesteps": Alias("env_steps_total"),
    },
    step_is_env_steps=True,
)
CLEANRL = Library(
    "CleanRL at commit 020cf0e",
    {
        "losses/policy_loss": Alias("policy_loss"),
        "losses/value_loss": Alias("value_loss", convention=_HALF_MSE),
        "losses/entropy": Alias("entropy"),
        "losses/approx_kl": Alias("kl_divergence", convention="k3"),
        "losses/clipfrac": Alias("clip_fraction"),
        "losses/explained_variance": Alias("explained_variance"),
        "charts/learning_rate": Alias("learning_rate"),
        "charts/SPS": Alias("steps_per_second"),
        "charts/episodic_return": Alias("episode_return"),
        "charts/episode_reward": Alias("episode_return"),
        "charts/episodic_length": Alias("episode_length"),
    },
    step_is_env_steps=True,
)
RSL_RL = Library(
    "rsl-rl-lib 5.5.1",
    {
        "Loss/surrogate": Alias("policy_loss"),
        "Loss/value": Alias("value_loss", convention=_MSE),
        "Loss/value_function": Alias("value_loss", convention=_MSE),
        "Loss/entropy": Alias("entropy"),
        "Loss/learning_rate": Alias("learning_rate"),
        "Perf/total_fps": Alias("steps_per_second"),
        "Perf/collection_time": Alias("rollout_time_ms", 1000.0),
        "Perf/collection time": Alias("rollout_time_ms", 1000.0),
        "Perf/learning_time": Alias("update_time_ms", 1000.0),
        "Train/mean_reward": Alias("mean_return"),
        "Train/mean_episode_length": Alias("mean_length"),
    },
    dropped=frozenset({"Train/mean_reward/time", "Train/mean_episode_length/time"}),
)
SKRL = Library(
    "skrl 2.1.1",
    {
        "Loss / Policy loss": Alias("policy_loss"),
        "Loss / Value loss": Alias("value_loss", convention="mse times value_loss_scale"),
        "Learning / Learning rate": Alias("learning_rate"),
        "Reward / Total reward (mean)": Alias("mean_return"),
        "Episode / Total timesteps (mean)": Alias("mean_length"),
        "Stats / Algorithm update time (ms)": Alias("update_time_ms"),
    },
    step_is_env_steps=False,
)
TORCHRL = Library(
    "TorchRL 0.14.1",
    {
        "loss_objective": Alias("policy_loss"),
        "loss_critic": Alias("value_loss", convention="smooth l1 times critic_coeff"),
        "kl_approx": Alias("kl_divergence", convention="k1"),
        "grad_norm": Alias("grad_norm_pre_clip"),
        "grad_norm_0": Alias("grad_norm_pre_clip"),
    },
)
TRL = Library(
    "TRL 1.12.0 (PPO), 1.16.0 (GRPO, RLOO)",
    {
        "loss/policy_avg": Alias("policy_loss"),
        "loss/value_avg": Alias("value_loss", convention=_HALF_MSE),
        "policy/approxkl_avg": Alias("kl_divergence", convention="k2"),
        "policy/clipfrac_avg": Alias("clip_fraction"),
        "policy/entropy_avg": Alias("entropy"),
        "val/ratio": Alias("joint_ratio_mean"),
        "objective/rlhf_reward": Alias("mean_return"),
        "lr": Alias("learning_rate"),
        "reward": Alias("mean_return"),
        "reward_std": Alias("std_return"),
        "clip_ratio/region_mean": Alias("clip_fraction"),
        "completions/mean_length": Alias("mean_length"),
    },
)
PLAIN = Library(
    "names without a library",
    {
        "approx_kl": Alias("kl_divergence"),
        "clipfrac": Alias("clip_fraction"),
        "pg_loss": Alias("policy_loss"),
        "v_loss": Alias("value_loss"),
        "vf_loss": Alias("value_loss"),
        "SPS": Alias("steps_per_second"),
        "episodic_return": Alias("episode_return"),
        "episodic_length": Alias("episode_length"),
    },
)

LIBRARIES = (STABLE_BASELINES3, CLEANRL, RSL_RL, SKRL, TORCHRL, TRL, PLAIN)

_OWN_NAMES = {name: Alias(name) for name in (*CATALOGUE, *ROLLOUT_FIELDS, *EPISODE_FIELDS)}
ALIASES: dict[str, Alias] = {
    name: alias for library in LIBRARIES for name, alias in library.aliases.items()
} | _OWN_NAMES
"""All names that have a meaning: those of the libraries, and the catalogue's own."""

DROPPED: frozenset[str] = frozenset().union(*(library.dropped for library in LIBRARIES))

ENV_STEP_NAMES: frozenset[str] = frozenset(
    name for library in LIBRARIES if library.step_is_env_steps for name in library.aliases
)
"""Names whose step is the number of environment steps so far."""

HEADS_PREFIX = "heads/"
"""`heads/NAME/entropy` and so on are measurements of one action head."""


@lru_cache(maxsize=8192)
def alias_of(name: str) -> Alias | None:
    """Return what a logged name means; None for a scalar of the run."""
    return ALIASES.get(name) or _head_alias(name)


def _head_alias(name: str) -> Alias | None:
    if not name.startswith(HEADS_PREFIX):
        return None
    head, _, family = name.removeprefix(HEADS_PREFIX).rpartition("/")
    if not head or family not in (*HEAD_FAMILIES, "std"):
        return None
    if head in HEADS:
        return Alias(head_field(head, family)) if family in HEAD_FAMILIES else None
    return Alias(family, head=head)
