"""The places of panels, and the borders around them."""
