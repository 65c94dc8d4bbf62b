"""What learns: the policy, its player and its PPO update put together."""
