"""Libraries of robotics and simulators: rsl_rl, rl_games, skrl, ML-Agents."""

from esper_schemas.aliases.alias import EXACT_OR_K2, MSE, PER_DIMENSION, SCALED_MSE, Alias, Library

RSL_RL = Library(
    "rsl-rl-lib",
    "1.0.2 to 5.4.2 (c281c32), 5.5.1",
    {
        "Loss/surrogate": Alias("policy_loss"),
        "Loss/value": Alias("value_loss", convention=MSE),
        "Loss/value_function": Alias("value_loss", convention=MSE),
        "Loss/entropy": Alias("entropy"),
        "Loss/learning_rate": Alias("learning_rate"),
        "Perf/total_fps": Alias("steps_per_second"),
        "Perf/collection_time": Alias("rollout_time_ms", 1000.0),
        "Perf/collection time": Alias("rollout_time_ms", 1000.0),
        "Perf/learning_time": Alias("update_time_ms", 1000.0),
        "Train/mean_reward": Alias("mean_return"),
        "Train/mean_episode_length": Alias("mean_length"),
    },
    step="iterations, from 0",
    dropped=frozenset({"Train/mean_reward/time", "Train/mean_episode_length/time"}),
    scalars={
        "Policy/mean_std": "the standard deviation of the actions, since 5.0.0",
        "Policy/mean_noise_std": "the standard deviation of the actions, before 5.0.0",
        "Loss/rnd": "of the curiosity network",
        "Loss/symmetry": "of the symmetry penalty",
        "Loss/behavior": "of distillation",
        "Rnd/mean_extrinsic_reward": "a part of the return",
        "Rnd/mean_intrinsic_reward": "a part of the return",
    },
)
RL_GAMES = Library(
    "rl_games",
    "1.6.5",
    {
        "losses/a_loss": Alias("policy_loss"),
        "losses/c_loss": Alias("value_loss", convention=MSE),
        "losses/entropy": Alias("entropy"),
        "info/kl": Alias("kl_divergence", convention=EXACT_OR_K2),
        "info/last_lr": Alias("learning_rate"),
        "rewards/step": Alias("mean_return"),
        "episode_lengths/step": Alias("mean_length"),
        "performance/step_inference_rl_update_fps": Alias("steps_per_second"),
        "performance/step_inference_time": Alias("rollout_time_ms", 1000.0),
        "performance/rl_update_time": Alias("update_time_ms", 1000.0),
    },
    dropped=frozenset(
        f"{name}/{axis}"
        for name in ("rewards", "shaped_rewards", "episode_lengths", "scores")
        for axis in ("iter", "time")
    ),
    scalars={
        "losses/bounds_loss": "a penalty for actions out of bounds",
        "info/e_clip": "the clip range",
        "info/epochs": "the number of the update",
        "shaped_rewards/step": "the scaled return",
        "performance/step_fps": "without inference and update",
    },
)
SKRL = Library(
    "skrl",
    "0.8.0 to 2.0.0 (c29ced6), 2.1.1",
    {
        "Loss / Policy loss": Alias("policy_loss"),
        "Loss / Value loss": Alias("value_loss", convention=SCALED_MSE),
        "Learning / Learning rate": Alias("learning_rate"),
        "Reward / Total reward (mean)": Alias("mean_return"),
        "Episode / Total timesteps (mean)": Alias("mean_length"),
        "Stats / Algorithm update time (ms)": Alias("update_time_ms"),
    },
    step="steps of the vectorised environment",
    scalars={
        "Loss / Entropy loss": "minus entropy_loss_scale, a setting, times the entropy",
        "Policy / Standard deviation": "the standard deviation of the actions",
        "Reward / Instantaneous reward (mean)": "of one step",
        "Reward / Total reward (max)": "the best episode",
    },
)
ML_AGENTS = Library(
    "ML-Agents",
    "0.28.0 and 9c5d937 (PPO, POCA)",
    {
        "Losses/Value Loss": Alias("value_loss", convention=MSE),
        "Policy/Entropy": Alias("entropy", convention=PER_DIMENSION),
        "Policy/Learning Rate": Alias("learning_rate"),
        "Policy/Beta": Alias("entropy_coefficient"),
        "Environment/Cumulative Reward": Alias("mean_return"),
        "Environment/Episode Length": Alias("mean_length"),
    },
    scalars={
        "Losses/Policy Loss": "the mean absolute value of the minibatches' losses",
        "Losses/Baseline Loss": "of POCA's second critic",
        "Policy/Epsilon": "the clip range",
        "Policy/Extrinsic Reward": "one of several reward signals",
        "Policy/Extrinsic Value Estimate": "of one of several reward signals, over trajectories",
        "Environment/Group Cumulative Reward": "of groups, beside that of the agents",
    },
)
