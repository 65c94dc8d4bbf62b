"""Frameworks of many algorithms: RLlib, TorchRL, Tianshou, PufferLib, Sample Factory, SheepRL."""

from esper_schemas.aliases.alias import (
    CLAMPED_MSE,
    EXACT,
    HALF_MSE,
    K1,
    K3,
    MSE,
    SCALED_SMOOTH_L1,
    Alias,
    Library,
    prefixed,
)

_LEARNER_STATS = {
    "policy_loss": Alias("policy_loss"),
    "vf_loss": Alias("value_loss", convention=CLAMPED_MSE),
    "vf_explained_var": Alias("explained_variance"),
    "kl": Alias("kl_divergence", convention=EXACT, zero_is_unmeasured=True),
    "entropy": Alias("entropy"),
    "cur_lr": Alias("learning_rate"),
    "entropy_coeff": Alias("entropy_coefficient"),
}
_LEARNERS = {
    "policy_loss": Alias("policy_loss"),
    "vf_loss_unclipped": Alias("value_loss", convention=MSE),
    "vf_explained_var": Alias("explained_variance"),
    "mean_kl_loss": Alias("kl_divergence", convention=EXACT, zero_is_unmeasured=True),
    "entropy": Alias("entropy"),
    "curr_entropy_coeff": Alias("entropy_coefficient"),
    "default_optimizer_learning_rate": Alias("learning_rate"),
}
_RESULTS = {
    "episode_reward_mean": Alias("mean_return"),
    "episode_len_mean": Alias("mean_length"),
    "timesteps_total": Alias("env_steps_total"),
    "num_env_steps_sampled_lifetime": Alias("env_steps_total"),
    "num_env_steps_sampled_throughput_per_sec": Alias("steps_per_second"),
    "env_runners/episode_reward_mean": Alias("mean_return"),
    "env_runners/episode_return_mean": Alias("mean_return"),
    "env_runners/episode_len_mean": Alias("mean_length"),
    "env_runners/num_env_steps_sampled_lifetime": Alias("env_steps_total"),
}
_TUNE = ("", "ray/tune/")
"""Tune's TensorBoard files have its prefix, its csv and JSON files do not."""

RLLIB = Library(
    "RLlib",
    "Ray 2.60.0 (PPO, both API stacks), 0533d23, fa1dda2",
    prefixed(_TUNE, _RESULTS)
    | prefixed(
        ("learner_stats/", *(f"{tune}info/learner/default_policy/learner_stats/" for tune in _TUNE)),
        _LEARNER_STATS,
    )
    | prefixed((f"{tune}learners/default_policy/" for tune in _TUNE), _LEARNERS),
    step="environment steps, or iterations on the new API stack",
    scalars={
        "learner_stats/total_loss": "the total loss",
        "learner_stats/cur_kl_coeff": "the coefficient of the KL penalty",
        "learner_stats/grad_gnorm": "before clipping in some versions, after it in others",
        "learners/default_policy/vf_loss": "clamped, beside the unclipped loss",
        "learners/default_policy/total_loss": "the total loss",
        "learners/default_policy/gradients_default_optimizer_global_norm": "before clipping or after",
        "num_env_steps_sampled": "of one iteration on the new API stack, of all on the old one",
    },
)
TORCHRL = Library(
    "TorchRL",
    "0.13.3 (ae9719f), 0.14.1: Trainer with ClipPPOLoss, sota-implementations/ppo",
    {
        "loss_objective": Alias("policy_loss"),
        "loss_critic": Alias("value_loss", convention=SCALED_SMOOTH_L1),
        "kl_approx": Alias("kl_divergence", convention=K1),
        "grad_norm_0": Alias("grad_norm_pre_clip"),
        "train/loss_objective": Alias("policy_loss"),
        "train/loss_critic": Alias("value_loss", convention=SCALED_SMOOTH_L1),
        "train/kl_approx": Alias("kl_divergence", convention=K1),
        "train/clip_fraction": Alias("clip_fraction"),
        "train/explained_variance": Alias("explained_variance"),
        "train/entropy": Alias("entropy"),
        "train/lr": Alias("learning_rate"),
        "train/reward": Alias("mean_return"),
        "train/episode_length": Alias("mean_length"),
    },
    scalars={
        "loss_entropy": "minus the coefficient times the entropy",
        "max_ratio": "of the clipped ratios",
        "mean_ratio": "of the clipped ratios",
        "ESS": "the effective sample size",
        "value_clip_fraction": "of the critic",
        "r_training": "the mean reward of a step",
        "r_total": "the sum over the batch",
    },
    exceptions={"grad_norm": "before clipping, but read as Esper's own, which is after clipping"},
)
_TIANSHOU_SOURCE = "0.5.0 to 2.0.1 (f240205)"
TIANSHOU_UPDATES = Library(
    "Tianshou, updates",
    _TIANSHOU_SOURCE,
    {
        "update/loss/clip": Alias("policy_loss"),
        "update/loss/vf": Alias("value_loss", convention=MSE),
        "update/loss/ent": Alias("entropy"),
        "update/clip_loss/mean": Alias("policy_loss"),
        "update/actor_loss/mean": Alias("policy_loss"),
        "update/vf_loss/mean": Alias("value_loss", convention=MSE),
        "update/ent_loss/mean": Alias("entropy"),
    },
    step="gradient steps",
    scalars={"update/loss": "the total loss", "update/loss/mean": "the total loss"},
    exceptions={"update/loss/clip": "before 1.0.0, moving averages over minibatches, as the names beside it"},
)
TIANSHOU_ROLLOUTS = Library(
    "Tianshou, rollouts",
    _TIANSHOU_SOURCE,
    {
        "train/reward": Alias("mean_return"),
        "train/length": Alias("mean_length"),
        "train/returns_stat/mean": Alias("mean_return"),
        "train/returns_stat/std": Alias("std_return"),
        "train/lens_stat/mean": Alias("mean_length"),
        "training/returns_stat/mean": Alias("mean_return"),
        "training/returns_stat/std": Alias("std_return"),
        "training/lens_stat/mean": Alias("mean_length"),
    },
    scalars={"test/reward": "of evaluation episodes", "test/returns_stat/mean": "of evaluation episodes"},
)
PUFFERLIB = Library(
    "PufferLib",
    "0.7 to 3.0 (02b8f4b, 76dbf60), 4.0 (02920a4)",
    {
        "losses/policy_loss": Alias("policy_loss"),
        "losses/value_loss": Alias("value_loss", convention=HALF_MSE),
        "losses/entropy": Alias("entropy"),
        "losses/approx_kl": Alias("kl_divergence", convention=K3),
        "losses/clipfrac": Alias("clip_fraction"),
        "losses/explained_variance": Alias("explained_variance"),
        "losses/importance": Alias("joint_ratio_mean"),
        "loss/policy": Alias("policy_loss"),
        "loss/value": Alias("value_loss", convention=HALF_MSE),
        "loss/clipfrac": Alias("clip_fraction"),
        "loss/old_kl": Alias("kl_k1"),
        "losses/old_approx_kl": Alias("kl_k1"),
        "environment/episode_return": Alias("mean_return"),
        "environment/episode_length": Alias("mean_length"),
        "SPS": Alias("steps_per_second"),
        "agent_steps": Alias("env_steps_total"),
        "0verview/SPS": Alias("steps_per_second"),
        "0verview/agent_steps": Alias("env_steps_total"),
        "0verview/learning_rate": Alias("learning_rate"),
    },
    scalars={
        "loss/kl": "the k3 estimate in 4.0, but a penalty in other programs",
        "loss/entropy": "the entropy in 4.0, but a loss in other programs",
        "loss/total": "the total loss",
    },
    exceptions={
        "losses/policy_loss": "1.0 sums the means of the epochs, here and for the other names of losses/",
    },
)
SAMPLE_FACTORY = Library(
    "Sample Factory",
    "2.1.3 (1894bd1)",
    {
        "train/policy_loss": Alias("policy_loss"),
        "train/entropy": Alias("entropy"),
        "train/kl_divergence": Alias("kl_divergence", convention=EXACT),
        "train/fraction_clipped": Alias("clip_fraction"),
        "train/ratio_min": Alias("joint_ratio_min"),
        "train/ratio_max": Alias("joint_ratio_max"),
        "train/lr": Alias("learning_rate"),
        "train/env_steps": Alias("env_steps_total"),
        "reward/reward": Alias("mean_return"),
        "len/len": Alias("mean_length"),
        "perf/_fps": Alias("steps_per_second"),
    },
    scalars={
        "train/grad_norm": "after clipping here, before clipping in transformers",
        "train/ratio_mean": "the mean distance of the ratio from 1",
        "train/kl_loss": "a penalty",
        "train/exploration_loss": "minus the coefficient times the entropy",
        "train/value": "of one minibatch",
        "train/actual_lr": "after the correction for invalid data",
    },
    exceptions={"train/value_loss": "the mean squared error times value_loss_coeff, 0.5 by default"},
)
SHEEPRL = Library(
    "SheepRL",
    "33b6366 (July 2024): PPO, recurrent PPO",
    {
        "Loss/policy_loss": Alias("policy_loss"),
        "Loss/value_loss": Alias("value_loss"),
        "Loss/entropy_loss": Alias("entropy", -1.0),
        "Info/learning_rate": Alias("learning_rate"),
        "Info/ent_coef": Alias("entropy_coefficient"),
        "Rewards/rew_avg": Alias("mean_return"),
        "Game/ep_len_avg": Alias("mean_length"),
    },
    scalars={
        "Info/clip_coef": "the clip range",
        "Time/sps_env_interaction": "without the update, of one rank",
        "Time/sps_train": "updates of one rank",
    },
    exceptions={"Loss/value_loss": "half mse if clip_vloss is set, mse otherwise"},
)
