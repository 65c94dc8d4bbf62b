"""Who may come in: the answers to libzmq's question whether a peer with this key is let in (ZAP).

Answered in the thread that owns the sockets, not by pyzmq's `ThreadAuthenticator`: that one is an
asyncio loop in a thread of its own, which may die or stall unseen, and a socket that is bound before it
listens lets strangers in for good. Here the question is asked and answered in one loop, so that a
handler that is dead means an aggregator that is dead; and `ZAP_ENFORCE_DOMAIN` has libzmq refuse
everybody whom nobody has answered for.
"""

import time
from contextlib import ExitStack
from pathlib import Path

import zmq
from zmq.utils import z85

from esper_bus.auth.allow_list import AllowList
from esper_bus.auth.keys import RIGHTS, ClientKeys, Right, load_server_keys
from esper_bus.auth.socket_monitor import SocketMonitor
from esper_bus.rate_limited_log import RateLimitedLog
from esper_schemas.errors import Refused

_ADDRESS = "inproc://zeromq.zap.01"  # libzmq's own name for it
_DOMAIN = "esper."
_LOCAL_DOMAIN = b"esper.local"
LOCAL = "local"
"""Who came in over ipc past a gate; no key reads like that."""
_LOCAL_FRAMES = 6  # version, request, domain, address, identity, mechanism
_FRAMES = 7  # and a key
_KEY_BYTES = 32
_AT_ONCE = 64
_OPPOSITES: dict[int, int] = {
    zmq.ROUTER: zmq.DEALER,
    zmq.XPUB: zmq.SUB,
}  # others are turned away for their kind
_PROBE_S = 5.0
_PROBE_MS = 5


class Gate:
    """Lets in over tcp only those whose key has the right. Raises `EsperError` without good key files.

    To be made before a socket is bound, and used in the thread of the sockets.
    """

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", directory: Path) -> None:
        self._keys = load_server_keys(directory)
        self._allowed = AllowList(directory)
        self._log = RateLimitedLog("esper.bus.auth", keys=str(directory))
        self._context = context
        self.socket = context.socket(zmq.REP)
        self.socket.linger = 0
        self.socket.bind(_ADDRESS)

    def protect(self, socket: "zmq.Socket[bytes]", right: Right) -> None:
        """Demand a key with this right from all who connect to what is bound from now on."""
        socket.curve_server = True
        socket.curve_publickey = self._keys.public.encode()
        socket.curve_secretkey = self._keys.secret.encode()
        socket.zap_domain = (_DOMAIN + right).encode()
        socket.setsockopt(zmq.ZAP_ENFORCE_DOMAIN, 1)

    def leave_open(self, socket: "zmq.Socket[bytes]") -> None:
        """Let in, as `LOCAL`, all who connect to what is bound from now on: ipc, guarded by its directory."""
        socket.curve_server = False
        socket.zap_domain = _LOCAL_DOMAIN  # libzmq takes a domain back no more, so those are answered too

    def serve(self) -> None:
        """Answer those who are at the gate."""
        for _ in range(_AT_ONCE):
            try:
                request = self.socket.recv_multipart(zmq.DONTWAIT)
                self.socket.send_multipart(self._answer(request), zmq.DONTWAIT)
            except zmq.ZMQError:  # nobody is there, or not any more
                return

    def name_of(self, client: str) -> str:
        """What the key of a client is called, or was."""
        return self._allowed.name_of(client)

    def may_write(self, client: str | None, run: str, producer: str) -> bool:
        """Whether this client may send the events of this producer of this run.

        Whoever came over ipc may send all events; over tcp nobody gets that name.
        """
        return client == LOCAL or self._allowed.may_write(client, run, producer)

    def probe(self, bound: "zmq.Socket[bytes]", opposite: int) -> None:
        """Try to come in with a key that nobody knows. Raises `Refused` if that is not refused.

        `opposite` is the kind of socket that may connect: others are turned away before their key is read.
        """
        address = bound.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")
        stranger = ClientKeys("", self._keys.public, *(key.decode() for key in zmq.curve_keypair()))
        with ExitStack() as stack:
            socket = self._context.socket(opposite)
            stack.callback(socket.close, 0)
            use_key(socket, stranger)
            monitor = SocketMonitor(socket, zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_SUCCEEDED)
            stack.callback(monitor.close)
            socket.connect(_reachable(address))
            if not self._is_refused(monitor):
                raise Refused(f"Strangers are not refused at {address}, so nothing is served there.")

    def _is_refused(self, monitor: SocketMonitor) -> bool:
        deadline = time.monotonic() + _PROBE_S
        while time.monotonic() < deadline:
            self.serve()
            for event, _ in monitor.events():
                return event == zmq.EVENT_HANDSHAKE_FAILED_AUTH
            self.socket.poll(_PROBE_MS)
        return False

    def _answer(self, request: list[bytes]) -> list[bytes]:
        version, number = [*request, b"", b""][:2]
        client = self._judge(request)
        if client is None:
            return [version, number, b"400", b"No", b"", b""]
        return [version, number, b"200", b"OK", client.encode(), b""]

    def _judge(self, request: list[bytes]) -> str | None:
        """Who is let in: a public key or `LOCAL`, for as long as the connection lasts; None for nobody."""
        if len(request) == _LOCAL_FRAMES and request[2] == _LOCAL_DOMAIN and request[5] == b"NULL":
            return LOCAL
        if len(request) != _FRAMES or request[5] != b"CURVE" or len(request[6]) != _KEY_BYTES:
            return None
        domain, address, public = request[2], request[3], z85.encode(request[6]).decode()
        for right in RIGHTS:
            if domain == (_DOMAIN + right).encode():
                if self._allowed.allows(public, right):
                    return public
                where = address.decode(errors="replace")
                self._log.warn(f"a key is refused to {right}", address=where, key=public)
        return None


def use_key(socket: "zmq.Socket[bytes]", keys: ClientKeys) -> None:
    """Have a socket, before it connects, show this key and trust only the aggregator of the key."""
    socket.curve_serverkey = keys.server.encode()
    socket.curve_publickey = keys.public.encode()
    socket.curve_secretkey = keys.secret.encode()


def _reachable(address: str) -> str:
    """Where a socket that is bound to every interface can be reached from here."""
    return address.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")
