"""Opened panels: every row of a panel with everything that is known about it; and the help page."""
