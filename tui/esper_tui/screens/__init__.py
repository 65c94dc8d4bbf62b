"""The Textual screens and the one widget that paints rows."""
