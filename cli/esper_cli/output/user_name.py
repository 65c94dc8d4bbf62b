"""The name of the user, as others see it."""

import getpass


def user_name() -> str:
    """The name of this user; empty if the system knows none."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return ""
