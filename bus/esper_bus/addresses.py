"""The addresses of an aggregator, local and remote. Opens no sockets."""

import hashlib
import ipaddress
import os
import re
import stat
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit

from esper_schemas.errors import InvalidArgument, StorageError

IPC_PATH_LIMIT = 107
"""Maximum length of the path of a Unix socket in bytes, without the final zero."""
DEFAULT_TCP_PORT = 5556
_LAST_PORT = 65535
_HOST = re.compile(r"\*|[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")


class Endpoints(NamedTuple):
    """The addresses of an aggregator: events from trainers, snapshots and events to viewers, and queries."""

    ingest: str
    snapshots: str
    query: str


def for_runs_dir(runs_dir: Path) -> Endpoints:
    """The local addresses of the aggregator of a runs directory."""
    return _ipc(runtime_dir(runs_dir))


def runtime_dir(runs_dir: Path) -> Path:
    """The private directory for the sockets of one runs directory; it is not created here."""
    digest = hashlib.sha256(os.fsencode(runs_dir.resolve())).hexdigest()[:16]
    return runtime_base() / digest


def runtime_base() -> Path:
    """The private directory of this user for the sockets of all aggregators."""
    session = os.environ.get("XDG_RUNTIME_DIR")
    if session and Path(session).is_dir() and _fits(Path(session) / "esper" / ("0" * 16)):
        return Path(session) / "esper"
    return Path("/tmp") / f"esper-{os.getuid()}"


def make_private_dir(directory: Path) -> Path:
    """Create a directory that only this user can enter. Raises `StorageError` if that fails."""
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        status = directory.lstat()
    except OSError as error:
        raise StorageError(
            f"Cannot create {directory} for sockets ({error.strerror}); set XDG_RUNTIME_DIR to "
            "a directory that you own."
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise StorageError(
            f"{directory} is open to other users and cannot hold sockets; remove it, make it "
            "private with `chmod 700`, or choose another directory."
        )
    return directory


def parse(url: str, *, keyed: bool = False) -> Endpoints:
    """Parse an address, `ipc:///directory` or `tcp://host:5556` (snapshots: port + 1, queries: + 2).

    Raises `InvalidArgument` for anything else, and for unencrypted tcp to or from other machines.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        raise InvalidArgument(_invalid_address(url)) from None
    if parts.scheme == "ipc" and not parts.netloc and len(parts.path) > 1:
        return _ipc(Path(parts.path))
    if parts.scheme == "tcp":
        endpoints = _tcp(url, parts)
        if not keyed:
            refuse_without_keys(endpoints.ingest)
        return endpoints
    raise InvalidArgument(_invalid_address(url))


def refuse_without_keys(address: str) -> None:
    """Raise `InvalidArgument` for a tcp address on another machine, or that other machines can reach."""
    if not is_local(address):
        raise InvalidArgument(
            f"{address} is not on this machine and unencrypted tcp is refused there; pass a key file "
            "(`esper keys add` makes one), or use tcp://127.0.0.1 through an ssh tunnel."
        )


def is_local(address: str) -> bool:
    """Whether no traffic of this address leaves the machine."""
    host = urlsplit(address).hostname or ""
    return address.startswith(("ipc://", "inproc://")) or _is_loopback(host)


def ipc_path(address: str) -> Path | None:
    """The socket file of an ipc address, None for other addresses."""
    return Path(address.removeprefix("ipc://")) if address.startswith("ipc://") else None


def _ipc(directory: Path) -> Endpoints:
    if not _fits(directory):
        raise InvalidArgument(
            f"{directory} is too long for a socket address; choose a directory of at most "
            f"{IPC_PATH_LIMIT - len('/snapshots')} bytes."
        )
    return Endpoints(*(f"ipc://{directory}/{name}" for name in Endpoints._fields))


def _fits(directory: Path) -> bool:
    return len(os.fsencode(directory / "snapshots")) <= IPC_PATH_LIMIT


def _tcp(url: str, parts: SplitResult) -> Endpoints:
    try:
        host, port = parts.hostname or "", parts.port or DEFAULT_TCP_PORT
    except ValueError:
        raise InvalidArgument(_invalid_address(url)) from None
    if port + len(Endpoints._fields) - 1 > _LAST_PORT or not _is_host(host):
        raise InvalidArgument(_invalid_address(url))
    shown = f"[{host}]" if ":" in host else "127.0.0.1" if host == "localhost" else host
    return Endpoints(*(f"tcp://{shown}:{port + index}" for index in range(len(Endpoints._fields))))


def _is_host(host: str) -> bool:
    return _is_ip(host) or _HOST.fullmatch(host) is not None


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_ip(host) and ipaddress.ip_address(host).is_loopback)


def _invalid_address(url: str) -> str:
    return f"{url!r} is not an address; use ipc:///directory or tcp://127.0.0.1:5556."
