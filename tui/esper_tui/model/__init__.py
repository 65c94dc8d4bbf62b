"""What is looked at and how: view, settings, navigation, connection status."""
