"""Going back in time in Sanctum, on a recorded run and on a live one, as a user does."""

import re
import shlex
import shutil
import socket
import subprocess
import threading
import time

import pytest
from benchmarks.ports import free_ports

from esper_bus import addresses
from esper_bus.auth.keys import client_keys_for
from esper_bus.net.remote_history import RemoteHistory
from esper_bus.net.snapshot_source import SocketSource
from esper_schemas.codec import to_json
from esper_tui.app import SanctumApp

pytestmark = [pytest.mark.process, pytest.mark.slow]
needs_tmux = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")
TRAINING = ("--envs", "4", "--episodes", "12", "--checkpoint-every", "5", "--name", "past")


@pytest.fixture(scope="module")
def recorded(playground, commands):
    """A recorded run of twelve updates."""
    done = playground.run([*commands["train"], *TRAINING])
    assert done.returncode == 0, done.stderr
    return playground.runs_dir / "past"


class Tmux:
    """A tmux server with one pane."""

    def __init__(self, playground):
        self._command = ["tmux", "-f", "/dev/null", "-S", str(playground.runs_dir.parent / "rewind")]
        self._environment = {**playground.environment, "TERM": "xterm-256color"}
        del self._environment["COLUMNS"]  # Textual would use it as the width of every window.

    def command(self, *words):
        """Run a command of the server."""
        command = [*self._command, *map(str, words)]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)

    def start(self, command, width, height):
        """Run a command in a window of this size."""
        self.command("new-session", "-d", "-x", width, "-y", height, shlex.join(command))
        self.command("set-option", "-g", "status", "off")

    def press(self, *keys):
        """Press keys, by the names of tmux."""
        self.command("send-keys", *keys)

    def screen(self):
        """The text of the pane."""
        return self.command("capture-pane", "-p").stdout


@pytest.fixture
def tmux(playground):
    """A tmux server that is ended after the test, with everything that runs in it."""
    server = Tmux(playground)
    yield server
    server.command("kill-server")


def update_of(screen):
    """The update in the first row."""
    found = re.search(r"update (\d+)/", screen.partition("\n")[0])
    return int(found[1]) if found else None


@needs_tmux
def test_a_recorded_run_is_rewound_in_a_terminal(tmux, recorded, commands, wait_for):
    """Every key of the past arrives through a real terminal, and the screen is that of the update."""

    def see(update, *words):
        wait_for(
            lambda: update_of(tmux.screen()) == update and all(word in tmux.screen() for word in words),
            what=f"update {update} with {words} in\n{tmux.screen()}",
        )

    tmux.start([*commands["sanctum"], str(recorded)], 120, 40)
    see(12, "REPLAY")
    tmux.press(",")
    see(11, "PAST", "end: +1")
    tmux.press(",", ",")
    see(9, "PAST", "end: +3")
    tmux.press(".")
    see(10, "end: +2")
    tmux.press("<")
    see(5, "checkpoint of update 5")
    tmux.press(">")
    see(10, "checkpoint of update 10")
    tmux.press(":", "7", "Enter")
    see(7, "end: +5")
    tmux.press("T")
    see(7, "space play")
    tmux.press("Home")
    see(1, "end: +11")
    tmux.press("+", "+", "+", "+", "+", "+")
    wait_for(lambda: "64×" in tmux.screen(), what="the speed")
    tmux.press("-")
    wait_for(lambda: "32×" in tmux.screen(), what="the lower speed")
    tmux.press("Space")
    see(12, "REPLAY", "the present")
    tmux.press(",")
    see(11, "PAST")
    tmux.press("End")
    see(12, "REPLAY")
    tmux.press("q")


def test_the_past_of_a_live_run_is_that_of_its_file(playground, recorded, commands, wait_for):
    """The aggregator answers as the log does."""
    playground.start([*commands["esper"], "aggregate"])
    wait_for(
        lambda: playground.run([*commands["sanctum"], "--once"]).returncode == 0, what="a snapshot of the run"
    )
    live = playground.run([*commands["sanctum"], "--run", "past", "--json", "--at", "update:7"])
    file = playground.run([*commands["sanctum"], str(recorded), "--json", "--at", "update:7"])

    assert live.returncode == file.returncode == 0, live.stderr
    assert live.stdout == file.stdout


DELAY_S, BYTES_A_SECOND = 0.04, 200_000


class ThinLink:
    """Forwards connections to other ports, slowly and late, until it is closed."""

    def __init__(self, first_port, to_port, count):
        self._listeners = [socket.create_server(("127.0.0.1", first_port + n)) for n in range(count)]
        for number, listener in enumerate(self._listeners):
            threading.Thread(target=self._accept, args=(listener, to_port + number), daemon=True).start()

    def _accept(self, listener, port):
        while True:
            try:
                ours, _ = listener.accept()
            except OSError:
                return
            theirs = socket.create_connection(("127.0.0.1", port))
            for source, sink in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source, sink):
        try:
            while data := source.recv(16_384):
                time.sleep(DELAY_S + len(data) / BYTES_A_SECOND)
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def close(self):
        """Accept no more connections."""
        for listener in self._listeners:
            listener.close()


@pytest.fixture
def keys(playground, commands):
    """The keys of an aggregator, a trainer and a viewer."""
    directory = playground.runs_dir.parent / "keys"
    for words in (
        ["init", directory],
        ["add", directory, "trainer", "--rights", "ingest"],
        ["add", directory, "viewer", "--rights", "view"],
    ):
        assert playground.run([*commands["esper"], "keys", *map(str, words)]).returncode == 0
    return directory


@pytest.fixture
def port(playground, keys, commands):
    """The first port of an aggregator that demands keys."""
    port = free_ports(len(addresses.Endpoints._fields))
    words = ["--runs-dir", str(keys / "runs"), "--server-keys", str(keys)]
    listen = ["--listen", f"tcp://127.0.0.1:{port}"]
    process = playground.start([*commands["esper"], "aggregate", *words, *listen])
    assert any("aggregator ready" in line for line in process.stdout)
    return port


@pytest.fixture
def thin_link(port):
    """The first port of a thin link to the aggregator."""
    first = free_ports(len(addresses.Endpoints._fields))
    link = ThinLink(first, port, len(addresses.Endpoints._fields))
    yield first
    link.close()


async def test_rewinding_over_a_thin_encrypted_link_changes_nothing_for_others(
    playground, keys, port, thin_link, commands
):
    """One viewer goes back and forth while another one watches: that one and the log have every update, and
    what the first one saw is what the log folds to.
    """
    url, viewer = f"tcp://127.0.0.1:{port}", keys / "viewer.key"
    words = ["--episodes", "8", "--envs", "4", "--name", "far", "--aggregator", url]
    trainer = playground.start([*commands["train"], *words, "--keys", str(keys / "trainer.key")])
    far, near = (addresses.parse(f"tcp://127.0.0.1:{each}", keyed=True) for each in (thin_link, port))
    own_key = client_keys_for(near.ingest, viewer)
    watching = SocketSource(lambda: near, keys=own_key)
    source = SocketSource(lambda: far, keys=own_key, compress=True)
    app = SanctumApp(source, open_history=lambda run: RemoteHistory(lambda: far, run, own_key))
    seen = {}

    async def until(pilot, is_true):
        deadline = time.monotonic() + 120
        while not is_true():
            watching.poll()
            assert time.monotonic() < deadline
            await pilot.pause(0.02)

    async with app.run_test(size=(120, 40)) as pilot:
        await until(pilot, lambda: app.view().snapshot.tamiyo.last_update >= 4)
        for key in ("comma", "comma", "full_stop", "comma", "less_than_sign", "comma"):
            await pilot.press(key)
            await until(pilot, lambda: not app.rewind.is_waiting)
        for update in ("1", "3", "2"):
            await pilot.press("colon", update, "enter")
            await until(pilot, lambda update=update: app.view().snapshot.tamiyo.last_update == int(update))
            seen[update] = to_json(app.view().snapshot, indent=2)
        await until(pilot, lambda: watching.poll().snapshot.run.outcome == "completed")
        assert app.view().is_past
        await until(pilot, lambda: app.view().link.snapshot.run.outcome == "completed")
    live = watching.poll().snapshot
    source.close()
    watching.close()

    assert trainer.wait(60) == 0
    run_dir = str(keys / "runs" / "far")
    verified = playground.run([*commands["esper"], "log", "verify", run_dir])
    assert verified.returncode == 0, verified.stdout + verified.stderr
    assert live.tamiyo.ppo_updates_count == 8
    for update, snapshot in seen.items():
        printed = playground.run([*commands["sanctum"], run_dir, "--json", "--at", f"update:{update}"])
        assert printed.stdout.rstrip("\n") == snapshot
