"""Faults injected into real processes, and checks of the files that they leave behind."""
