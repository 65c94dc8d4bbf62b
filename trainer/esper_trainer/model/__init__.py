"""Tamiyo's network, its action space, and its eight masked distributions."""
