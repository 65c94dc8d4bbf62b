"""The trainer: networks that grow as they train, a policy that grows them, PPO, and its telemetry."""
