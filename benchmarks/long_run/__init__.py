"""A run of a million events: what it costs to open it, to go to any moment of it, and to chart it."""
