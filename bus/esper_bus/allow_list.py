"""The allow-list of a running aggregator: who may do what, as its file says now."""

import time
from pathlib import Path

from esper_bus.complaints import Complaints
from esper_bus.errors import BusError
from esper_bus.keys import CLIENTS_FILE, Clients, Right, read_clients

LOOK_AGAIN_S = 0.5
"""A change counts after this time for those who are in already, without a restart."""


class AllowList:
    """Reads the file again when it changed. While it cannot be read, nobody is allowed anything."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._complaints = Complaints(keys=str(directory))
        self._stamp: tuple[int, ...] | None = None
        self._looked_at = 0.0
        self._clients: Clients = read_clients(directory)
        self._names = _by_key(self._clients)

    def name_of(self, public: str, right: Right) -> str | None:
        """Whose key this is, if its owner has the right; None for all others."""
        self._looked_at = 0.0  # whoever was told that the key is allowed now may come at once
        self._refresh()
        name = self._names.get(public)
        return name if name is not None and right in self._clients[name].rights else None

    def may_write(self, name: str | None, run: str, producer: str) -> bool:
        """Whether this client may send the events of this producer of this run."""
        self._refresh()
        client = None if name is None else self._clients.get(name)
        return client is not None and client.may_write(run, producer)

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._looked_at < LOOK_AGAIN_S:
            return
        self._looked_at = now
        stamp = _stamp(self._directory / CLIENTS_FILE)
        if stamp is not None and stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._clients = read_clients(self._directory)
        except BusError as error:
            self._clients = {}
            self._complaints.warn("the allow-list cannot be read, nobody is let in", reason=str(error))
        self._names = _by_key(self._clients)


def _by_key(clients: Clients) -> dict[str, str]:
    return {client.public: name for name, client in clients.items()}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
