"""From records to the state of a run, and from the state to snapshots. Imports only schemas."""
