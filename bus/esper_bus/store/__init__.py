"""What lies in a run directory: spools, logs, locks, and the one stream of events they make."""
