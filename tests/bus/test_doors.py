"""Who is not let in is counted; what peers may use up is bounded: real sockets, a real limit of files."""

import socket
import time
from contextlib import ExitStack

import pytest
import zmq

from esper_bus.descriptors import raise_fd_limit
from esper_bus.doors import Doors
from esper_bus.layout import ipc_path

FEW = """
import resource, sys
from pathlib import Path
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
from esper_bus import doors
from esper_bus.layout import for_runs_dir
doors.spare_files = lambda: 3500  # this machine may be so busy that a quarter is accepted between two looks
doors = doors.Doors(for_runs_dir(Path(sys.argv[1])), None)
print("ready", flush=True)
while True:
    doors.wait(0.05)
"""


@pytest.fixture
def peer(endpoints):
    """One that sends."""
    context = zmq.Context()
    peer = context.socket(zmq.DEALER)
    peer.connect(endpoints.ingest)
    yield peer
    peer.close(linger=0)
    context.term()


def test_nobody_new_is_let_in_while_files_are_short(python, runs_dir, endpoints, until):
    """More peers than files: libzmq would abort; instead they find no door, until some have gone."""
    process = python(FEW, runs_dir)
    assert process.stdout.readline() == "ready\n"
    raise_fd_limit()
    with ExitStack() as crowd:
        knocks = (knock(endpoints, crowd) for _ in range(3000))

        assert not all(knocks)
        assert process.poll() is None

    with ExitStack() as few:
        until(lambda: knock(endpoints, few))
    assert process.poll() is None


def knock(endpoints, stack):
    """Whether a door is open; stay in it until the end."""
    peer = stack.enter_context(socket.socket(socket.AF_UNIX))
    return peer.connect_ex(str(ipc_path(endpoints.ingest))) == 0


def test_all_are_sent_away_when_too_much_piles_up(monkeypatch, peer, endpoints, until):
    """And come again by themselves."""
    memory = [10**8]
    monkeypatch.setattr("esper_bus.doors.memory_bytes", lambda: memory[0])
    doors = Doors(endpoints, None)
    peer.send(b"one")
    until(lambda: not doors.wait(0.1) and doors.ingest.poll(0))
    memory[0] += 600 * 2**20

    assert until(lambda: doors.wait(0.1))
    assert not doors.wait(0.0)
    peer.send(b"two")
    until(lambda: not doors.wait(0.1) and doors.ingest.poll(0))
    assert doors.ingest.recv_multipart()[1] == b"two"
    doors.close(0)


def test_waiting_does_not_end_because_somebody_comes(peer, endpoints):
    """Only because somebody says something."""
    doors = Doors(endpoints, None)
    began = time.monotonic()
    doors.wait(0.3)

    assert time.monotonic() - began > 0.25
    doors.close(0)
