"""The state of the seeds in their slots: lifecycle, stage gates and blend weights."""
