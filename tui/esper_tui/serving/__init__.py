"""Sanctum in a browser: who is let in, and the server that gives each visitor a process of its own."""
