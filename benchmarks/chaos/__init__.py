"""Faults injected into real processes, and a judge of what they leave behind."""
