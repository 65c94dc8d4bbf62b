"""What is looked at: a feed at a moment, the options of its display, and the state of the connection."""
