"""Hits, delays, onset errors and false findings of runs whose answers are known."""

import pytest
from benchmarks.verdicts.measure import Amount, measure
from benchmarks.verdicts.recording_file import Recording
from benchmarks.verdicts.replay import Alarm, ReplayedRun, by_update, replay
from benchmarks.verdicts.report import report, total
from benchmarks.verdicts.table import SEEDS

from esper_schemas.events import PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.findings import Finding
from esper_schemas.payload import PPOUpdatePayload

TUNING, MEASURED = SEEDS["tuning"][0], SEEDS["measured"][0]


def recording(returns, seed=MEASURED, fault="", begins=1, **facts):
    """A training with one empty update for each return."""
    return Recording(
        trainer="sb3", task="CartPole", seed=seed, fault=fault, twin=f"sb3-CartPole-{seed}" * bool(fault),
        begins=begins, marks=[0] * len(returns), true_returns=list(returns), **facts,
    )  # fmt: skip


LEARNED = [1.0, 2.0] * 4 + [9.0, 10.0] * 6
"""The returns of a training that learns."""


def alarm(update, rule, since, severity="critical"):
    """A finding that began to apply."""
    return Alarm(update, Finding(rule=rule, severity=severity, title="", since_update=since))


def faulty(*alarms, fault="learning rate × 100", returns=(1.0,) * 10):
    """A run whose fault begins at update 11, and what is found in it."""
    twin = recording([1.0, 2.0] * 10)
    return ReplayedRun(recording(returns, fault=fault, begins=11), twin, alarms, frozenset())


def test_a_hit_has_its_delay_and_onset_error():
    """They are counted from the true beginning of the fault, to the first of several findings."""
    result = measure([faulty(alarm(13, "large_updates", 12), alarm(15, "large_updates", 15))])["measured"]

    assert result.rules["large_updates"].hits == 1
    assert result.rules["large_updates"].delays == [2]
    assert result.rules["large_updates"].onset_errors == [1]
    assert result.faults["learning rate × 100"].delays == [2]
    assert result.faults["learning rate × 100"].found == 1


def test_one_rule_is_enough_to_find_a_fault():
    """The other rules that could have named it miss it, but it is not missed by all."""
    result = measure([faulty(alarm(13, "policy_collapse", 13))])["measured"]

    assert result.rules["large_updates"].misses == 1
    assert not result.rules["large_updates"].missed_by_all.total()
    assert result.faults["learning rate × 100"].found == 1


def test_a_finding_that_does_not_name_the_fault_is_no_hit():
    """It is counted as secondary, and the fault as missed by all of its rules."""
    result = measure([faulty(alarm(13, "no_reward_signal", 11))])["measured"]

    assert result.faults["learning rate × 100"].found == 0
    assert result.faults["learning rate × 100"].missed == [f"sb3 CartPole {MEASURED}"]
    assert result.rules["no_reward_signal"].secondary == 1
    assert result.rules["large_updates"].missed_by_all == {"learning rate × 100": 1}


def test_every_finding_about_a_healthy_training_is_false():
    """They are counted by severity, in the half of the seed."""
    run = ReplayedRun(
        recording(LEARNED, seed=TUNING),
        None,
        (alarm(3, "large_updates", 2), alarm(9, "large_updates", 9), alarm(9, "early_stop", 4, "warning")),
        frozenset(),
    )
    halves = measure([run])

    assert halves["tuning"].healthy.alarms == {"critical": 2, "warning": 1}
    assert halves["tuning"].healthy.with_alarms == {"critical": 1, "warning": 1}
    assert halves["tuning"].rules["large_updates"].false["critical"] == 2
    assert halves["measured"].healthy.trainings == 0
    assert any("2 critical (100.00 per 1,000 updates" in line for line in report(halves))


def test_findings_around_a_fall_of_the_return_are_counted_apart():
    """The updates around the fall are not healthy ones, and a later finding is false."""
    returns = [1.0, 2.0] * 4 + [9.0] * 12 + [1.0] * 8 + [9.0, 9.5] * 20
    alarms = (alarm(25, "return_collapse", 21), alarm(60, "large_updates", 60))
    result = measure([ReplayedRun(recording(returns), None, alarms, frozenset())])["measured"]

    assert result.rules["return_collapse"].in_falls == 1
    assert not result.rules["return_collapse"].false
    assert result.healthy.alarms == {"critical": 1}
    assert result.healthy.updates + result.healthy.fallen == len(returns)
    assert result.healthy.fallen >= 17


@pytest.mark.parametrize(
    ("returns", "outcome"), [([5.0] * 20, "no signal"), ([1.0, 2.0] * 10, "did not learn")]
)
def test_findings_about_a_training_that_learned_nothing_are_neither_right_nor_wrong(returns, outcome):
    """Its updates are not healthy ones."""
    result = measure([ReplayedRun(recording(returns), None, (alarm(9, "large_updates", 9),), frozenset())])
    healthy = result["measured"].healthy

    assert healthy.others == {outcome: (1, 20)}
    assert healthy.updates == healthy.alarms.total() == 0
    assert healthy.not_learned == [f"sb3 CartPole {MEASURED}"]
    assert result["measured"].rules["large_updates"].unlearned == 1


def test_recordings_and_updates_are_counted_by_trainer_and_task():
    """Those with a fault apart."""
    run = ReplayedRun(recording(LEARNED), None, (), frozenset())
    result = measure([run, faulty()])["measured"]

    assert result.amounts == {
        ("sb3", "CartPole"): Amount(recordings=1, updates=20, faulty=1, faulty_updates=10)
    }
    assert total([*result.amounts.values()] * 2).updates == 40


def test_a_missed_fault_with_damage_is_listed():
    """Damage is what counts."""
    result = measure([faulty(returns=[-9.0] * 10)])["measured"]

    assert result.rules["large_updates"].missed_damage == {"learning rate × 100": 1}
    assert "0 of 1 (0 %) found" in "".join(report({"measured": result}))


def test_the_report_has_no_part_for_a_half_without_recordings():
    """As the measured one, unless it is asked for."""
    lines = list(report(measure([faulty()])))
    assert [line for line in lines if line.startswith("==")] == ["== measured: only measured"]


def test_no_reward_signal_is_true_where_all_returns_are_the_same():
    """And only there."""
    alarms = (alarm(12, "no_reward_signal", 9, "warning"), alarm(24, "no_reward_signal", 22, "warning"))
    run = ReplayedRun(recording([-200.0] * 15 + [1.0, 2.0] * 5), None, alarms, frozenset())
    result = measure([run])["measured"]

    assert result.rules["no_reward_signal"].true_of_flat == 1
    assert result.rules["no_reward_signal"].false["warning"] == 1


def update(number, kl):
    """The event of an update."""
    return PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(kl_divergence=kl, clip_fraction=0.1))


@pytest.fixture
def branches():
    """A healthy training of ten updates, and one whose KL explodes from update 6 on."""
    started = RunStarted(task="CartPole")
    twin = Recording(
        trainer="sb3", task="CartPole", seed=MEASURED, marks=list(range(2, 12)), true_returns=[1.0] * 10,
        events=[started, *(update(number, 0.01) for number in range(1, 11))],
    )  # fmt: skip
    broken = Recording(
        trainer="sb3", task="CartPole", seed=MEASURED, fault="learning rate × 100",
        twin=f"sb3-CartPole-{MEASURED}", begins=6, marks=[1, 2, 3, 4], true_returns=[1.0] * 4,
        events=[update(number, 5.0) for number in range(6, 10)],
    )  # fmt: skip
    return twin, broken


def test_a_fault_is_folded_after_the_updates_of_its_twin(branches):
    """An update with a huge KL is a finding at once; the twin has none."""
    twin, broken = branches
    of_fault, of_twin = replay(twin, [broken])

    assert [(a.update, a.finding.rule, a.finding.since_update) for a in of_fault.alarms] == [
        (6, "large_updates", 6)
    ]
    assert of_twin.alarms == ()
    result = measure([of_fault, of_twin])["measured"]
    assert result.rules["large_updates"].delays == [0]
    assert result.rules["large_updates"].onset_errors == [0]


def test_a_finding_from_before_the_fault_is_no_hit(branches):
    """What applied already when the fault began says nothing about it."""
    twin, broken = branches
    twin.events[1:] = [update(number, 5.0) for number in range(1, 11)]
    of_fault, _ = replay(twin, [broken])

    assert ("large_updates", None) in of_fault.present
    assert of_fault.alarms == ()


def test_a_failed_training_is_folded_to_its_end(branches):
    """With the reason for which it failed, in its last update."""
    _, broken = branches
    broken.ended = "ValueError: invalid probabilities"
    *before, (last, events) = by_update(broken)

    assert [len(events) for _, events in before] == [1, 1, 1]
    assert last == 9
    assert events[1:] == [RunFinished(outcome="failed", updates=9, reason=broken.ended)]
