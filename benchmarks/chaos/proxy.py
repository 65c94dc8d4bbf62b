"""A faulty network: a TCP port in front of an aggregator's address."""

import contextlib
import socket
import struct
import threading
import time
from urllib.parse import urlsplit

from esper_bus.addresses import ipc_path

MODES = ("pass", "pause", "blackhole", "refuse")


class Proxy:
    """Forwards connections to an ipc or tcp address while `mode` is "pass".

    "pause" delays bytes, "blackhole" discards them, "refuse" closes new connections at once.
    """

    def __init__(self, target: str) -> None:
        self.mode = "pass"
        self._target = target
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"tcp://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def reset(self) -> None:
        """Break all connections at once, like a router that has lost them."""
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs.clear()

    def close(self) -> None:
        """Close the port and all connections."""
        self.mode = "pass"
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._connect(client)

    def _connect(self, client: socket.socket) -> None:
        path = ipc_path(self._target)
        server = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
        place = str(path) if path else ("127.0.0.1", urlsplit(self._target).port)
        if self.mode == "refuse" or server.connect_ex(place):
            client.close()
            server.close()
            return
        self._pairs.append((client, server))
        for source, sink in ((client, server), (server, client)):
            threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                while self.mode == "pause":
                    time.sleep(0.005)
                if self.mode != "blackhole":
                    sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)
