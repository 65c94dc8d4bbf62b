"""Sanctum on a terminal while its connection is lost and restored, or its aggregator has another version."""

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
    """A runs directory with its own sockets, in a short path because the length of ipc paths is limited."""
    place = tmp_path_factory.mktemp("c")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(place))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(place))
    monkeypatch.setenv("ESPER_RUNS_DIR", str(place / "runs"))
    (place / "runs").mkdir()
    return place / "runs"


@pytest.fixture
def aggregate(runs_dir):
    """Starts aggregators as `esper aggregate` does, and ends them after the test."""
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
    """A connected trainer without a network to train."""
    with esper_lite.connect("watched", runs_dir=runs_dir) as telemetry:
        yield telemetry


class SnapshotProxy:
    """A proxy for an aggregator's snapshots, in its own directory, whose connections can be cut."""

    def __init__(self, directory, target):
        self.target, self.pairs = str(target), []
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(directory / "snapshots"))
        self.listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        with contextlib.suppress(OSError):
            while True:
                self._connect(self.listener.accept()[0])

    def _connect(self, near):
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self.target)
        except OSError:  # The aggregator has not started yet; the client tries again.
            near.close()
            far.close()
            return
        self.pairs.append((near, far))
        for one, other in ((near, far), (far, near)):
            threading.Thread(target=self._forward, args=(one, other), daemon=True).start()

    def _forward(self, one, other):
        with contextlib.suppress(OSError):
            while said := one.recv(65536):
                other.sendall(said)

    def cut(self):
        """Break all connections and return their number."""
        cut, self.pairs = self.pairs, []
        for end in itertools.chain(*cut):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
            end.close()
        return len(cut)

    def close(self):
        """Accept no more connections."""
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


@pytest.fixture
def proxy(runs_dir, tmp_path_factory):
    """A proxy for the aggregator of the runs directory, and its address."""
    directory = tmp_path_factory.mktemp("l")
    made = SnapshotProxy(directory, runtime_dir(runs_dir) / "snapshots")
    yield made, f"ipc://{directory}"
    made.close()


def show_update(terminal, training, loss):
    """Emit an update and wait until its loss is on the screen."""
    terminal.written = b""
    training.emit(PPOUpdatePayload(policy_loss=loss))
    terminal.read_until(lambda seen: f"{loss:.3f}".encode() in seen)


def redraw(terminal, width):
    """Have the whole screen redrawn, and return the output."""
    terminal.written = b""
    terminal.resize(width, 30)
    terminal.read_until(lambda seen: b"PPO LOSSES" in seen and b"FINDINGS" in seen)
    return terminal.written


def leave(terminal):
    """Quit with the key, and check that there was no error."""
    terminal.press(b"q")
    terminal.read_until(lambda seen: b"\x1b[?1049l" in seen)

    assert terminal.process.wait(DEADLINE_S) == 0
    assert b"Traceback" not in terminal.written


@pytest.mark.process
def test_an_aggregator_is_killed_and_restarted(open_terminal, aggregate, training):
    """The last snapshot stays, marked as disconnected; after the restart the screen is live again."""
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
def test_a_connection_is_cut_repeatedly(open_terminal, aggregate, training, proxy):
    """Updates are shown after each of five cuts, and the screen stays live."""
    flapping, address = proxy
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
    """Publishes a snapshot with other fields, as an aggregator of a newer version would."""
    make_private_dir(runtime_dir(runs_dir))
    server, published = BusServer(for_runs_dir(runs_dir), lambda run: {}), {}

    def publish(**fields):
        """Serve the viewer once; to be called repeatedly."""
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
    """Read until a word is on the screen, and publish meanwhile."""
    terminal.read_until(lambda seen: publish() or word in seen)


@pytest.mark.process
def test_a_newer_version_is_refused_but_newer_fields_are_accepted(open_terminal, newer):
    """Nothing of another snapshot version is drawn; unknown fields of this version are ignored."""
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
    """The terminal is not asked to report the mouse, so that text is selected as usual."""
    terminal = open_terminal(*SANCTUM, *options)
    terminal.read_until(lambda seen: b"ACTION HEADS" in seen)
    leave(terminal)

    assert [report in terminal.written for report in MOUSE_REPORTS] == [asked_for] * 3
