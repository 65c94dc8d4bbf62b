"""Sanctum in a browser: admission, and a web server with one process per visitor."""
