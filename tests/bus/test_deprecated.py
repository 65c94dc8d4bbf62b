"""Programs written for version 0.1.0 run, with warnings that name the successors."""

import subprocess
import sys

import pytest

import esper_bus
import esper_lite
from esper_bus.addresses import parse
from esper_bus.net.query_client import QueryClient
from esper_bus.paths import RunPaths
from esper_bus.protocol import query_messages
from esper_bus.store.run_reader import read_records

pytestmark = pytest.mark.process

MOVED = [
    ("BusError", "EsperError"),
    ("Subscription", "Subscription"),
    ("Telemetry", "Telemetry"),
    ("connect", "connect"),
    ("subscribe", "subscribe"),
]
MODULES = [
    ("layout", "parse", "esper_bus.addresses", parse),
    ("layout", "RunPaths", "esper_bus.paths", RunPaths),
    ("queries", "RunsQuery", "esper_bus.protocol.query_messages", query_messages.RunsQuery),
    ("query_client", "QueryClient", "esper_bus.net.query_client", QueryClient),
    ("reading", "read_records", "esper_bus.store.run_reader", read_records),
]

HOW_TO = """
import esper_bus
from esper_bus.layout import parse
from esper_bus.queries import EventsQuery, HealthQuery, RunsQuery, SnapshotQuery
from esper_bus.query_client import QueryClient
from esper_schemas.codec import decode_snapshot
from esper_schemas.events import RolloutCompleted, RunStarted
from esper_schemas.payload import PPOUpdatePayload
import esper_bus.reading

with esper_bus.connect(run="cartpole", runs_dir="{runs_dir}", aggregator=False) as telemetry:
    telemetry.emit(PPOUpdatePayload(policy_loss=-0.01, value_loss=0.4, entropy=0.69))
for record in esper_bus.subscribe("{runs_dir}/cartpole", kinds=["PPOUpdateCompleted"], timeout=0.1):
    print(record.producer, record.seq, record.event.payload.value_loss)
print(len(list(esper_bus.reading.read_records(__import__("pathlib").Path("{runs_dir}/cartpole")))))
try:
    esper_bus.connect(run="cartpole", runs_dir="{runs_dir}")
except esper_bus.BusError as error:
    print(error)
"""


@pytest.mark.parametrize(("old", "new"), MOVED)
def test_a_name_of_the_package_warns_and_gives_its_successor(old, new):
    """The warning points at the line that uses the name."""
    with pytest.warns(DeprecationWarning, match=f"^esper_bus.{old} is .* use esper_lite.{new}.$") as warnings:
        found = getattr(esper_bus, old)

    assert found is getattr(esper_lite, new)
    assert {warning.filename for warning in warnings} == {__file__}


@pytest.mark.parametrize(("module", "name", "home", "successor"), MODULES)
def test_a_module_that_has_moved_warns_and_gives_its_contents(module, name, home, successor):
    """A name of the module warns and says where it is now."""
    imported = __import__(f"esper_bus.{module}", fromlist=[""])
    with pytest.warns(
        DeprecationWarning, match=f"^esper_bus.{module}.{name} .* use {home}.{name}.$"
    ) as warnings:
        found = getattr(imported, name)

    assert found is successor
    assert {warning.filename for warning in warnings} == {__file__}


@pytest.mark.parametrize("module", [esper_bus, *(sys.modules[f"esper_bus.{name}"] for name, *_ in MODULES)])
@pytest.mark.parametrize("name", ["no_such_name", "__no_such_name__"])
def test_a_name_that_never_was_is_an_attribute_error(module, name):
    """`hasattr` works as for any module."""
    assert not hasattr(module, name)


@pytest.mark.process
def test_the_how_tos_of_version_0_1_0_run(tmp_path):
    """They run unchanged, with one warning for each line and name that has moved."""
    program = HOW_TO.format(runs_dir=tmp_path)
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", program], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[:2] == ["trainer:0 1 0.4", "3"]
    assert "resume=True" in done.stdout
    assert len(done.stderr.splitlines()) == len(set(done.stderr.splitlines())) == 11, done.stderr
    assert all("DeprecationWarning: esper_bus." in line for line in done.stderr.splitlines())


@pytest.mark.process
def test_importing_the_package_warns_of_nothing():
    """Importing the package is silent, and nothing is loaded for the old names."""
    program = "import sys, esper_bus; print(sorted({'esper_lite', 'zmq', 'mcap'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=False
    )

    assert (done.stdout, done.stderr) == ("[]\n", "")
