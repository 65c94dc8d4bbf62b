"""Proximal policy optimisation: rollouts, advantages, losses and the optimiser."""
