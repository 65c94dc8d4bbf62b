"""Connection events of a real socket."""

import pytest
import zmq

from esper_bus.auth.socket_monitor import SocketMonitor


@pytest.fixture
def context():
    """A context that is destroyed, with its sockets, after the test."""
    context = zmq.Context()
    yield context
    context.destroy(linger=0)


def test_events_are_returned_once(context, until, tmp_path):
    """Two sockets are monitored at the same time, each for the requested events only."""
    server, client = context.socket(zmq.ROUTER), context.socket(zmq.DEALER)
    accepted = SocketMonitor(server, zmq.EVENT_ACCEPTED)
    connected = SocketMonitor(client, zmq.EVENT_HANDSHAKE_SUCCEEDED)
    server.bind(f"ipc://{tmp_path}/s")
    client.connect(f"ipc://{tmp_path}/s")
    until(lambda: accepted.socket.poll(0) and connected.socket.poll(0))

    assert [event for event, _ in accepted.events()] == [zmq.EVENT_ACCEPTED]
    assert [event for event, _ in connected.events()] == [zmq.EVENT_HANDSHAKE_SUCCEEDED]
    assert list(accepted.events()) == []
    for monitor, socket in ((accepted, server), (connected, client)):
        monitor.close()
        socket.close(0)


def test_a_monitor_can_be_closed_after_its_socket(context):
    """Closing them in this order raises nothing."""
    socket = context.socket(zmq.DEALER)
    monitor = SocketMonitor(socket, zmq.EVENT_ALL)
    socket.close(0)
    monitor.close()
