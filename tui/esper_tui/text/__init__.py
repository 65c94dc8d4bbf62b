"""Text with tones: spans and rows, numbers, names, symbols and colours."""
