"""Several processes that train one policy: starting them, their sums, and their loss."""
