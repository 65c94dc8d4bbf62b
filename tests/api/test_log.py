"""Tests of `log` and `define`, with real files."""

import math
import sys
import threading
from collections import UserDict
from concurrent.futures import ThreadPoolExecutor

import pytest

import esper_lite
from esper_lite import InvalidArgument, MetricDefined, MetricSpec, ScalarsLogged


def logged(events):
    """The calls of `log` that were recorded."""
    return [event for event in events if isinstance(event, ScalarsLogged)]


class Hostile(UserDict):
    """A mapping that breaks when it is read."""

    def __iter__(self):
        raise RuntimeError("broken")


def test_a_call_is_one_event_with_the_names_of_the_program(connect, events):
    """They are translated where they are read, not on the training thread."""
    with connect() as telemetry:
        telemetry.log({"losses/approx_kl": 0.25, "kl_ref": 3}, step=2048)
        telemetry.log(UserDict(kl_ref=4.0))

    assert logged(events()) == [
        ScalarsLogged(values={"losses/approx_kl": 0.25, "kl_ref": 3.0}, step=2048),
        ScalarsLogged(values={"kl_ref": 4.0}),
    ]


def test_numbers_of_other_libraries_are_numbers(connect, events):
    """True and false are 1 and 0, since only the program knows what its own metric means."""
    numpy = pytest.importorskip("numpy")
    torch = pytest.importorskip("torch")
    values = {
        "a": numpy.float32(0.5),
        "b": numpy.array([0.25]),
        "c": torch.tensor(0.125),
        "d": True,
        "e": numpy.bool_(False),
        "f": numpy.int64(3),
        "g": numpy.float64("nan"),
        "h": torch.tensor(2),
    }
    with connect() as telemetry:
        telemetry.log(values, step=numpy.int64(7))
    (event,) = logged(events())

    assert event.step == 7
    assert math.isnan(event.values.pop("g"))
    assert event.values == {"a": 0.5, "b": 0.25, "c": 0.125, "d": 1.0, "e": 0.0, "f": 3.0, "h": 2.0}
    assert telemetry.stats.left_out == 0


@pytest.mark.parametrize("value", ["0.5", b"x", [1.0, 2.0], {"x": 1.0}, 10**400, object, 1j])
def test_what_is_no_number_is_left_out_and_named(connect, events, value):
    """The other values of the call are recorded."""
    with connect() as telemetry:
        telemetry.log({"bad": value, "kl_ref": 2.0}, step=1)
    recorded = events()

    assert [event.values for event in logged(recorded)] == [{"kl_ref": 2.0}]
    assert telemetry.stats.left_out == 1
    assert telemetry.stats.problem.startswith("ScalarsLogged.values.bad is ")
    assert any("ScalarsLogged.values.bad" in getattr(event, "message", "") for event in recorded)


@pytest.mark.parametrize("values", [Hostile(a=1.0), 5, None, "text", [1.0]])
def test_what_is_no_mapping_is_dropped_and_counted(connect, values):
    """A program that logs it goes on."""
    with connect() as telemetry:
        telemetry.log(values)

    assert telemetry.stats.dropped == 1


@pytest.mark.parametrize("step", ["12", 2**70, object(), 1.5])
def test_a_step_that_is_none_is_left_out(connect, events, step):
    """The values are recorded without it."""
    with connect() as telemetry:
        telemetry.log({"kl_ref": 2.0}, step=step)

    assert logged(events()) == [ScalarsLogged(values={"kl_ref": 2.0})]


def test_the_time_of_a_call_may_be_given(connect, runs_dir):
    """In seconds since 1970; what cannot be a time counts as now."""
    with connect() as telemetry:
        for time in (1_000.5, "yesterday", math.nan, -5, 1e300):
            telemetry.log({"kl_ref": 1.0}, time=time)
        begin = telemetry.stats
    records = list(esper_lite.open_run(runs_dir / "cartpole").records())
    times = [record.emitted_ns for record in records if isinstance(record.event, ScalarsLogged)]

    assert begin.dropped == 0
    assert sorted(times)[0] == 1_000_500_000_000
    assert all(time > 1.7e18 for time in sorted(times)[1:])


def test_threads_may_log_at_the_same_time(connect, events):
    """Every call is recorded."""
    interval = sys.getswitchinterval()
    barrier = threading.Barrier(8)

    def log(telemetry, thread):
        barrier.wait()
        for number in range(500):
            telemetry.log({f"thread/{thread}": number})

    sys.setswitchinterval(1e-6)
    try:
        with connect() as telemetry, ThreadPoolExecutor(8) as threads:
            list(threads.map(log, [telemetry] * 8, range(8)))
    finally:
        sys.setswitchinterval(interval)

    assert len(logged(events())) == 4000


def test_a_metric_is_described_by_keywords(connect, events):
    """Bounds may be numbers of any library."""
    numpy = pytest.importorskip("numpy")
    with connect() as telemetry:
        telemetry.define("kl_ref", unit="nats", warning_above=numpy.float32(10), good="falling")
    (event,) = [event for event in events() if isinstance(event, MetricDefined)]

    assert event.metric == MetricSpec(name="kl_ref", unit="nats", warning_above=10.0, good="falling")


@pytest.mark.parametrize(
    ("description", "message"),
    [
        ({"warn_above": 1}, "A metric has no 'warn_above'; describe it with unit, meaning"),
        (
            {"warning_above": "10"},
            "The metric 'kl_ref' cannot be defined: Expected",
        ),
        ({"good": "up"}, "The metric 'kl_ref' cannot be defined: Invalid enum value 'up'"),
        ({"warning_above": 2, "critical_above": 1}, "warning_above is 2 but critical_above is 1"),
        ({"warning_below": 5.0, "warning_above": float("nan")}, "inverted"),
    ],
)
def test_a_description_is_checked_where_it_is_given(connect, description, message):
    """The error names the keyword."""
    with connect() as telemetry, pytest.raises(InvalidArgument, match=message):
        telemetry.define("kl_ref", **description)


def test_a_disabled_recorder_takes_everything():
    """It records nothing."""
    telemetry = esper_lite.connect(enabled=False)
    telemetry.log({"kl_ref": 1.0}, step=3, time=5.0)
    telemetry.define("kl_ref")

    assert telemetry.close().emitted == 0
