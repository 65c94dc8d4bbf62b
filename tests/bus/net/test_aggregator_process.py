"""Tests of starting an aggregator; the one that is started here is a stand-in on the path."""

import os
import signal

import pytest

from esper_bus.host.aggregator_lock import aggregator_running
from esper_bus.net.aggregator_process import is_reachable, start_aggregator
from esper_schemas.errors import Unreachable

STAND_IN = """
import sys, time
from pathlib import Path
from esper_schemas.errors import EsperError
from esper_bus.addresses import for_runs_dir
from esper_bus.host.aggregator_lock import AggregatorLock
from esper_bus.net.server import BusServer

runs_dir = Path(sys.argv[sys.argv.index("--runs-dir") + 1])
idle_exit_s = float(sys.argv[sys.argv.index("--idle-exit") + 1])
try:
    lock = AggregatorLock(runs_dir)
except EsperError as error:
    sys.exit(str(error))
server = BusServer(for_runs_dir(runs_dir), lambda run: {})
deadline = time.monotonic() + idle_exit_s
while time.monotonic() < deadline:
    server.receive(0.05)
"""


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """Makes `python -m esper_aggregator` run a given program."""

    def make(program):
        (tmp_path / "path").mkdir(exist_ok=True)
        (tmp_path / "path" / "esper_aggregator.py").write_text(program)
        paths = [
            str(tmp_path / "path"),
            *(path for path in os.environ.get("PYTHONPATH", "").split(":") if path),
        ]
        root = __file__.rsplit("/tests/", 1)[0]
        monkeypatch.setenv("PYTHONPATH", ":".join([*paths, f"{root}/bus", f"{root}/schemas"]))

    return make


@pytest.fixture
def kill(runs_dir):
    """Kills the aggregator of the runs directory at the end."""
    yield
    if aggregator_running(runs_dir):
        os.kill(int((runs_dir / ".aggregator.lock").read_text().split()[0]), signal.SIGKILL)


@pytest.mark.process
@pytest.mark.usefixtures("kill")
def test_an_aggregator_is_started_once(runs_dir, endpoints, stand_in):
    """It answers when the call returns; a second call finds it."""
    stand_in(STAND_IN)
    start_aggregator(runs_dir, 30.0)
    pid = (runs_dir / ".aggregator.lock").read_text()
    start_aggregator(runs_dir, 30.0)

    assert is_reachable(endpoints, 5.0)
    assert (runs_dir / ".aggregator.lock").read_text() == pid


@pytest.mark.process
@pytest.mark.usefixtures("kill")
def test_several_trainers_may_start_it_at_the_same_moment(runs_dir, stand_in, python):
    """Three processes start it; all of them continue with the one that took the lock."""
    stand_in(STAND_IN)
    program = "import sys; from pathlib import Path; "
    program += "from esper_bus.net.aggregator_process import start_aggregator; "
    program += "start_aggregator(Path(sys.argv[1]), 30.0); print('fine')"
    os_path = os.environ["PYTHONPATH"]
    program = f"import os; os.environ['PYTHONPATH'] = {os_path!r}\n" + program
    processes = [python(program, runs_dir) for _ in range(3)]

    assert [process.communicate(timeout=60)[0] for process in processes] == ["fine\n"] * 3


@pytest.mark.process
def test_an_aggregator_that_does_not_start_is_an_error(runs_dir, stand_in):
    """The error contains the last line of its log."""
    stand_in("import sys; sys.exit('The keys are missing.')")
    with pytest.raises(Unreachable, match=r"did not start: The keys are missing\. \(see .*aggregator\.log\)"):
        start_aggregator(runs_dir, 30.0)


@pytest.mark.process
def test_an_aggregator_that_never_answers_is_an_error(runs_dir, stand_in):
    """The error is raised after the timeout."""
    stand_in("import time; time.sleep(5)")
    with pytest.raises(Unreachable, match="did not start: its log is empty"):
        start_aggregator(runs_dir, 30.0, timeout_s=0.5)


def test_an_address_without_an_aggregator_gives_no_answer(endpoints):
    """`is_reachable` returns False after its timeout."""
    assert not is_reachable(endpoints, 0.05)
