"""Why an aggregator does not let us in, in a sentence; libzmq itself would try for ever in silence."""

import zmq

from esper_bus.auth.keys import ClientKeys
from esper_bus.auth.socket_monitor import SocketMonitor

_HANG_UPS = 3
"""An aggregator that is just ending may hang up once or twice."""
_REFUSED, _NO_DETAIL = zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_PROTOCOL, _SUCCEEDED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_SUCCEEDED


class Handshake:
    """Watches a socket that connects; to be closed before it."""

    def __init__(self, socket: "zmq.Socket[bytes]", address: str, keys: ClientKeys | None) -> None:
        self.problem = ""
        self._address = address
        self._keys = keys
        self._hang_ups = 0
        self._monitor = SocketMonitor(socket, _REFUSED | _NO_DETAIL | _PROTOCOL | _SUCCEEDED)

    def look(self) -> str:
        """Why we are not let in, empty while nothing is known against it."""
        for event, _ in self._monitor.events():
            self._hang_ups = self._hang_ups + 1 if event == _NO_DETAIL else 0
            if event == _SUCCEEDED:
                self.problem = ""
            elif event == _REFUSED:
                self.problem = self._key_refused()
            elif event == _PROTOCOL or self._hang_ups >= _HANG_UPS:
                self.problem = self._hung_up()
        return self.problem

    def close(self) -> None:
        """Watch no longer."""
        self._monitor.close()

    def _key_refused(self) -> str:
        name = self._keys.name if self._keys else ""
        return (
            f"The aggregator at {self._address} refuses the key {name!r} here: it is unknown or lacks the "
            "right; have it allowed with `esper keys add`."
        )

    def _hung_up(self) -> str:
        if self._keys is None:
            return f"The aggregator at {self._address} lets nobody in without a key; name one with --keys."
        return (
            f"{self._address} does not accept this handshake: it uses another server key than "
            f"{self._keys.name!r} names, or none; compare `esper keys list` there."
        )
