"""The environments that a policy can be trained in."""
