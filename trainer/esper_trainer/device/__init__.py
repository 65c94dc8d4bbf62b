"""Devices: CPU and CUDA, CUDA graphs, buffers that keep their memory, and asynchronous copies to the host."""
