"""Esper for any training program: connect, emit, subscribe."""
