"""The aggregator: writes every event to its log, folds the log into state, publishes snapshots."""
