"""The programs that train, each with the places at which faults are injected into it."""
