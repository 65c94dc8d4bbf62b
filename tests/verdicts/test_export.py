"""A recording becomes a run that every command can read."""

from benchmarks.verdicts.export import events_of, export
from benchmarks.verdicts.recording_file import Recording, write_recording

from esper_lite import open_run
from esper_schemas.events import PPOUpdateCompleted, RunFinished, RunStarted
from esper_schemas.payload import PPOUpdatePayload


def updates(first, last, kl):
    """The events of some updates."""
    return [
        PPOUpdateCompleted(update=number, payload=PPOUpdatePayload(kl_divergence=kl))
        for number in range(first, last + 1)
    ]


def write_branches(corpus):
    """A healthy training of six updates, and one with a fault in its fourth update, which ends it."""
    facts = {"trainer": "sb3", "task": "CartPole", "seed": 1}
    twin = Recording(
        **facts, marks=[2, 3, 4, 5, 6, 7], true_returns=[1.0] * 6,
        events=[RunStarted(task="CartPole"), *updates(1, 6, 0.5)],
    )  # fmt: skip
    faulty = Recording(
        **facts, fault="NaN reward", twin="twin", begins=4, marks=[1], true_returns=[1.0],
        ended="ValueError", events=updates(4, 4, 0.75),
    )  # fmt: skip
    write_recording(corpus / "twin.run", twin)
    write_recording(corpus / "faulty.run", faulty)


def test_a_faulty_recording_begins_with_its_twin(tmp_path):
    """Up to the update before the fault, and it ends as the training ended."""
    write_branches(tmp_path)
    started, *events, finished = events_of("faulty", tmp_path)

    assert started == RunStarted(task="CartPole")
    assert events == [*updates(1, 3, 0.5), *updates(4, 4, 0.75)]
    assert finished == RunFinished(outcome="failed", updates=4, reason="ValueError")


def test_a_recording_is_exported_as_a_run(tmp_path):
    """With all of its events."""
    write_branches(tmp_path)
    run = open_run(export("faulty", tmp_path / "runs", tmp_path))

    assert run.snapshot().tamiyo.last_update == 4
    assert run.snapshot().run.outcome == "failed"
