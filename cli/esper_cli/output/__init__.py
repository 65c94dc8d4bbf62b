"""What commands print: lines, progress and failures."""
