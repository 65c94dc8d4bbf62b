"""The past of a run: checkpoints of the fold, and snapshots and marks of any moment."""
