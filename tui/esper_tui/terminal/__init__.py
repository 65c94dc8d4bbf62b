"""The terminal itself: its driver, shutdown, and one frame as plain text."""
