"""The errors that a user of Esper can meet, and what a caller does about each of them.

Every message is one sentence or two: what is wrong, and what to do. What is not an `EsperError` is a bug.
"""


class EsperError(Exception):
    """The base of all of them: catch it to report any failure that is not a bug."""


class RunExists(EsperError):
    """Raised for a new run whose name is taken. Choose another name, or resume the run."""


class Refused(EsperError):
    """Raised where an aggregator, or another process that owns something, does not permit the operation.

    A key that lacks the right, another protocol version, a run or address that another process holds. It
    stays so until a person changes something; trying again does not help.
    """


class Unreachable(EsperError):
    """Raised where an aggregator or another process does not answer. The only error that is worth a retry."""


class InvalidArgument(EsperError):
    """Raised for an argument or setting that cannot work, such as a malformed address. Pass another one."""


class StorageError(EsperError):
    """Raised where a file or directory cannot be read or written. Free space or change its permissions."""


class Damaged(EsperError):
    """Raised where a file can be read, but its contents are not what they must be. Repair or replace it."""
