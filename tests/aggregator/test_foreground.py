"""The settings of an aggregator determine where it listens; its process ends on a signal."""

import signal
import subprocess
import sys

import pytest

from esper_aggregator.foreground import AggregatorSettings
from esper_bus import addresses
from esper_schemas.errors import InvalidArgument

pytestmark = pytest.mark.process


def test_by_default_it_listens_for_its_runs_directory(tmp_path):
    """The address is the one that clients on this machine derive from the directory."""
    assert AggregatorSettings(runs_dir=tmp_path).endpoints() == addresses.for_runs_dir(tmp_path)


def test_beyond_this_machine_it_needs_keys(tmp_path):
    """On this machine it needs none."""
    for listen, keys in (("tcp://127.0.0.1:7000", None), ("tcp://0.0.0.0:7000", tmp_path)):
        settings = AggregatorSettings(runs_dir=tmp_path, listen=listen, keys=keys)
        assert settings.endpoints().ingest == listen
    with pytest.raises(InvalidArgument):
        AggregatorSettings(runs_dir=tmp_path, listen="tcp://0.0.0.0:7000").endpoints()


PROGRAM = """
import sys
from pathlib import Path
from esper_aggregator.foreground import AggregatorSettings, serve_until_stopped
from esper_bus.host.process_logging import configure_logging

configure_logging()
serve_until_stopped(AggregatorSettings(runs_dir=Path(sys.argv[1])))
print("stopped")
"""


@pytest.mark.process
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_it_cleanly(tmp_path, monkeypatch, number):
    """`serve_until_stopped` returns, and the process exits with 0."""
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    command = [sys.executable, "-c", PROGRAM, str(tmp_path / "runs")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        seen = ""
        while "aggregator ready" not in seen:
            seen = process.stdout.readline()
            assert seen, "the aggregator did not start"
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)

    assert output.endswith("stopped\n")
    assert process.returncode == 0
