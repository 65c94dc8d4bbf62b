"""Detects network file systems, on which writes hang and readers see files grow late."""

import re
from pathlib import Path

NETWORK_FILE_SYSTEMS = frozenset(
    {"afs", "beegfs", "ceph", "cifs", "glusterfs", "gpfs", "lustre"}
    | {"nfs", "nfs4", "pvfs2", "smb3", "smbfs", "sshfs", "wekafs"}
)
"""Names as Linux prints them, without the `fuse.` prefix."""
_MOUNTS = Path("/proc/self/mountinfo")
_OCTAL = re.compile(r"\\([0-7]{3})")


def network_warning(directory: Path, mounts: str | None = None) -> str:
    """A warning about a directory on a network file system; empty for one on a local disk.

    `mounts` is the text of Linux's `mountinfo`, by default that of this process; where there is none the
    warning is empty.
    """
    try:
        kind = file_system_of(directory.resolve(), _MOUNTS.read_text() if mounts is None else mounts)
    except OSError:
        return ""
    if kind.removeprefix("fuse.") not in NETWORK_FILE_SYSTEMS:
        return ""
    return (
        f"{directory} is on {kind}, a network file system, where writing may hang and a kill may lose "
        "events; choose a runs directory on a local disk, and copy the run afterwards."
    )


def file_system_of(path: Path, mounts: str) -> str:
    """The type of the file system of an absolute path according to `mounts`; empty if it is not listed.

    The mount point nearest to the path counts; of equal ones the last, which hides the others.
    """
    nearest, kind = -1, ""
    for line in mounts.splitlines():
        before, separator, after = line.partition(" - ")
        fields = before.split(" ")
        if not separator or len(fields) < 5:
            continue
        point = Path(_OCTAL.sub(lambda match: chr(int(match[1], 8)), fields[4]))
        if path.is_relative_to(point) and len(point.parts) >= nearest:
            nearest, kind = len(point.parts), after.split(" ")[0]
    return kind
