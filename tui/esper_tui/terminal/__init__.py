"""The terminal: hang-ups and signals, ASCII output, one frame printed as text."""
