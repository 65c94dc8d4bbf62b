"""The learner: policy, rollout collector and PPO update combined."""
