"""Recording from inside a training process: a queue, a writer thread, and a buffer for resending."""
