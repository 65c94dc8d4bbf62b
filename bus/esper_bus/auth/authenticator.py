"""Answers libzmq's requests whether a client with a certain key may connect (ZAP).

The requests are answered in the thread that owns the sockets. pyzmq's `ThreadAuthenticator` is an asyncio
loop in a thread of its own, which may end or stall unnoticed, and a socket that is bound before it listens
accepts every client. Here the sockets cannot be served while the authenticator is not, and
`ZAP_ENFORCE_DOMAIN` makes libzmq refuse all clients that are not authenticated.
"""

import time
from contextlib import ExitStack
from pathlib import Path

import zmq
from zmq.utils import z85

from esper_bus.auth.allow_list import AllowList
from esper_bus.auth.keys import KEY_BYTES, RIGHTS, ClientKeys, Right, load_server_keys
from esper_bus.auth.socket_monitor import SocketMonitor
from esper_bus.rate_limited_log import RateLimitedLog
from esper_schemas.errors import Refused

LOCAL = "local"
"""The user id of clients that connect over ipc; it differs from every key."""
_ZAP_ADDRESS = "inproc://zeromq.zap.01"  # defined by libzmq
_DOMAIN = "esper."
_LOCAL_DOMAIN = b"esper.local"
_NULL_FRAMES = 6  # version, request number, domain, address, identity, mechanism
_CURVE_FRAMES = 7  # and the public key
_REQUESTS_AT_ONCE = 64
_PROBE_S = 5.0
_PROBE_PAUSE_MS = 5


class Authenticator:
    """Accepts clients over tcp only if their key has the right. Raises `EsperError` without valid key files.

    To be created before the sockets are bound, and used in their thread. `socket` is readable when there are
    requests.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", directory: Path) -> None:
        self._keys = load_server_keys(directory)
        self._allow_list = AllowList(directory)
        self._log = RateLimitedLog("esper.bus.auth", keys=str(directory))
        self._context = context
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(_ZAP_ADDRESS)

    def require_key(self, socket: "zmq.Socket[bytes]", right: Right) -> None:
        """Require a key with this right at all addresses that the socket is bound to from now on."""
        socket.curve_server = True
        socket.curve_publickey = self._keys.public.encode()
        socket.curve_secretkey = self._keys.secret.encode()
        socket.zap_domain = (_DOMAIN + right).encode()
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def accept_local(self, socket: "zmq.Socket[bytes]") -> None:
        """Accept all clients, as `LOCAL`, at the ipc addresses that the socket is bound to from now on.

        They are protected by the permissions of their directory.
        """
        socket.curve_server = False
        socket.zap_domain = _LOCAL_DOMAIN  # a domain cannot be removed, so these requests are answered too

    def answer_requests(self) -> None:
        """Answer the requests that have arrived."""
        for _ in range(_REQUESTS_AT_ONCE):
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
                self.socket.send_multipart(self._answer(request), zmq.DONTWAIT)
            except zmq.ZMQError:  # no request, or its client is gone
                return

    def name_of(self, client: str) -> str:
        """The name of a client's key, also if it was removed from the allow-list."""
        return self._allow_list.name_of(client)

    def may_write(self, client: str | None, run: str, producer: str) -> bool:
        """Whether a client may send events of this producer of this run; over ipc all may."""
        return client == LOCAL or self._allow_list.may_write(client, run, producer)

    def may_annotate(self, client: str | None) -> bool:
        """Whether a client may write notes about runs; over ipc all may."""
        return client == LOCAL or self._allow_list.may_annotate(client)

    def probe(self, bound: "zmq.Socket[bytes]", peer_type: int) -> None:
        """Connect to a socket with an unknown key. Raises `Refused` if the key is accepted.

        `peer_type` is the type of the sockets that may connect: libzmq rejects others whatever their key.
        """
        address = bound.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        unknown = ClientKeys("", self._keys.public, *(key.decode() for key in zmq.curve_keypair()))
        with ExitStack() as stack:
            socket = self._context.socket(peer_type)
            stack.callback(socket.close, 0)
            use_key(socket, unknown)
            monitor = SocketMonitor(socket, zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_SUCCEEDED)
            stack.callback(monitor.close)
            socket.connect(_reachable(address))
            if not self._is_refused(monitor):
                raise Refused(f"{address} is not served, since it accepts unknown keys; report this bug.")

    def _is_refused(self, monitor: SocketMonitor) -> bool:
        deadline = time.monotonic() + _PROBE_S
        while time.monotonic() < deadline:
            self.answer_requests()
            for event, _ in monitor.events():
                return event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self.socket.poll(_PROBE_PAUSE_MS)
        return False

    def _answer(self, request: list[bytes]) -> list[bytes]:
        version, number = [*request, b"", b""][:2]
        client = self._authenticate(request)
        if client is None:
            return [version, number, b"400", b"No", b"", b""]
        return [version, number, b"200", b"OK", client.encode(), b""]

    def _authenticate(self, request: list[bytes]) -> str | None:
        """The user id of a client, a public key or `LOCAL`, while it is connected; None to refuse it."""
        if len(request) == _NULL_FRAMES and request[2] == _LOCAL_DOMAIN and request[5] == b"NULL":
            return LOCAL
        if len(request) != _CURVE_FRAMES or request[5] != b"CURVE" or len(request[6]) != KEY_BYTES:
            return None
        domain, address, public = request[2], request[3], z85.encode(request[6]).decode()
        for right in RIGHTS:
            if domain == (_DOMAIN + right).encode():
                if self._allow_list.allows(public, right):
                    return public
                peer = address.decode(errors="replace")
                self._log.warn(f"refused a key without the right to {right}", address=peer, key=public)
        return None


def use_key(socket: "zmq.Socket[bytes]", keys: ClientKeys) -> None:
    """Make a socket that is not connected yet present this key, and trust only the key's aggregator."""
    socket.curve_serverkey = keys.server.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


def _reachable(address: str) -> str:
    """The address by which this machine reaches a socket that is bound to every interface."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
