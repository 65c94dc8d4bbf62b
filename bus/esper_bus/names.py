"""Names of runs and producers, which become file names and topics; epochs."""

import re
import secrets

from esper_schemas.errors import InvalidArgument

NOTES_PRODUCER = "notes"
"""The producer of the notes about a run."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,95}")
_NOT_IN_A_FILE_NAME = re.compile(r"[^A-Za-z0-9._-]")


def is_name(text: str) -> bool:
    """Whether `text` is a valid name: at most 96 letters, digits and `._:@+-`, a letter or digit first."""
    return _NAME.fullmatch(text) is not None


def check_name(what: str, text: str) -> str:
    """Return `text` if it is a valid name of a `what`. Raises `InvalidArgument` otherwise."""
    if is_name(text):
        return text
    raise InvalidArgument(
        f"{text!r} cannot name a {what}: use letters, digits and ._:@+- (at most 96, a letter or "
        "digit first)."
    )


def file_part(name: str) -> str:
    """Turn a name into part of a file name; different names may give the same part."""
    return _NOT_IN_A_FILE_NAME.sub("-", name)


def new_epoch() -> int:
    """A random 64-bit number that identifies one start of a process."""
    return secrets.randbits(64)


def epoch_hex(epoch: int) -> str:
    """An epoch as in file names: sixteen hexadecimal digits."""
    return f"{epoch:016x}"
