"""A logged name has the field, the factor and the convention of its library."""

import pytest

from esper_schemas.aliases import DROPPED, ENV_STEP_NAMES, Alias, Kind, alias_of
from esper_schemas.metrics.catalogue import CATALOGUE

RAY = "ray/tune/info/learner/default_policy/learner_stats/"
CONVERSIONS = [
    ("train/entropy_loss", -1.4, "entropy", 1.4, ""),
    ("train/policy_objective", 0.02, "policy_loss", -0.02, ""),
    ("train/value_loss", 3.0, "value_loss", 3.0, "mse"),
    ("train/approx_kl", 0.01, "kl_divergence", 0.01, "k3"),
    ("losses/value_loss", 3.0, "value_loss", 3.0, "half mse"),
    ("losses/approx_kl", 0.01, "kl_divergence", 0.01, "k3"),
    ("losses/importance", 1.02, "joint_ratio_mean", 1.02, ""),
    ("Perf/collection time", 0.5, "rollout_time_ms", 500.0, ""),
    ("Perf/learning_time", 0.25, "update_time_ms", 250.0, ""),
    ("Loss/value_function", 2.0, "value_loss", 2.0, "mse"),
    ("info/kl", 0.008, "kl_divergence", 0.008, "exact or k2"),
    ("performance/rl_update_time", 0.5, "update_time_ms", 500.0, ""),
    ("Loss / Policy loss", -0.1, "policy_loss", -0.1, ""),
    ("Environment/Cumulative Reward", 7.5, "mean_return", 7.5, ""),
    ("Policy/Entropy", 1.1, "entropy", 1.1, "per dimension"),
    ("Policy/Beta", 0.005, "entropy_coefficient", 0.005, ""),
    ("kl_approx", -0.002, "kl_divergence", -0.002, "k1"),
    ("learner_stats/vf_loss", 9.0, "value_loss", 9.0, "clamped mse"),
    (f"{RAY}kl", 0.012, "kl_divergence", 0.012, "exact"),
    ("learners/default_policy/vf_loss_unclipped", 40.0, "value_loss", 40.0, "mse"),
    ("env_runners/episode_return_mean", 150.0, "mean_return", 150.0, ""),
    ("update/ent_loss/mean", 0.69, "entropy", 0.69, ""),
    ("training/returns_stat/std", 12.0, "std_return", 12.0, ""),
    ("Loss/entropy_loss", -0.69, "entropy", 0.69, ""),
    ("train/kl_divergence", 0.003, "kl_divergence", 0.003, "exact"),
    ("loss/approxkl", 0.004, "kl_divergence", 0.004, "k2"),
    ("approxkl", 0.004, "kl_divergence", 0.004, "k2"),
    ("loss_kl", 0.004, "kl_divergence", 0.004, "exact"),
    ("EpRewMean", 21.0, "mean_return", 21.0, ""),
    ("actor/ppo_kl", -0.0004, "kl_divergence", -0.0004, "k1"),
    ("actor/grad_norm", 0.3, "grad_norm_pre_clip", 0.3, ""),
    ("critic/rewards/mean", 0.4, "mean_return", 0.4, ""),
    ("timing_s/gen", 42.0, "rollout_time_ms", 42000.0, ""),
    ("train/ppo_kl", -0.0004, "kl_divergence", -0.0004, "k1"),
    ("policy/approxkl_avg", 0.01, "kl_divergence", 0.01, "k2"),
    ("train/policy/approxkl_avg", 0.01, "kl_divergence", 0.01, "k2"),
    ("ppo/policy/clipfrac", 0.1, "clip_fraction", 0.1, "active clipping"),
]


@pytest.mark.parametrize(("name", "logged", "field", "value", "convention"), CONVERSIONS)
def test_a_logged_value_is_converted_to_the_catalogues_scale(name, logged, field, value, convention):
    """The table has one row for each factor and each convention."""
    alias = alias_of(name)

    assert (alias.field, alias.convention) == (field, convention)
    assert alias.convert(logged) == value


@pytest.mark.parametrize(
    "name", [f"{RAY}kl", "learners/default_policy/mean_kl_loss", "actor/ppo_kl", "train/actor_grad_norm"]
)
def test_a_zero_that_stands_for_not_computed_is_not_measured(name):
    """RLlib logs 0 without a KL penalty, verl where a batch is one step, OpenRLHF without DeepSpeed."""
    assert alias_of(name).convert(0.0) is None
    assert alias_of(name).convert(1e-9) == 1e-9
    assert alias_of("train/approx_kl").convert(0.0) == 0.0


@pytest.mark.parametrize(
    "name",
    [
        "loss",
        "kl",
        "reward",
        "reward_std",
        "entropy_loss",
        "episode_reward",
        "train/loss",
        "train/kl",
        "train/grad_norm",
        "train/critic_loss",
        "objective/kl",
        "actor/kl_loss",
        "critic/score/mean",
        "critic/advantages/mean",
        "Losses/Policy Loss",
        "Loss / Entropy loss",
        "Policy/mean_noise_std",
        "Reward / Instantaneous reward (mean)",
        "max_ratio",
        "train/ratio_mean",
        "loss/clip_factor",
        "eval/mean_reward",
    ],
)
def test_a_name_that_means_something_else_or_two_things_is_a_scalar(name):
    """Totals, references, rewards of steps, absolute values and ratios of clipped ratios are no field."""
    assert alias_of(name) is None


def test_names_are_found_as_tensorboardx_writes_them():
    """It replaces the characters that TensorFlow did not allow in names."""
    assert alias_of("Environment/Cumulative_Reward") == alias_of("Environment/Cumulative Reward")
    assert alias_of("Loss_/_Value_loss") == alias_of("Loss / Value loss")
    assert alias_of("Reward_/_Total_reward__mean_") == alias_of("Reward / Total reward (mean)")


def test_own_names_mean_themselves():
    """The catalogue, the rollout and the episode have their names in every run."""
    assert all(alias_of(name) == Alias(name) for name in (*CATALOGUE, "mean_return", "episode_return"))
    assert alias_of("mean_return").kind is Kind.ROLLOUT
    assert alias_of("episode_return").kind is Kind.EPISODE
    assert alias_of("policy_loss").makes_update
    assert not alias_of("learning_rate").makes_update


def test_names_of_heads_are_measurements_of_a_head():
    """The eight heads have their own fields, others are found by their name."""
    assert alias_of("heads/op/entropy") == Alias("head_op_entropy")
    assert alias_of("heads/arm/left/entropy") == Alias("entropy", head="arm/left")
    assert alias_of("heads/gripper/std") == Alias("std", head="gripper")
    assert alias_of("heads/op/std") is None
    assert alias_of("heads/gripper/mass") is None
    assert alias_of("heads//entropy") is None


def test_a_step_counts_environment_steps_only_where_every_library_agrees():
    """stable-baselines3 and TRL both log `train/learning_rate`, at environment steps and at updates."""
    assert {"train/policy_gradient_loss", "charts/SPS", "rewards/step", "kl_approx"} <= ENV_STEP_NAMES
    assert "train/learning_rate" not in ENV_STEP_NAMES
    assert not {"Loss/surrogate", "actor/pg_loss", "update/loss/clip", "SPS"} & ENV_STEP_NAMES


def test_values_whose_step_is_a_time_or_another_count_are_dropped():
    """rsl_rl and rl_games log the same return again, at seconds and at iterations."""
    assert {"Train/mean_reward/time", "rewards/time", "rewards/iter", "episode_lengths/iter"} <= DROPPED
    assert "rewards/step" not in DROPPED


@pytest.mark.parametrize(
    "name", ["losses/old_approx_kl", "loss/old_kl", "old_approx_kl", "ppo/policy/policykl"]
)
def test_the_k1_estimate_that_stands_beside_another_one_has_a_field_of_its_own(name):
    """It may be negative, and is never read as the other one."""
    assert alias_of(name).field == "kl_k1"
