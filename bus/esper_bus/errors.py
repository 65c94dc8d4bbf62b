"""The one exception that a user can cause."""


class BusError(Exception):
    """Something a user can put right; the message is one sentence that says what to do."""
