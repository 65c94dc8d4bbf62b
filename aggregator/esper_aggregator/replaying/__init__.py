"""Replays a recorded run to viewers, at its own pace or another one."""
