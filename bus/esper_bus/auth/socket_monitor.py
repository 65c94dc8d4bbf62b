"""The connection events of a socket, as libzmq reports them."""

import itertools
from collections.abc import Iterator

import zmq
from zmq.utils.monitor import parse_monitor_message

_number = itertools.count()


class SocketMonitor:
    """Connection events of one socket. Used in the thread of that socket, closed before it.

    `socket` is readable when there are events.
    """

    def __init__(self, monitored: "zmq.Socket[bytes]", events: int) -> None:
        self._monitored = monitored
        address = f"inproc://esper-monitor-{next(_number)}"
        monitored.monitor(address, events)
        self.socket = monitored.context.socket(zmq.PAIR)
        self.socket.linger = 0
        self.socket.rcvhwm = 0  # no limit: libzmq's IO thread would block until the events are read
        self.socket.connect(address)

    def events(self) -> Iterator[tuple[int, int]]:
        """The events since the last call, each with its value."""
        while True:
            try:
                message = parse_monitor_message(self.socket.recv_multipart(zmq.DONTWAIT))
            except zmq.ZMQError:  # no more events
                return
            yield message["event"], message["value"]

    def close(self) -> None:
        """Stop monitoring, first at libzmq's end: it may abort if ours is closed while its own is open."""
        if not self._monitored.closed:
            self._monitored.disable_monitor()
        self.socket.close(0)
