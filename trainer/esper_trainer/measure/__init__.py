"""What an update measures about itself, on the device, until it is one packed row."""
