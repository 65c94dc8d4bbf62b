"""Where panels stand: frames, column plans, and their arrangement for every window size."""
