"""The allow-list of a running aggregator, which follows changes of its file.

Clients are identified by their public keys here: a name may be given to another key.
"""

import time
from pathlib import Path

from esper_bus.auth.keys import CLIENTS_FILE, AllowedClient, Clients, Right, read_clients
from esper_bus.rate_limited_log import RateLimitedLog
from esper_schemas.errors import EsperError

CHECK_AFTER_S = 0.5
"""Changes apply to connected clients after this time, without a restart."""


class AllowList:
    """The clients in a key directory. While the file cannot be read, no client has any right.

    Raises `EsperError` if it cannot be read at the beginning.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = RateLimitedLog("esper.bus.auth", keys=str(directory))
        self._file_state: tuple[int, ...] | None = None
        self._checked_at = 0.0
        self._names: dict[str, str] = {}  # also of removed keys: they may still be connected
        self._allowed: dict[str, AllowedClient] = {}
        self._set(read_clients(directory))

    def allows(self, public: str, right: Right) -> bool:
        """Whether the key has the right now, for a client that connects."""
        self._checked_at = 0.0  # a key that was allowed a moment ago is accepted at once
        self._reload_if_changed()
        return public in self._allowed and right in self._allowed[public].rights

    def may_annotate(self, public: str | None) -> bool:
        """Whether the key may write notes about runs."""
        self._reload_if_changed()
        client = None if public is None else self._allowed.get(public)
        return client is not None and "annotate" in client.rights

    def may_write(self, public: str | None, run: str, producer: str) -> bool:
        """Whether the key may send events of this producer of this run."""
        self._reload_if_changed()
        client = None if public is None else self._allowed.get(public)
        return client is not None and client.may_write(run, producer)

    def name_of(self, public: str) -> str:
        """The name of a key that is or was allowed; otherwise the key itself."""
        return self._names.get(public, public)

    def _reload_if_changed(self) -> None:
        now = time.monotonic()
        if now - self._checked_at < CHECK_AFTER_S:
            return
        self._checked_at = now
        state = _state_of(self._directory / CLIENTS_FILE)
        if state is not None and state == self._file_state:
            return
        self._file_state = state
        try:
            self._set(read_clients(self._directory))
        except EsperError as error:
            self._set({})
            self._log.warn("cannot read the allow-list; no client has access over tcp", reason=str(error))

    def _set(self, clients: Clients) -> None:
        self._allowed = {client.public: client for client in clients.values()}
        self._names |= {client.public: name for name, client in clients.items()}


def _state_of(path: Path) -> tuple[int, ...] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode
