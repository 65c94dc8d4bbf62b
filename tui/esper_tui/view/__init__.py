"""What is looked at: a feed at a moment, how it is drawn, and how the connection stands."""
