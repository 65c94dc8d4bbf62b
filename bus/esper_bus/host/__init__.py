"""The machine and the process: file systems, locks, descriptors, memory, logging."""
