"""The run on disk and over time: its directory, checkpoints, resuming, interruption and failure."""
