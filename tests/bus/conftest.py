"""Fixtures for the bus: real directories, sockets, keys and processes, and small events."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from benchmarks.ports import free_ports

from esper_bus.addresses import Endpoints, for_runs_dir, parse
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.records import Batch, RawRecord, StreamKey
from esper_schemas.codec import encode_event
from esper_schemas.events import EpisodeCompleted

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def runtime(monkeypatch):
    """Sockets of a test live in a short private directory of their own."""
    directory = tempfile.mkdtemp(prefix="esper-test-", dir="/tmp")
    monkeypatch.setenv("XDG_RUNTIME_DIR", directory)
    yield Path(directory)
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def runs_dir(tmp_path):
    """An empty runs directory."""
    return tmp_path / "runs"


@pytest.fixture
def endpoints(runs_dir):
    """The addresses of the aggregator of `runs_dir`."""
    return for_runs_dir(runs_dir)


@pytest.fixture
def key():
    """A stream."""
    return StreamKey("run", "host:0", 0xE90C)


@pytest.fixture
def episode():
    """Makes a small event that differs from the others by its number."""

    def make(number):
        return EpisodeCompleted(environment=0, episode=number, episode_return=0.5 * number, length=9)

    return make


@pytest.fixture
def batch(episode):
    """Makes the encoded events `first`..`end`-1 of a stream."""

    def make(first, end):
        return Batch(first, [(10**18 + seq, encode_event(episode(seq))) for seq in range(first, end)])

    return make


@pytest.fixture
def records(batch, key):
    """Makes the events `first`..`end`-1 of a stream as an aggregator gets them."""

    def make(first, end, stream=key):
        return [
            RawRecord(stream, seq, emitted_ns, emitted_ns + 5, data)
            for seq, (emitted_ns, data) in enumerate(batch(first, end).entries, first)
        ]

    return make


@pytest.fixture
def keys(tmp_path):
    """A directory with the keys of an aggregator."""
    create_server_keys(tmp_path / "keys")
    return tmp_path / "keys"


@pytest.fixture
def client(keys, tmp_path):
    """Makes the key of a client, allowed by the aggregator."""

    def make(name, rights=("ingest", "view"), producers=("trainer:*",)):
        return load_client_keys(add_client(keys, name, rights, producers))

    return make


@pytest.fixture
def address():
    """An address that is served with keys."""
    return parse(f"tcp://127.0.0.1:{free_ports(len(Endpoints._fields))}", keyed=True)


@pytest.fixture
def until():
    """Calls a function until its result is true, with a deadline; returns the result."""

    def wait(fact, timeout=30.0, pause=0.005):
        deadline = time.monotonic() + timeout
        while not (result := fact()):
            assert time.monotonic() < deadline, "it did not become true in time"
            time.sleep(pause)
        return result

    return wait


@pytest.fixture
def python():
    """Starts a program in a Python process of its own; kills it at the end."""
    processes = []
    paths = [str(ROOT / package) for package in ("schemas", "bus")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}

    def start(program, *arguments):
        process = subprocess.Popen(
            [sys.executable, "-c", program, *map(str, arguments)],
            env={**environment, "XDG_RUNTIME_DIR": os.environ["XDG_RUNTIME_DIR"]},
            stdout=subprocess.PIPE,
            text=True,
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()
        process.stdout.close()


AGGREGATOR = """
import sys
from pathlib import Path
from esper_bus.addresses import Endpoints, for_runs_dir, parse
from esper_bus.auth.key_directory import add_client, create_server_keys
from esper_bus.auth.keys import load_client_keys
from esper_bus.host.aggregator_lock import AggregatorLock
from esper_bus.store.log_writer import LogWriter
from esper_bus.store.run_reader import read_log
from esper_bus.net.server import BusServer

runs_dir = Path(sys.argv[1])
logs = {}

def recover(run):
    logs[run] = LogWriter(runs_dir / run, run, server.agg_epoch, 0)
    return {r.stream: r.seq + 1 for r in read_log(runs_dir / run)}

with AggregatorLock(runs_dir):
    server = BusServer(for_runs_dir(runs_dir), recover)
    print("ready", flush=True)
    while True:
        for record in server.receive(0.05):
            logs[record.stream.run].extend([record])
        for log in logs.values():
            log.flush()
        server.acknowledge()
"""


@pytest.fixture
def aggregator(python, runs_dir):
    """Starts a process that logs what it receives, and acknowledges it; waits until it listens."""

    def start():
        process = python(AGGREGATOR, runs_dir)

        assert process.stdout.readline() == "ready\n"

        return process

    return start
