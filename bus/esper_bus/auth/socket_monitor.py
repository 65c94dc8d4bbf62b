"""What libzmq has to say about the connections of a socket."""

import itertools
from collections.abc import Iterator

import zmq
from zmq.utils.monitor import parse_monitor_message

_number = itertools.count()


class SocketMonitor:
    """Events of the connections of one socket. Used in its thread, closed before it."""

    def __init__(self, watched: "zmq.Socket[bytes]", events: int) -> None:
        self._watched = watched
        address = f"inproc://esper-monitor-{next(_number)}"
        watched.monitor(address, events)
        self.socket = watched.context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.socket.rcvhwm = 0  # libzmq's own thread would wait for room, and everything with it
        self.socket.connect(address)

    def events(self) -> Iterator[tuple[int, int]]:
        """What happened since the last call: the event, and its value."""
        while True:
            try:
                message = parse_monitor_message(self.socket.recv_multipart(zmq.DONTWAIT))
            except zmq.ZMQError:  # nothing there
                return
            yield message["event"], message["value"]

    def close(self) -> None:
        """Stop listening; libzmq may fail if its end is open when ours is closed."""
        if not self._watched.closed:
            self._watched.disable_monitor()
        self.socket.close(0)
