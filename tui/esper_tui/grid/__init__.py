"""Where panels stand, and the borders around them."""
