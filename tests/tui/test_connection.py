"""Sanctum on a terminal while what it watches breaks off, comes back, or is of another version."""

import contextlib
import itertools
import signal
import socket
import subprocess
import sys
import threading

import msgspec
import pytest
from tests.tui.pseudo_terminal import DEADLINE_S

import esper_lite
from esper_bus.addresses import for_runs_dir, make_private_dir, runtime_dir
from esper_bus.net.server import BusServer
from esper_schemas.payload import PPOUpdatePayload
from esper_schemas.snapshot import SNAPSHOT_VERSION, RunInfo, SanctumSnapshot
from esper_schemas.state import TamiyoState

SANCTUM = (sys.executable, "-m", "esper_cli.sanctum")
MOUSE_REPORTS = (b"\x1b[?1000h", b"\x1b[?1003h", b"\x1b[?1006h")


@pytest.fixture
def runs_dir(tmp_path_factory, monkeypatch):
    """A runs directory whose sockets are apart from all others; short, because ipc paths are."""
    place = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("ESPER_RUNS_DIR", str(place / "runs"))
    (place / "runs").mkdir()
    return place / "runs"


@pytest.fixture
def aggregate(runs_dir):
    """Starts aggregators as `esper aggregate` does, and leaves none behind."""
    started = []

    def start():
        command = [sys.executable, "-m", "esper_cli", "aggregate", "--runs-dir", str(runs_dir)]
        started.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        return started[-1]

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def training(runs_dir):
    """A trainer's part of a run: connected, heard, and without a network to train."""
    with esper_lite.connect("watched", runs_dir=runs_dir) as telemetry:
        yield telemetry


class Line:
    """A way to an aggregator's snapshots, in a directory of its own, that can be cut again and again."""

    def __init__(self, directory, target):
        self.target, self.pairs = str(target), []
        self.door = socket.socket(socket.AF_UNIX)
        self.door.bind(str(directory / "snapshots"))
        self.door.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                self._connect(self.door.accept()[0])

    def _connect(self, near):
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self.target)
        except OSError:  # the aggregator is not there yet: whoever calls tries again
            near.close()
            far.close()
            return
        self.pairs.append((near, far))
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one, other):
        with contextlib.suppress(OSError):
            while said := one.recv(65536):
                other.sendall(said)

    def cut(self):
        """Break every connection that there is; how many there were."""
        cut, self.pairs = self.pairs, []
        for end in itertools.chain(*cut):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(cut)

    def close(self):
        """Let nobody in any more."""
        self.door.shutdown(socket.SHUT_RDWR)
        self.door.close()
        self.cut()


@pytest.fixture
def line(runs_dir, tmp_path_factory):
    """A line to the aggregator of the runs directory, and where it begins."""
    directory = tmp_path_factory.mktemp("l")
    made = Line(directory, runtime_dir(runs_dir) / "snapshots")
    yield made, f"ipc://{directory}"
    made.close()


def show_update(terminal, training, loss):
    """Make an update and wait until its loss stands on the screen."""
    terminal.written = b""
    training.emit(PPOUpdatePayload(policy_loss=loss))
    terminal.read_until(lambda seen: f"{loss:.3f}".encode() in seen)


def redraw(terminal, width):
    """Have the whole screen drawn anew, and give it."""
    terminal.written = b""
    terminal.resize(width, 30)
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"ACTION HEADS" in seen)
    return terminal.written


def leave(terminal):
    """By the key; nothing went wrong on the way."""
    terminal.press(b"q")
    terminal.read_until(lambda seen: b"\x1b[?1049l" in seen)

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.process
def test_an_aggregator_killed_and_started_again(open_terminal, aggregate, training):
    """The last snapshot stays, marked as old and with its age; then the screen is live again by itself."""
    aggregator = aggregate()
    terminal = open_terminal(*SANCTUM)
    show_update(terminal, training, 0.125)
    aggregator.send_signal(signal.SIGKILL)
    aggregator.wait()
    terminal.read_until(lambda seen: b"DISCONNECTED" in seen and b"showing its last snapshot" in seen)
    old = redraw(terminal, 100)
    aggregate()
    show_update(terminal, training, 0.375)
    now = redraw(terminal, 101)

    assert b"0.125" in old
    assert b"LIVE" in now
    assert b"DISCONNECTED" not in now
    leave(terminal)


@pytest.mark.process
def test_a_connection_that_flaps(open_terminal, aggregate, training, line):
    """Cut five times while updates arrive: each is shown all the same, and the picture stays live."""
    flapping, address = line
    aggregate()
    terminal = open_terminal(*SANCTUM, address)
    show_update(terminal, training, 0.125)
    for number in range(1, 6):
        assert flapping.cut()
        show_update(terminal, training, 0.125 + number)

    assert b"LIVE" in redraw(terminal, 100)
    leave(terminal)


@pytest.fixture
def newer(runs_dir):
    """Publishes a picture with other fields, as an aggregator of a newer version would."""
    make_private_dir(runtime_dir(runs_dir))
    server, published = BusServer(for_runs_dir(runs_dir), lambda run: {}), {}

    def publish(**fields):
        """What to call again and again."""
        server.receive(0.005)
        if server.wanted() or fields != published:
            published.clear()
            published.update(fields)
            state = TamiyoState(ppo_data_received=True, policy_loss=0.125, last_update=7)
            snapshot = SanctumSnapshot(events_folded=5, run=RunInfo(run="new", started_ns=1), tamiyo=state)
            body = msgspec.msgpack.encode(msgspec.to_builtins(snapshot) | fields)
            server.publish("new", 5, body, 77)

    yield publish
    server.close()


def read_while(terminal, publish, word):
    """Read until a word is on the screen, publishing meanwhile."""
    terminal.read_until(lambda seen: publish() or word in seen)


@pytest.mark.process
def test_a_newer_version_is_refused_but_newer_fields_are_accepted(open_terminal, newer):
    """Of another version of snapshots nothing is drawn; of this one, all that is known."""
    terminal = open_terminal(*SANCTUM)
    read_while(terminal, lambda: newer(version=SNAPSHOT_VERSION + 1), b"another version")
    refused = terminal.written
    more = {"weather": {"rain": [1, None, "much"]}, "version": SNAPSHOT_VERSION}
    read_while(terminal, lambda: newer(**more), b"0.125")

    assert b"0.125" not in refused
    assert b"another version" not in redraw(terminal, 100)
    leave(terminal)


@pytest.mark.process
@pytest.mark.parametrize(("options", "asked_for"), [((), True), (("--no-mouse",), False)])
def test_no_mouse_leaves_the_mouse_to_the_terminal(open_terminal, runs_dir, options, asked_for):
    """Text is selected as everywhere else: the terminal is never asked to report the mouse."""
    terminal = open_terminal(*SANCTUM, *options)
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)
    leave(terminal)

    assert [report in terminal.written for report in MOUSE_REPORTS] == [asked_for] * 3
