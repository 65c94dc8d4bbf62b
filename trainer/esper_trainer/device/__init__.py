"""CPU and CUDA: devices, CUDA graphs, and asynchronous copies to the host."""
