"""Series of a run's metrics: collecting them while a log is folded, an index of them on disk, and answers."""
