"""Sockets with options that keep them from blocking, and from using unbounded memory."""

import errno
import os
import socket as unix_socket
from pathlib import Path
from typing import Any

import zmq

from esper_bus.addresses import ipc_path, make_private_dir, refuse_without_keys
from esper_bus.auth.authenticator import Authenticator, use_key
from esper_bus.auth.handshake import Handshake
from esper_bus.auth.keys import ClientKeys, Right
from esper_bus.limits import MAX_MESSAGE_BYTES, MAX_REQUEST_BYTES
from esper_schemas.errors import InvalidArgument, Refused

Context = zmq.Context["zmq.Socket[bytes]"]
Socket = zmq.Socket[bytes]

INGEST_HWM = 64
QUERY_HWM = 16
SNAPSHOT_HWM = 16
"""Snapshots that are queued for a slow screen: a few for each run, since all runs are published at once."""


def ingest_server(context: Context) -> Socket:
    """The socket where an aggregator receives events; a send to a slow or lost peer fails at once."""
    return _socket(context, zmq.ROUTER, INGEST_HWM, {zmq.ROUTER_MANDATORY: 1})


def ingest_client(context: Context) -> Socket:
    """The socket that sends the events of a trainer; it accepts none while there is no aggregator."""
    return _socket(context, zmq.DEALER, INGEST_HWM, {zmq.IMMEDIATE: 1, **_RECONNECT})


def snapshot_server(context: Context) -> Socket:
    """The socket where an aggregator publishes; it receives every subscription, also repeated ones."""
    return _socket(context, zmq.XPUB, SNAPSHOT_HWM, {zmq.XPUB_VERBOSER: 1, zmq.MAXMSGSIZE: MAX_REQUEST_BYTES})


def snapshot_client(context: Context) -> Socket:
    """The socket where a screen receives snapshots."""
    return _socket(context, zmq.SUB, SNAPSHOT_HWM, _RECONNECT)


def query_server(context: Context) -> Socket:
    """The socket where an aggregator answers queries, which are small."""
    options = {zmq.ROUTER_MANDATORY: 1, zmq.MAXMSGSIZE: MAX_REQUEST_BYTES}
    return _socket(context, zmq.ROUTER, QUERY_HWM, options)


def query_client(context: Context) -> Socket:
    """The socket that sends queries; it accepts none while there is no aggregator."""
    return _socket(context, zmq.DEALER, QUERY_HWM, {zmq.IMMEDIATE: 1, **_RECONNECT})


def connect(socket: Socket, address: str, keys: ClientKeys | None = None) -> Handshake:
    """Connect to an aggregator, over tcp with a key if there is one; returns the handshake.

    Raises `InvalidArgument` for an address that cannot be used, such as one of another machine without a key.
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
            f"Cannot connect to {address} ({error.strerror}); use another address."
        ) from error
    return handshake


def disconnect(socket: Socket | None, handshake: Handshake | None) -> None:
    """Close a client's socket at once, and before it what watches its handshake; either may be absent."""
    if handshake is not None:
        handshake.close()
    if socket is not None:
        socket.close(linger=0)


def bind(socket: Socket, address: str, right: Right, authenticator: Authenticator | None = None) -> str:
    """Bind to an address, over tcp with authentication if there is any; returns the address to unbind from.

    Raises `Refused` if the address is in use or an unknown key is accepted there, and `InvalidArgument` if it
    cannot be used, such as tcp beyond this machine without authentication.
    """
    endpoint = bind_again(socket, address, right, authenticator)
    if authenticator is not None and ipc_path(address) is None:
        authenticator.probe(socket, _PEER_TYPES[int(socket.getsockopt(zmq.TYPE))])
    return endpoint


def bind_again(socket: Socket, address: str, right: Right, authenticator: Authenticator | None = None) -> str:
    """As `bind`, for an address where authentication was probed before."""
    if authenticator is None:
        refuse_without_keys(address)
    elif ipc_path(address) is None:
        authenticator.require_key(socket, right)
    else:  # a listener of libzmq has the options that its socket has when it is bound
        authenticator.accept_local(socket)
    _bind(socket, address)
    return socket.getsockopt_string(zmq.LAST_ENDPOINT).rstrip("\0")


def _bind(socket: Socket, address: str) -> None:
    path = ipc_path(address)
    if path is not None:
        make_private_dir(path.parent)
        if _is_served(path):  # libzmq would replace it silently
            raise Refused(_taken(address))
    mask = os.umask(0o077)
    try:
        socket.bind(address)
    except zmq.ZMQError as error:
        if error.errno == errno.EADDRINUSE:
            raise Refused(_taken(address)) from error
        raise InvalidArgument(
            f"Cannot listen on {address} ({error.strerror}); choose another address."
        ) from error
    finally:
        os.umask(mask)


_PEER_TYPES: dict[int, int] = {zmq.ROUTER: zmq.DEALER, zmq.XPUB: zmq.SUB}
# Instead of ZeroMQ's heartbeats: libzmq aborts where one is due on a connection whose peer is gone while
# messages from it are still queued (zeromq/libzmq#4364). Clients replace a socket that is silent for long,
# and the system detects peers that vanish over tcp.
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


def _is_served(path: Path) -> bool:
    with unix_socket.socket(unix_socket.AF_UNIX, unix_socket.SOCK_STREAM) as probe:
        return probe.connect_ex(os.fspath(path)) == 0


def _taken(address: str) -> str:
    return f"{address} is in use by another process; stop it or choose another address."
