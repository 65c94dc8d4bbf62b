"""Data-parallel training: launching processes, their collective operations, and the loss of a rank."""
