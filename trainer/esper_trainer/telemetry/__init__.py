"""What the trainer makes of its own numbers: anomalies, and how much to measure because of them."""
