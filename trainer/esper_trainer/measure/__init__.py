"""Metrics of an update, computed on the device and packed into one tensor."""
