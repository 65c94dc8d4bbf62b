"""Reports why an aggregator refuses a connection, which libzmq itself tells only a monitor of the socket."""

import zmq

from esper_bus.auth.keys import ClientKeys
from esper_bus.auth.socket_monitor import SocketMonitor

_HANG_UPS = 3
"""An aggregator that is shutting down may hang up once or twice."""
_REFUSED, _NO_DETAIL = zmq.EVENT_HANDSHAKE_FAILED_AUTH, zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
_PROTOCOL, _SUCCEEDED = zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL, zmq.EVENT_HANDSHAKE_SUCCEEDED


class Handshake:
    """Monitors the connection attempts of a socket; to be closed before the socket.

    `monitor` becomes readable when there may be something new.
    """

    def __init__(self, socket: "zmq.Socket[bytes]", address: str, keys: ClientKeys | None) -> None:
        self._refusal = ""
        self._address = address
        self._keys = keys
        self._hang_ups = 0
        self._monitor = SocketMonitor(socket, _REFUSED | _NO_DETAIL | _PROTOCOL | _SUCCEEDED)
        self.monitor = self._monitor.socket

    def refusal(self) -> str:
        """Why the aggregator refuses the connection, in one sentence; empty if it does not, so far."""
        for event, _ in self._monitor.events():
            self._hang_ups = self._hang_ups + 1 if event == _NO_DETAIL else 0
            if event == _SUCCEEDED:
                self._refusal = ""
            elif event == _REFUSED:
                self._refusal = self._key_refused()
            elif event == _PROTOCOL or self._hang_ups >= _HANG_UPS:
                self._refusal = self._hung_up()
        return self._refusal

    def close(self) -> None:
        """Stop monitoring."""
        self._monitor.close()

    def _key_refused(self) -> str:
        name = self._keys.name if self._keys else ""
        return (
            f"The aggregator at {self._address} refuses the key {name!r}: it is unknown or lacks the right; "
            "allow it with `esper keys add`."
        )

    def _hung_up(self) -> str:
        if self._keys is None:
            return f"The aggregator at {self._address} accepts no connection without a key; pass a key file."
        return (
            f"{self._address} rejects this handshake: its server key is not the one in the key file of "
            f"{self._keys.name!r}, or it uses no keys; compare with `esper keys list` there."
        )
