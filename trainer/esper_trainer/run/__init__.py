"""One run on disk and in time: its directory, checkpoints, resuming, and how it ends."""
