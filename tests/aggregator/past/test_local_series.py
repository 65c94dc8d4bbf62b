"""The series of a local run are those that a plain read of its log gives."""

import math
import random

import numpy as np
import pytest

from esper_aggregator.past.local_series import LocalSeries
from esper_aggregator.past.steps import finish
from esper_aggregator.recording import Recording
from esper_aggregator.replay import snapshot_of
from esper_schemas.declarations import HeadSpec, MetricSpec
from esper_schemas.errors import InvalidArgument
from esper_schemas.events import (
    MetricDefined,
    PPOUpdateCompleted,
    RolloutCompleted,
    RunStarted,
    ScalarsLogged,
)
from esper_schemas.history import SeriesQuestion
from esper_schemas.payload import HeadMeasures, PPOUpdatePayload

VALUES = (None, 0.5, -0.0, math.nan, math.inf, -math.inf, 1e39, 1e-320, 0.1, 3.0)


def update(number, **values):
    """An update with these metrics."""
    return PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(**values))


@pytest.fixture
def varied(raw_of, write_log):
    """A run of 3,000 updates with values of every kind, and the values."""
    dice = random.Random(1)
    values = [dice.choice(VALUES) for _ in range(3000)]
    records = [raw_of(update(n, kl_divergence=v, entropy=float(n))) for n, v in enumerate(values, 1)]
    return LocalSeries(write_log(records)), values


def same(left, right):
    """Whether two floats have the same value, where NaN equals NaN and the zeros differ."""
    return repr(left) == repr(right)


def test_with_a_bucket_for_each_update_the_values_are_those_of_the_log(varied, read_columns):
    """What was not measured has no bucket, which differs from a measured NaN."""
    series, values = varied
    x, columns = read_columns(series, "kl_divergence")
    measured = [(n, v) for n, v in enumerate(values, 1) if v is not None]

    assert x == [n for n, _ in measured]
    assert all(map(same, columns["kl_divergence"]["last"], [v for _, v in measured]))
    assert columns["kl_divergence"]["not_finite"] == [not math.isfinite(v) for _, v in measured]
    assert set(columns["kl_divergence"]["measured"]) == {1}


def test_a_metric_is_absent_where_only_another_one_was_measured(varied, read_columns):
    """Columns share their buckets; one without a value has a count of 0 and NaN."""
    series, values = varied
    _, columns = read_columns(series, "kl_divergence", "entropy")

    assert columns["kl_divergence"]["measured"] == [v is not None for v in values]
    absent = values.index(None)
    assert math.isnan(columns["kl_divergence"]["last"][absent])
    assert columns["entropy"]["last"] == [float(n) for n in range(1, 3001)]


@pytest.mark.parametrize(("first", "last", "points"), [(None, None, 7), (500, 2500, 100), (17, 18, 1)])
def test_a_bucket_has_the_statistics_of_its_values(varied, read_columns, first, last, points):
    """Minimum, mean and maximum are of the finite ones, the last value is of any kind."""
    series, values = varied
    x, columns = read_columns(series, "kl_divergence", first=first, last=last, points=points)
    begin, end = first or 1, last or 3000
    found = [(n, v) for n, v in enumerate(values, 1) if v is not None and begin <= n <= end]

    assert 0 < len(x) <= points
    for place, start in enumerate(x):
        bucket = [v for n, v in found if start <= n and (place + 1 == len(x) or n < x[place + 1])]
        finite = [v for v in bucket if math.isfinite(v)]
        column = {name: statistic[place] for name, statistic in columns["kl_divergence"].items()}
        assert (column["measured"], column["not_finite"]) == (len(bucket), len(bucket) - len(finite))
        assert same(column["last"], bucket[-1])
        assert (column["minimum"], column["maximum"]) == (min(finite), max(finite))
        assert column["mean"] == pytest.approx(math.fsum(finite) / len(finite))


def test_a_mean_of_values_whose_sum_is_too_large_is_finite(raw_of, write_log, read_columns):
    """Each of the values can be represented, and so can their mean."""
    series = LocalSeries(write_log([raw_of(update(n, value_loss=1.5e308)) for n in range(1, 9)]))

    _, columns = read_columns(series, "value_loss", points=2)

    assert columns["value_loss"]["mean"] == [pytest.approx(1.5e308)] * 2


def test_buckets_have_equal_widths_and_empty_ones_are_left_out(raw_of, write_log, read_columns):
    """Updates 1 to 10 and 91 to 100 in ten buckets are two buckets."""
    numbers = [*range(1, 11), *range(91, 101)]
    series = LocalSeries(write_log([raw_of(update(n, entropy=1.0)) for n in numbers]))

    assert read_columns(series, "entropy", points=10)[0] == [1, 91]


def test_own_metrics_and_heads_are_columns(raw_of, write_log, read_columns):
    """They are named as in a snapshot, by the run, or as `heads.HEAD.FAMILY`."""
    heads = {"move": HeadMeasures(entropy=0.7), "turn": HeadMeasures(kl_divergence=0.1)}
    payload = PPOUpdatePayload(heads=heads, scalars={"loss/own": 4.0})
    records = [
        raw_of(RunStarted(task="t", heads=(HeadSpec("move", 3), HeadSpec("turn", 2)))),
        raw_of(PPOUpdateCompleted(update=1, payload=payload)),
        raw_of(update(2, head_op_entropy=0.9)),
        raw_of(ScalarsLogged(values={"reward/own": 5.0})),
    ]
    names = ("heads.move.entropy", "heads/turn/kl_divergence", "heads.op.entropy", "loss/own", "reward/own")

    x, columns = read_columns(LocalSeries(write_log(records)), *names, "never/measured")

    assert x == [1, 2]
    assert tuple(columns) == names
    measured = [[v for v in column["last"] if v == v] for column in columns.values()]
    assert measured == [[0.7], [0.1], [0.9], [4.0], [5.0]]


def test_of_a_resumed_run_the_later_values_count(raw_of, write_log, read_columns):
    """The first process made 57 updates; the second one resumed after update 50, and made 60 in all."""
    first = [raw_of(update(n, entropy=1.0), at_ns=n) for n in range(1, 58)]
    second = [raw_of(update(n, entropy=2.0), epoch=2, at_ns=100 + n) for n in range(51, 61)]

    x, columns = read_columns(LocalSeries(write_log([*first, *second])), "entropy")

    assert x == list(range(1, 61))
    assert columns["entropy"]["last"] == [1.0] * 50 + [2.0] * 10
    assert set(columns["entropy"]["measured"]) == {1}


def test_the_values_that_a_resumed_run_made_again_are_answered_beside_the_others(raw_of, write_log):
    """Also where the later process has not come as far; a run that was not resumed has none."""
    first = [raw_of(update(n, entropy=1.0), at_ns=n) for n in range(1, 58)]
    second = [raw_of(update(n, entropy=2.0), epoch=2, at_ns=100 + n) for n in range(51, 54)]
    asked = SeriesQuestion(metrics=("entropy",), points=100)
    resumed = finish(LocalSeries(write_log([*first, *second])).answer(asked))

    (again,) = resumed.earlier
    assert np.frombuffer(resumed.x).tolist() == list(range(1, 54))
    assert np.frombuffer(resumed.earlier_x).tolist() == list(range(51, 58))
    assert np.frombuffer(again.last).tolist() == [1.0] * 7


def test_the_later_process_counts_also_if_its_events_arrived_first(raw_of, write_log, read_columns):
    """The spool of the earlier one was adopted when the later one had begun."""
    first = [raw_of(update(n, entropy=1.0), at_ns=n) for n in range(1, 58)]
    second = [raw_of(update(n, entropy=2.0), epoch=2, at_ns=100 + n) for n in range(51, 61)]

    x, columns = read_columns(LocalSeries(write_log([*second, *first])), "entropy")

    assert x == list(range(1, 61))
    assert columns["entropy"]["last"] == [1.0] * 50 + [2.0] * 10
    assert set(columns["entropy"]["measured"]) == {1}


def test_ranks_are_merged_as_in_a_snapshot(raw_of, write_log, read_columns):
    """The last values of a series are the history of the snapshot, for every metric."""
    records = []
    for rank in range(3):
        started = RunStarted(task="t", rank=rank, world_size=3, environments=4 + rank)
        records.append(raw_of(started, producer=f"trainer:{rank}"))
    records.append(raw_of(MetricDefined(metric=MetricSpec(name="own", over_ranks="max"))))
    dice = random.Random(2)
    for number in range(1, 21):
        for rank in range(3 if number < 20 else 2):
            producer = f"trainer:{rank}"
            values = {name: dice.random() for name in ("kl_divergence", "grad_norm", "joint_ratio_max")}
            entropy = dice.choice([None, math.nan, 0.25])
            rollout = {"mean_return": dice.random(), "std_return": dice.random(), "env_steps_total": number}
            records.append(raw_of(RolloutCompleted(update=number, **rollout), producer=producer))
            payload = PPOUpdatePayload(**values, entropy=entropy, scalars={"own": dice.random()})
            records.append(raw_of(PPOUpdateCompleted(update=number, payload=payload), producer=producer))
    path = write_log(records)
    snapshot, series = snapshot_of(path), LocalSeries(path)

    for name in ("kl_divergence", "grad_norm", "joint_ratio_max"):
        _, columns = read_columns(series, name, first=11)
        assert tuple(columns[name]["last"]) == snapshot.histories[name]
    x, columns = read_columns(series, "mean_return", "std_return", "env_steps_total", "own", "entropy")
    assert x == list(range(1, 20))
    assert tuple(columns["mean_return"]["last"]) == snapshot.run.mean_return_history
    assert columns["std_return"]["last"][-1] == pytest.approx(snapshot.run.std_return)
    assert columns["env_steps_total"]["last"] == [3 * number for number in range(1, 20)]
    last = dict(zip(x, columns["entropy"]["last"], strict=True))
    shown = dict(zip(range(11, 20), snapshot.histories["entropy"], strict=True))
    assert all(same(last[n], math.nan if v is None else v) for n, v in shown.items() if n in last)


def test_values_can_be_placed_at_environment_steps_and_at_times(raw_of, write_log, read_columns):
    """An update is placed at the steps of its rollout; an update before the first rollout has no place."""
    records = [raw_of(update(1, entropy=0.1), at_ns=10**9)]
    for number in (2, 3, 4):
        records.append(raw_of(RolloutCompleted(update=number, env_steps_total=100 * number)))
        records.append(raw_of(update(number, entropy=number / 10), at_ns=number * 10**9))
    series = LocalSeries(write_log(records))

    assert read_columns(series, "entropy", x="env_step")[0] == [200, 300, 400]
    x, columns = read_columns(series, "entropy", x="time", first=2, last=3)
    assert (x, columns["entropy"]["last"]) == ([2, 3], [0.2, 0.3])


def test_of_a_trainer_without_environment_steps_its_own_steps_are_the_axis(raw_of, write_log, read_columns):
    """They are what it passes to `log`."""
    values = [{"policy_loss": 0.5, "own": 1.0, "learning_rate": 0.1} for _ in range(3)]
    records = [raw_of(ScalarsLogged(values=v, step=n * 2048)) for n, v in enumerate(values)]
    series = LocalSeries(write_log(records))

    assert read_columns(series, "own", "policy_loss", x="env_step")[0] == [0, 2048, 4096]


def test_an_update_that_is_still_open_is_included(raw_of, write_log, read_columns):
    """More values of the last step may come, as a snapshot shows it, and then it is one update still."""
    records = [raw_of(ScalarsLogged(values={"policy_loss": float(n)}, step=n)) for n in range(3)]
    path = write_log(records)
    series = LocalSeries(path)
    before = read_columns(series, "policy_loss")

    write_log([raw_of(ScalarsLogged(values={"value_loss": 1.0}, step=2))])

    assert before == read_columns(series, "policy_loss")
    assert before[1]["policy_loss"]["last"] == [0.0, 1.0, 2.0]
    assert read_columns(series, "value_loss")[0] == [3]


def test_what_is_added_to_a_log_is_in_the_next_answer(tmp_path, raw_of, read_columns):
    """Each answer has what the log has when it is asked for."""
    recording = Recording(tmp_path / "r", 1)
    series, seen = None, []
    for number in range(1, 5):
        recording.extend([raw_of(update(number, entropy=1.0))])
        recording.flush()
        series = series or LocalSeries(tmp_path / "r")
        seen.append(read_columns(series, "entropy")[0])
    recording.close()

    assert seen == [[1], [1, 2], [1, 2, 3], [1, 2, 3, 4]]


def test_numpy_reads_the_buffers_without_a_copy(varied):
    """`np.frombuffer` shares their memory."""
    answer = finish(varied[0].answer(SeriesQuestion(metrics=("entropy",))))

    assert not np.frombuffer(answer.x).flags.owndata


def test_a_run_without_updates_has_no_columns(raw_of, write_log, read_columns):
    """The answer is empty, and not an error."""
    series = LocalSeries(write_log([raw_of(RunStarted(task="t"))]))

    assert read_columns(series, "entropy") == ([], {})


def test_what_is_not_a_run_is_refused(tmp_path):
    """The error is that of every other reader."""
    with pytest.raises(InvalidArgument):
        LocalSeries(tmp_path)
