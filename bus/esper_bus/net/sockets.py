"""Sockets with every option that keeps them from blocking, hoarding or hanging."""

import errno
import os
import socket as plain
from pathlib import Path
from typing import Any

import zmq

from esper_bus.addresses import ipc_path, make_private_dir, refuse_without_keys
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys, Right
from esper_bus.auth.zap import Gate, use_key
from esper_bus.limits import MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES
from esper_schemas.errors import InvalidArgument, Refused

Context = zmq.Context["zmq.Socket[bytes]"]
Socket = zmq.Socket[bytes]

INGEST_HWM = 64
QUERY_HWM = 16
SNAPSHOT_HWM = 16
"""Snapshots that wait for one slow screen: a few for each run, since all runs come at once."""


def ingest_server(context: Context) -> Socket:
    """Where an aggregator takes events; a send to a peer that is gone or full fails at once."""
    return _socket(context, zmq.ROUTER, INGEST_HWM, {zmq.ROUTER_MANDATORY: 1})


def ingest_client(context: Context) -> Socket:
    """Where a trainer sends events; takes none while there is no aggregator."""
    return _socket(context, zmq.DEALER, INGEST_HWM, {zmq.IMMEDIATE: 1, **_RECONNECT})


def snapshot_server(context: Context) -> Socket:
    """Where an aggregator publishes; hears of every subscription, also a repeated one."""
    return _socket(context, zmq.XPUB, SNAPSHOT_HWM, {zmq.XPUB_VERBOSER: 1, zmq.MAXMSGSIZE: MAX_REQUEST_BYTES})


def snapshot_client(context: Context) -> Socket:
    """Where a screen receives snapshots."""
    return _socket(context, zmq.SUB, SNAPSHOT_HWM, _RECONNECT)


def query_server(context: Context) -> Socket:
    """Where an aggregator answers questions, which are small."""
    options = {zmq.ROUTER_MANDATORY: 1, zmq.MAXMSGSIZE: MAX_REQUEST_BYTES}
    return _socket(context, zmq.ROUTER, QUERY_HWM, options)


def query_client(context: Context) -> Socket:
    """Where questions are asked; takes none while there is no aggregator."""
    return _socket(context, zmq.DEALER, QUERY_HWM, {zmq.IMMEDIATE: 1, **_RECONNECT})


def connect(socket: Socket, address: str, keys: ClientKeys | None = None) -> Handshake:
    """Connect to an aggregator, over tcp with a key if there is one; tells why if it is not let in.

    Raises `InvalidArgument` for tcp beyond this machine without a key.
    """
    if ipc_path(address) is not None:
        keys = None
    if keys is None:
        refuse_without_keys(address)
    else:
        use_key(socket, keys)
    handshake = Handshake(socket, address, keys)
    try:
        socket.connect(address)
    except zmq.ZMQError as error:
        handshake.close()
        raise InvalidArgument(
            f"Cannot connect to {address} ({error.strerror}); name another address."
        ) from error
    return handshake


def bind(socket: Socket, address: str, right: Right, gate: Gate | None = None) -> str:
    """Bind to an address, over tcp behind the gate if there is one; returns what to unbind it by.

    Raises `EsperError` if the address is taken or cannot be had, for tcp that other machines can reach
    without a gate, and if the gate turns out to be open.
    """
    endpoint = bind_again(socket, address, right, gate)
    if gate is not None and ipc_path(address) is None:
        gate.probe(socket, _OPPOSITES[int(socket.getsockopt(zmq.TYPE))])
    return endpoint


def bind_again(socket: Socket, address: str, right: Right, gate: Gate | None = None) -> str:
    """As `bind`, for an address whose gate was found to be shut."""
    if gate is None:
        refuse_without_keys(address)
    elif ipc_path(address) is None:
        gate.protect(socket, right)
    else:  # libzmq gives a listener the options that its socket has now
        gate.leave_open(socket)
    _bind(socket, address)
    return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _bind(socket: Socket, address: str) -> None:
    path = ipc_path(address)
    if path is not None:
        make_private_dir(path.parent)
        if _answers(path):  # libzmq would take it over without a word
            raise Refused(_taken(address))
    mask = os.umask(0o077)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refused(_taken(address)) from error
        raise InvalidArgument(f"Cannot listen on {address} ({error.strerror}); choose another.") from error
    finally:
        os.umask(mask)


_OPPOSITES: dict[int, int] = {zmq.ROUTER: zmq.DEALER, zmq.XPUB: zmq.SUB}
# Not ZeroMQ's heartbeats: libzmq aborts the process where one is due on a connection whose peer has gone
# while messages from it still wait (zeromq/libzmq#4364). Clients replace a socket that is silent for long,
# and the system finds out about peers over tcp that are gone without a word.
_DEAD_PEERS = {
    zmq.HANDSHAKE_IVL: 2000,
    zmq.TCP_KEEPALIVE: 1,
    zmq.TCP_KEEPALIVE_IDLE: 5,
    zmq.TCP_KEEPALIVE_INTVL: 2,
    zmq.TCP_KEEPALIVE_CNT: 3,
    zmq.TCP_MAXRT: 5000,
}
_RECONNECT = {zmq.RECONNECT_IVL: 20, zmq.RECONNECT_IVL_MAX: 200}


def _socket(context: Context, kind: int, hwm: int, options: dict[Any, int]) -> Socket:
    socket = context.socket(kind)
    socket.set_hwm(hwm)
    common = {zmq.LINGER: 0, zmq.MAXMSGSIZE: MAX_MESSAGE_BYTES, zmq.IPV6: 1, **_DEAD_PEERS}
    for option, value in {**common, **options}.items():
        socket.setsockopt(option, value)
    return socket


def _answers(path: Path) -> bool:
    with plain.socket(plain.AF_UNIX, plain.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(path)) == 0


def _taken(address: str) -> str:
    return f"{address} is in use by another process; stop it or choose another address."
