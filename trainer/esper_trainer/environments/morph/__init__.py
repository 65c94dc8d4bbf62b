"""The reinforcement-learning environment: hosts that train while seeds grow in them."""
