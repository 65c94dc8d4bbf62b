"""What a person decides: keys, cursor and focus, settings, how often to draw."""
