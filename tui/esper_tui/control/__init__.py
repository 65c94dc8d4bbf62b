"""What the user controls: keys, selection and cursor, settings, the redraw rate."""
