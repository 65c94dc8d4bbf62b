"""Recording from inside a training process: a queue, a thread, and what must be sent again."""
