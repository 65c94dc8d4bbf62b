"""Command lines described by typed settings and parsed into them."""
