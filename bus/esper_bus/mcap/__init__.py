"""MCAP files: writing them so that a kill loses nothing flushed, and reading them strictly."""
