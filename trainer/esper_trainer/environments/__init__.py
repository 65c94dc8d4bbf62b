"""The environments in which a policy can be trained."""
