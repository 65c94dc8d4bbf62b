"""The networks of the environment: host networks with seed blocks, their optimiser and their data."""
