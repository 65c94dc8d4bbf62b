"""The allow-list of a running aggregator: who may do what, as its file says now.

Clients are their public keys here: a name may belong to another key tomorrow.
"""

import time
from pathlib import Path

from esper_bus.auth.keys import CLIENTS_FILE, AllowedClient, Clients, Right, read_clients
from esper_bus.rate_limited_log import RateLimitedLog
from esper_schemas.errors import EsperError

LOOK_AGAIN_S = 0.5
"""A change counts after this time for those who are in already, without a restart."""


class AllowList:
    """Reads the file again when it changed. While it cannot be read, nobody is allowed anything."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = RateLimitedLog("esper.bus.auth", keys=str(directory))
        self._stamp: tuple[int, ...] | None = None
        self._looked_at = 0.0
        self._names: dict[str, str] = {}  # also of keys that were removed: they may still be connected
        self._allowed: dict[str, AllowedClient] = {}
        self._take(read_clients(directory))

    def allows(self, public: str, right: Right) -> bool:
        """Whether the owner of this key has the right."""
        self._looked_at = 0.0  # whoever was told that the key is allowed now may come at once
        self._refresh()
        return public in self._allowed and right in self._allowed[public].rights

    def may_write(self, public: str | None, run: str, producer: str) -> bool:
        """Whether the owner of this key may send the events of this producer of this run."""
        self._refresh()
        client = None if public is None else self._allowed.get(public)
        return client is not None and client.may_write(run, producer)

    def name_of(self, public: str) -> str:
        """What a key is called, or was while it was allowed; itself if it never was."""
        return self._names.get(public, public)

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
            self._take(read_clients(self._directory))
        except EsperError as error:
            self._take({})
            self._log.warn("the allow-list cannot be read, nobody is let in", reason=str(error))

    def _take(self, clients: Clients) -> None:
        self._allowed = {client.public: client for client in clients.values()}
        self._names |= {client.public: name for name, client in clients.items()}


def _stamp(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
