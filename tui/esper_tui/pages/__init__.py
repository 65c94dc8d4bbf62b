"""Opened panels: every row of a panel with all that is known of it."""
