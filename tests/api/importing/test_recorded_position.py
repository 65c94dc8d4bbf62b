"""Tests of deriving the position in a log from the events of its run."""

import math

from esper_lite.importing.recorded_position import FilePosition, Recorded, recorded_position
from esper_schemas.events import RunStarted, ScalarsLogged


def logged(step, source="a", **values):
    """An event of an importer."""
    return ScalarsLogged(values=values, step=step, source=source)


def test_the_position_is_the_number_of_values_of_each_file():
    """An update is counted once for its step, in any number of events."""
    recorded = Recorded()
    recorded.add(logged(1, approx_kl=0.1))
    recorded.add(logged(1, entropy=0.1, x=1.0))
    recorded.add(logged(1, "b", x=1.0))
    recorded.add(logged(2, "a", x=1.0))
    recorded.add(logged(2, "a", x=None))

    assert {key: at.values for key, at in recorded.files.items()} == {"a": 4, "b": 1}
    assert (recorded.updates, recorded.files["a"].last) == (1, ("x", 1.0))


def test_without_steps_each_event_with_a_metric_is_an_update():
    """A repeated name begins the next one in the fold."""
    recorded = Recorded()
    for _ in range(3):
        recorded.add(logged(None, approx_kl=0.1))

    assert recorded.updates == 3


def test_a_step_that_is_repeated_does_not_count_twice():
    """The start of the process that repeats it has the numbers: another one finds the same position."""
    first = Recorded()
    for event in (logged(1, approx_kl=0.1), logged(2, approx_kl=0.2, x=1.0), logged(2, "b", y=1.0)):
        first.add(event)
    settings = first.repeat_step(2)
    second = Recorded()
    for event in (logged(1, approx_kl=0.1), logged(2, approx_kl=0.2, x=1.0), logged(2, "b", y=1.0)):
        second.add(event)
    second.start(RunStarted(task="t", resumed_from=first.updates, config=settings))

    for recorded in (first, second):
        assert (recorded.updates, recorded.files["a"].values, recorded.files["b"].values) == (1, 1, 0)
        recorded.add(logged(2, approx_kl=0.2, x=1.0, z=3.0))
        assert (recorded.updates, recorded.files["a"].values) == (2, 4)


def test_a_step_without_an_update_is_repeated_without_going_back():
    """The number of updates stays."""
    recorded = Recorded()
    recorded.add(logged(1, approx_kl=0.1))
    recorded.add(logged(2, x=1.0))
    recorded.repeat_step(2)

    assert recorded.updates == 1


def test_the_last_value_is_compared_as_far_as_it_is_known():
    """NaN is the same as NaN."""
    position = FilePosition()
    unknown = position.may_be_last("x", 1.0)
    position.add(1, {"x": math.nan})

    assert unknown
    assert position.may_be_last("x", math.nan)
    assert not position.may_be_last("x", 1.0)
    assert not position.may_be_last("y", math.nan)


def test_a_run_that_does_not_exist_has_nothing(tmp_path):
    """A directory without files is none either."""
    (tmp_path / "empty" / "spool").mkdir(parents=True)

    assert not recorded_position(tmp_path / "none").exists
    assert not recorded_position(tmp_path / "empty").exists
