"""What is asked of the machine: file systems, locks, descriptors, memory, process logging."""
