"""A metric on the screen: its value, its row, its bounds in words, its help."""
