"""Updates and results as text."""

from pathlib import Path

from esper_trainer.run.progress_report import TrainingSummary, UpdateReport, summary_lines, update_line

RUN = Path("runs/lite")


def summary_of(**changes):
    """The summary of a run with ten updates."""
    fields = {
        "updates": 10, "env_steps": 40_960, "steps_per_second": 2048.4, "first_mean_return": 1.7204,
        "last_mean_return": 3.5, "baseline_return": 1.852, "mean_accuracy": 0.8, "outcome": "completed",
        "seconds": 20.0,
    }  # fmt: skip
    return TrainingSummary(**fields | changes)


def test_an_update_is_one_line_of_aligned_columns():
    """Negative numbers and those with more digits take the same space."""
    losses = {"policy_loss": -0.789, "value_loss": 0.0954}
    line = update_line(UpdateReport(7, 100, 1.5833, 0.7, 4096, 1012.4, **losses))
    wide = update_line(UpdateReport(70, 100, -11.5, 0.7, 4096, 98_765.0, **losses))

    assert line == (
        "update    7/100  return   1.583  policy loss  -0.789  value loss   0.095    1,012 steps/s"
    )
    assert len(wide) == len(line)


def test_a_summary_has_steps_returns_and_the_directory():
    """Each has a line."""
    assert summary_lines(summary_of(), RUN) == [
        "completed: 10 updates, 40,960 environment steps in 20.0 s (2,048 steps/s)",
        "mean return 1.720 → 3.500; always WAIT returns 1.852",
        "recorded in runs/lite; view it with: sanctum runs/lite",
    ]


def test_a_run_without_updates_has_no_returns():
    """It was interrupted during the first rollout."""
    lines = summary_lines(
        summary_of(updates=0, first_mean_return=None, last_mean_return=None, outcome="interrupted"), RUN
    )

    assert len(lines) == 2
    assert lines[0].startswith("interrupted: 0 updates")


def test_a_profile_is_named_with_how_to_open_it():
    """Its line is before that of the run's directory."""
    *_, profile, _ = summary_lines(summary_of(profile=Path("traces")), RUN)

    assert profile.startswith("profile written to traces; open it with: tensorboard --logdir traces")
