"""What the trainer emits: events, anomaly response, process vitals and profiles."""
