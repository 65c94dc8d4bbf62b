"""From events to state and from state to snapshots; pure, and without the bus."""
