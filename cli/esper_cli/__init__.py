"""The commands `esper` and `sanctum`: argument parsing; everything else is imported when needed."""
