"""F15: messages that malicious or broken peers send to an aggregator."""

import contextlib
import random
import socket
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import zmq
from benchmarks.chaos.world import World

from esper_bus.addresses import ipc_path
from esper_bus.auth.authenticator import use_key
from esper_bus.auth.keys import load_client_keys
from esper_bus.limits import MAX_MESSAGE_BYTES
from esper_bus.protocol.frames import Data, Hello, encode
from esper_bus.records import Batch

Socket = zmq.Socket[bytes]

KINDS = [b"H\x01", b"D\x01", b"P\x01", b"B\x01", b"H\x02", b""]
NESTED = b"\x91" * 50_000
BOMBS = [bytes([kind]) + b"\xff" * 4 for kind in (0xDB, 0xDD, 0xDF)] + [NESTED, b"\x81\xa4type" + NESTED]
_GREETING = b"\xff" + bytes(8) + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)


class Peers:
    """Sockets of peers that are accepted, with keys if the world has keys; close them at the end."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._context: zmq.Context[Socket] = zmq.Context()
        self._made: list[Socket] = []  # the context alone would not keep them

    def sender(self) -> Socket:
        """A peer that may send events."""
        return self._connected(zmq.DEALER, self._world.endpoints.ingest, "trainer")

    def viewer(self) -> Socket:
        """A peer that may subscribe, with subscription messages of its own."""
        return self._connected(zmq.XSUB, self._world.endpoints.snapshots, "viewer")

    def asker(self) -> Socket:
        """A peer that may send queries."""
        return self._connected(zmq.DEALER, self._world.endpoints.query, "viewer")

    def close(self) -> None:
        """Close all of them at once."""
        self._context.destroy(linger=0)

    def _connected(self, kind: int, address: str, key: str) -> Socket:
        peer = self._context.socket(kind)
        self._made.append(peer)
        file = self._world.key_file(key)
        if file is not None:
            use_key(peer, load_client_keys(Path(file)))
        peer.connect(address)
        return peer


@contextlib.contextmanager
def peers(world: World) -> Iterator[Peers]:
    """Peers that are closed when the context ends."""
    made = Peers(world)
    try:
        yield made
    finally:
        made.close()


def offer(peer: Socket, frames: list[bytes]) -> None:
    """Send a message, unless the socket stays full."""
    if peer.poll(200, zmq.POLLOUT):
        with contextlib.suppress(zmq.Again):
            peer.send_multipart(frames, zmq.DONTWAIT)


def random_frames(rng: random.Random) -> list[bytes]:
    """A message that begins like a valid one and continues with random bytes."""
    frames = [rng.randbytes(rng.randint(0, 60)) for _ in range(rng.randint(1, 4))]
    return [rng.choice([*KINDS, frames[0]]), *frames[1:]]


def forged(rng: random.Random, epoch: int) -> list[list[bytes]]:
    """A greeting, then events with a wrong checksum, and random data and bombs with a right one."""
    kind, header, body = encode(Data(epoch, Batch(0, [(1, rng.randbytes(30))])))
    return [
        encode(Hello(run="run", producer="trainer:6", epoch=epoch, first=0, next=1)),
        [kind, header, body[:-1] + bytes([body[-1] ^ 1])],
        *([kind, _checked(epoch, junk), junk] for junk in (rng.randbytes(len(body)), *BOMBS)),
    ]


def crowd(runs: int) -> list[list[bytes]]:
    """Greetings of trainers of the given number of runs, none of which ever sends an event."""
    hellos = (Hello(run=f"crowd-{n}", producer="trainer:0", epoch=n, first=0, next=0) for n in range(runs))
    return [encode(hello) for hello in hellos]


def _checked(epoch: int, body: bytes) -> bytes:
    """The header of one event with the right checksum for any body."""
    mark = struct.pack("<QQI", epoch, 0, 1)
    return mark + struct.pack("<I", zlib.crc32(body, zlib.crc32(mark)))


def plain(address: str) -> socket.socket:
    """A connection without the protocol of libzmq."""
    path = ipc_path(address)
    made = socket.socket(socket.AF_UNIX if path else socket.AF_INET)
    try:
        made.connect(str(path) if path else ("127.0.0.1", urlsplit(address).port))
    except OSError:
        made.close()
        raise
    return made


def raw_bytes(world: World) -> None:
    """Connections that send random bytes and disconnect."""
    for address in world.endpoints:
        for _ in range(7):
            with contextlib.suppress(OSError), plain(address) as peer:
                peer.sendall(world.rng.randbytes(world.rng.randint(0, 3000)))


def message_of_1_gib(address: str) -> int:
    """Complete the handshake, announce and send a message of 1 GiB; returns the number of bytes accepted."""
    with plain(address) as peer, contextlib.suppress(OSError):
        _greet(peer)
        peer.sendall(b"\x02" + struct.pack(">Q", 2**30))
        return _pour(peer, 2**30)
    return 0


def message_without_end(address: str, megabytes: int) -> int:
    """Send parts of allowed size, each announcing another one; returns the number of bytes accepted."""
    part = b"\x03" + struct.pack(">Q", MAX_MESSAGE_BYTES - 1) + bytes(MAX_MESSAGE_BYTES - 1)
    taken = 0
    with plain(address) as peer, contextlib.suppress(OSError):
        _greet(peer)
        while taken < megabytes * 2**20:
            peer.sendall(part)
            taken += len(part)
    return taken


def _pour(peer: socket.socket, size: int) -> int:
    taken, block = 0, bytes(2**20)
    with contextlib.suppress(OSError):
        while taken < size:
            peer.sendall(block)
            taken += len(block)
    return taken


def _greet(peer: socket.socket) -> None:
    """The handshake of ZMTP 3 (https://rfc.zeromq.org/spec/23/) without encryption; a gate disconnects."""
    peer.settimeout(5)
    peer.sendall(_GREETING)
    peer.recv(64, socket.MSG_WAITALL)
    ready = b"\x05READY" + b"".join(
        bytes([len(name)]) + name + struct.pack(">I", len(value)) + value
        for name, value in ((b"Socket-Type", b"DEALER"), (b"Identity", b""))
    )
    peer.sendall(b"\x04" + bytes([len(ready)]) + ready)
    peer.recv(1000)
