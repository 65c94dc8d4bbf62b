"""The numbers of a run are those of all its ranks, by stated reductions and in any order of arrival."""

import math
from itertools import chain, islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import structs
from tests.aggregator.fold.examples import update
from tests.aggregator.fold.ranks import collected, finished, rank_records
from tests.aggregator.fold.validated import fold_all, project
from tests.aggregator.past.recorded_runs import SECOND, START_NS, Trainer

from esper_schemas import events as e
from esper_schemas.codec import encode_snapshot
from esper_schemas.snapshot import SanctumSnapshot


def shown(*ranks):
    """The snapshot after the records of all ranks, one rank after the other."""
    return project(fold_all(record for records in ranks for record in records))


def of_rollouts(first, second, **started):
    """The run after one rollout of each of two ranks."""
    return shown(rank_records(0, [first], **started), rank_records(1, [second], **started)).run


def test_steps_and_speed_are_summed():
    """100 + 140 steps at 50 + 70 steps per second."""
    run = of_rollouts(
        collected(1, env_steps_total=100, steps_per_second=50.0),
        collected(1, env_steps_total=140, steps_per_second=70.0),
    )

    assert (run.env_steps_total, run.steps_per_second) == (240, 120.0)


def test_what_one_rank_does_not_report_is_that_of_the_others():
    """A count that only one rank knows may be reported by it alone."""
    run = of_rollouts(collected(1, 2.0, env_steps_total=100), collected(1))

    assert (run.env_steps_total, run.mean_return, run.steps_per_second) == (100, 2.0, None)


def test_means_are_weighted_by_the_environments_of_each_rank():
    """2 and 6 environments: (2·1 + 6·5) / 8 = 4, (2·10 + 6·30) / 8 = 25, (2·0.2 + 6·0.6) / 8 = 0.5."""
    first = rank_records(
        0, [collected(1, 1.0, mean_length=10.0, mean_accuracy=0.2)], environments=2, baseline_return=3.0
    )
    second = rank_records(
        1, [collected(1, 5.0, mean_length=30.0, mean_accuracy=0.6)], environments=6, baseline_return=7.0
    )
    run = shown(first, second).run

    assert (run.mean_return, run.mean_length) == (4.0, 25.0)
    assert run.mean_accuracy == pytest.approx(0.5)
    assert run.baseline_return == 6.0  # (2·3 + 6·7) / 8
    assert run.environments == 8
    assert run.mean_return_history == (4.0,)


def test_means_are_not_weighted_unless_all_ranks_state_their_environments():
    """Rank 1 does not: (1 + 5) / 2."""
    first = rank_records(0, [collected(1, 1.0)], environments=2)

    assert shown(first, rank_records(1, [collected(1, 5.0)])).run.mean_return == 3.0
    assert shown(first, rank_records(1, [collected(1, 5.0)], environments=0)).run.mean_return == 3.0


def test_the_deviation_of_returns_is_pooled():
    """Returns (1, 3) and (5, 7): means 2 and 6, deviations 1 and 1; of all four √((9 + 1 + 1 + 9) / 4)."""
    run = of_rollouts(collected(1, 2.0, std_return=1.0), collected(1, 6.0, std_return=1.0))

    assert run.std_return == pytest.approx(math.sqrt(5.0))


def test_a_rank_without_a_deviation_is_left_out_of_it():
    """Only rank 1 has one."""
    assert of_rollouts(collected(1, 2.0), collected(1, 6.0, std_return=1.5)).std_return == 1.5


def test_a_return_that_is_not_finite_is_not_averaged_away():
    """NaN on one rank is NaN for the run; so is its deviation."""
    run = of_rollouts(collected(1, 2.0, std_return=1.0), collected(1, math.nan, std_return=1.0))

    assert math.isnan(run.mean_return)
    assert math.isnan(run.std_return)


def test_equal_values_are_not_changed_by_rounding():
    """The mean of 0.1 three times is 0.1."""
    ranks = [
        rank_records(rank, [collected(1, 0.1)], world_size=3, environments=number)
        for rank, number in enumerate((3, 5, 11))
    ]

    assert shown(*ranks).run.mean_return == 0.1


def test_means_are_of_the_newest_update_that_all_ranks_have_collected():
    """Rank 0 is one update ahead, which changes neither the mean return nor the slots, but the steps."""
    ahead = [collected(n, float(n), stage_counts=(n, 1), env_steps_total=10 * n) for n in (1, 2, 3)]
    behind = [collected(n, 10.0 * n, stage_counts=(n,), env_steps_total=10 * n) for n in (1, 2)]
    snapshot = shown(rank_records(0, ahead), rank_records(1, behind))

    assert snapshot.run.mean_return == 11.0  # (2 + 20) / 2
    assert snapshot.run.mean_return_history == (5.5, 11.0)
    assert snapshot.slots.stage_counts == (4, 1)
    assert snapshot.run.env_steps_total == 50


def test_ranks_without_a_common_update_show_the_last_of_each():
    """Rank 1 began its count at 5."""
    snapshot = of_rollouts(collected(1, 1.0), collected(5, 2.0))

    assert (snapshot.mean_return, snapshot.mean_return_history) == (1.5, ())


def test_slots_are_summed_by_stage():
    """Counts of different lengths are filled up with zeros."""
    snapshot = shown(
        rank_records(0, [collected(1, stage_counts=(1, 2, 3))]),
        rank_records(1, [collected(1, stage_counts=(10, 20))]),
    )

    assert snapshot.slots.stage_counts == (11, 22, 3)


def test_a_rank_that_is_left_behind_keeps_its_steps_and_loses_its_part_in_means():
    """Rank 1 stopped at update 1: it counts until the others are ten updates ahead."""
    dead = rank_records(
        1, [collected(1, 100.0, env_steps_total=7, steps_per_second=1.0), update(1, policy_loss=9.0)]
    )

    def after(updates):
        events = [
            event
            for n in range(1, updates + 1)
            for event in (
                collected(n, 1.0, env_steps_total=n, steps_per_second=2.0),
                update(n, policy_loss=1.0),
            )
        ]
        snapshot = shown(rank_records(0, events), dead)
        run = snapshot.run
        return run.mean_return, run.steps_per_second, run.env_steps_total, snapshot.tamiyo.policy_loss

    assert after(10) == (50.5, 3.0, 17, 5.0)
    assert after(11) == (1.0, 2.0, 18, 1.0)


def test_ranks_beyond_the_world_size_are_of_an_earlier_attempt():
    """A run of three ranks was resumed with two."""
    ranks = [
        rank_records(rank, [collected(1, float(rank))], world_size=2 if rank < 2 else 3) for rank in range(3)
    ]

    assert shown(*ranks).run.mean_return == 0.5


def test_episodes_of_all_ranks_are_counted_and_listed_in_the_order_of_time():
    """Rank 0 finishes one at seconds 1 and 3, rank 1 at seconds 2 and 4, which arrive earlier."""

    def ended(at, rank):
        return e.EpisodeCompleted(
            environment=0, episode=at, episode_return=float(at), length=at, accuracy=0.1 * rank
        )

    filler = e.VitalsSampled()
    first = rank_records(0, [ended(1, 0), filler, ended(3, 0)])
    second = rank_records(1, [filler, ended(2, 1), filler, ended(4, 1)])
    episodes = shown(second, first).episodes

    assert (episodes.completed, episodes.returns, episodes.lengths) == (4, (1.0, 2.0, 3.0, 4.0), (1, 2, 3, 4))
    assert episodes.accuracies == (0.0, 0.1, 0.0, 0.1)


def test_the_list_of_episodes_is_as_long_as_that_of_one_rank():
    """Of 120 episodes of two ranks the last 64 are listed, all are counted."""
    ended = [
        e.EpisodeCompleted(environment=0, episode=n, episode_return=float(n), length=1) for n in range(60)
    ]
    episodes = shown(rank_records(0, ended), rank_records(1, ended)).episodes

    assert episodes.completed == 120
    assert episodes.returns == tuple(float(n) for n in range(28, 60) for _ in range(2))


def test_memory_is_summed_and_cores_are_those_of_each_host():
    """Host a is busy with 0.25 + 0.5 of its cores, host b with 0.25; three GPUs with 0.8 on average."""
    samples = [("a", 0.25, 0.9), ("a", 0.5, 0.9), ("b", 0.25, 0.6)]
    ranks = [
        rank_records(
            rank,
            [e.VitalsSampled(cpu_share=cpu, memory_bytes=100, gpu_share=gpu, gpu_memory_bytes=rank)],
            world_size=3,
            host=host,
        )
        for rank, (host, cpu, gpu) in enumerate(samples)
    ]
    vitals = shown(*ranks).vitals

    assert (vitals.cpu_share, vitals.memory_bytes, vitals.gpu_memory_bytes) == (0.5, 300, 3)
    assert vitals.gpu_share == pytest.approx(0.8)
    assert vitals.gpu_memory_peak_bytes is None


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([finished()], [collected(1)], (None, "")),  # one rank still has to end
        ([finished()], [finished()], ("completed", "")),
        ([collected(1)], [finished("failed", "disk full")], ("failed", "disk full")),  # it ends the run
        ([finished()], [finished("interrupted", "signal")], ("interrupted", "signal")),
    ],
)
def test_a_run_has_ended_when_all_its_ranks_have_or_one_has_failed(first, second, expected):
    """The worst end is that of the run."""
    run = shown(rank_records(0, first), rank_records(1, second)).run

    assert (run.outcome, run.reason) == expected


def test_a_failure_of_an_earlier_attempt_does_not_end_the_next_one():
    """Rank 0 trains again after both had failed; the new start of rank 1 has not arrived yet."""
    before = [rank_records(rank, [collected(1), finished("failed", "gone")]) for rank in range(2)]
    again = rank_records(0, [collected(2)], from_s=10, epoch=2)

    assert shown(*before).run.outcome == "failed"
    assert shown(*before, again).run.outcome is None


def test_the_environments_of_a_run_of_version_0_1_are_not_summed():
    """Its ranks gave the number of the whole run."""
    ranks = [rank_records(rank, [], environments=64, version="0.1.0") for rank in range(2)]

    assert shown(*ranks).run.environments == 64


def test_histories_are_of_all_ranks():
    """The mean of every metric in the updates that both ranks made; rank 1 has not made the third."""
    ranks = [
        rank_records(rank, [update(n, td_error_mean=float(n + 2 * rank)) for n in range(1, 4 - rank)])
        for rank in range(2)
    ]

    assert shown(*ranks).histories["td_error_mean"] == (2.0, 3.0)


_numbers = (
    st.none() | st.sampled_from([0.1, 0.2, 0.3, 1e16, -1e16, 0.0, -0.0, math.nan, math.inf]) | st.floats()
)
_counts = st.none() | st.integers(-(2**63), 2**64 - 1)


@settings(deadline=None, max_examples=60)
@given(data=st.data())
def test_the_order_in_which_ranks_arrive_does_not_matter(data):
    """Any interleaving of the records of three ranks gives the same run, slots, episodes and learner."""
    ranks = [_drawn_rank(data, rank) for rank in range(3)]
    first, second = (_interleaved(data, ranks) for _ in range(2))

    assert _run_of(first) == _run_of(second)


def _drawn_rank(data, rank):
    events = []
    for n in range(1, 1 + data.draw(st.integers(0, 3))):
        events.append(
            collected(
                n,
                data.draw(_numbers),
                std_return=data.draw(_numbers),
                mean_length=data.draw(_numbers),
                steps_per_second=data.draw(_numbers),
                env_steps_total=data.draw(_counts),
                stage_counts=tuple(data.draw(st.lists(st.integers(0, 2**63 - 1), max_size=3))),
            )
        )
        events.append(e.EpisodeCompleted(environment=0, episode=n, episode_return=float(rank), length=n))
        events.append(update(n, policy_loss=data.draw(_numbers)))
    return rank_records(
        rank, events, world_size=3, environments=data.draw(_counts), baseline_return=data.draw(_numbers)
    )


def _interleaved(data, ranks):
    """The records of all ranks, each rank's in their order."""
    turns = data.draw(st.permutations([rank for rank, records in enumerate(ranks) for _ in records]))
    waiting = [iter(records) for records in ranks]
    return [next(waiting[rank]) for rank in turns]


def _run_of(records):
    """What does not tell of arrival, as bytes, in which NaN equals NaN."""
    snapshot = project(fold_all(records))
    kept = SanctumSnapshot(
        run=structs.replace(snapshot.run, last_event_ns=None),
        tamiyo=snapshot.tamiyo,
        histories=snapshot.histories,
        ranks=snapshot.ranks,
        slots=snapshot.slots,
        episodes=snapshot.episodes,
        findings=snapshot.findings,
    )
    return encode_snapshot(kept)


def test_one_rank_is_itself():
    """Its values are not copied, and its last rollout counts."""
    rollouts = [collected(n, -0.0, std_return=0.1, env_steps_total=n, stage_counts=(n,)) for n in (1, 2)]
    snapshot = shown(rank_records(0, rollouts, world_size=1, environments=3))

    assert str(snapshot.run.mean_return) == "-0.0"
    assert (snapshot.run.std_return, snapshot.run.env_steps_total) == (0.1, 2)
    assert (snapshot.slots.stage_counts, snapshot.run.environments) == ((2,), 3)


def evidence_of(*losses):
    """The evidence of the first finding about ranks with these losses."""
    ranks = [
        rank_records(rank, [update(n, policy_loss=loss) for n in range(1, 4)], world_size=len(losses))
        for rank, loss in enumerate(losses)
    ]
    return shown(*ranks).findings[0].evidence[0].text


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ((1.0, math.nan), " on rank 1"),
        ((math.nan, 1.0, math.nan), " on ranks 0 and 2"),
        ((1.0, *[math.nan] * 3), " on ranks 1, 2 and 3"),
        ((*[math.nan] * 5, 1.0), " on ranks 0, 1, 2 and others"),
        ((math.nan, math.nan), "NaN"),
        ((math.nan,), "NaN"),
    ],
)
def test_a_finding_names_the_ranks_that_show_it_unless_all_do(losses, expected):
    """The value in its evidence is one of theirs."""
    assert evidence_of(*losses).endswith(expected)


@pytest.mark.parametrize(("second", "expected"), [(1.0, ["no_reward_signal"]), (5.0, [])])
def test_equal_returns_within_each_rank_are_no_fault_if_ranks_differ(second, expected):
    """Each of two ranks has one environment, whose return has no spread."""
    rollouts = ([collected(n, mean, std_return=0.0) for n in range(1, 6)] for mean in (1.0, second))
    ranks = [rank_records(rank, made, environments=1) for rank, made in enumerate(rollouts)]

    assert [finding.rule for finding in shown(*ranks).findings] == expected


def test_a_run_is_paused_from_the_end_of_its_processes_until_they_begin_again():
    """Of several ranks, which resume one after another: the seconds between their starts are counted, too."""
    times = iter([*range(20), *range(100, 120), *range(300, 320)])
    clock = (START_NS + second * SECOND for second in times)
    ranks, records = [Trainer("host:0", clock), Trainer("host:1", clock)], []
    for _ in range(3):
        for rank, trainer in enumerate(ranks):
            records += islice(chain(trainer.start(rank=rank), trainer.updates(1, 9)), 10)
    state = fold_all(record.decoded() for record in records)

    assert project(state).run.paused_ns == (100 - 19 + 1 + 300 - 119 + 1) * SECOND
